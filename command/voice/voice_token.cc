// voice token mint|verify: whether an agent may say what it is about to say, and the token that a speaker asks for
// before it does (docs/voice.md).
#include "command/approval/token_storage.h"
#include "command/decision/decision_records.h"
#include "command/decision/decision_signer.h"
#include "command/decision/gate_answer.h"
#include "command/decision/gate_inputs.h"
#include "command/line/command.h"
#include "command/line/input_file.h"
#include "command/line/key_files.h"
#include "command/line/signer_address.h"
#include "command/line/verifying_keys.h"
#include "command/policy/policy_file.h"
#include "command/voice/commands.h"
#include "common/clock.h"
#include "common/text.h"
#include "gate/document/optional_members.h"
#include "gate/document/verdict.h"
#include "gate/voice/commitment.h"
#include "gate/voice/say_token.h"

namespace countersign::command {
namespace {

using statement::Verdict;

constexpr Flag kMintFlags[] = {
    {"intent", Flag::Kind::Text, "FILE", "the commitment, JSON"},
    {"policy", Flag::Kind::Text, "FILE", "the policy, YAML"},
    {"ttl", Flag::Kind::Text, "SPAN", "how long the say token lives (2m)"},
    {"out", Flag::Kind::Text, "FILE", "where the say token goes (say_token_<token_id>.json)"},
    {"trace-out", Flag::Kind::Text, "FILE", "where the trace goes (trace_<trace_id>.json)"},
    {"approval-token", Flag::Kind::Text, "FILE", "an approval"},
    {"approval-token-chain", Flag::Kind::Text, "FILES", "further approvals, separated by commas"},
    {"approval-audit-out", Flag::Kind::Text, "FILE", "where the approval audit goes (approval_audit_<trace_id>.json)"},
    kDelegationFlags[0],
    kDelegationFlags[1],
    kDelegationFlags[2],
    {"kill-switch-state", Flag::Kind::Text, "FILE", "who is stopped"},
    {"rate-limit-state", Flag::Kind::Text, "FILE", "where limits are counted (.gait-out/gate_rate_limits.json)"},
    kTrustFlag,
    kSignerFlag,
};

constexpr Flag kVerifyFlags[] = {
    {"token", Flag::Kind::Text, "FILE", "the say token"},
    {"intent-digest", Flag::Kind::Text, "HEX", "the intent it must be for"},
    {"policy-digest", Flag::Kind::Text, "HEX", "the policy it must be under"},
    {"call-id", Flag::Kind::Text, "ID", "the call it must be for"},
    {"turn-index", Flag::Kind::Integer, "N", "the turn, from 0 on"},
    {"call-seq", Flag::Kind::Integer, "N", "the place in the call, from 1 on"},
    {"commitment-class", Flag::Kind::Text, "CLASS", "what it must permit to be committed to"},
    kVerifyingFlags[0],
    kVerifyingFlags[1],
    kVerifyingFlags[2],
    kVerifyingFlags[3],
};

// gait's members that are the same of a commitment and of its token.
constexpr std::string_view kPlaceMembers[] = {"call_id", "turn_index", "call_seq", "commitment_class"};

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

std::string text_of(const Arguments& arguments, std::string_view flag) {
  return std::string(trimmed(arguments.text(flag)));
}

// Go leaves an empty text and a zero out. What a document nobody vouches for has in place of either is left out too.
void put_places(Json& out, const Json& document) {
  for (const std::string_view name : kPlaceMembers) {
    const Json* member = document.find(name);
    if (member == nullptr) continue;
    if (member->is_string()) gate::put(out, name, member->as_string());
    if (member->is_integer()) gate::put(out, name, member->as_integer());
  }
}

Result<std::chrono::nanoseconds> ttl_of(const Arguments& arguments) {
  const Result<std::chrono::nanoseconds> ttl = parse_duration(trimmed(arguments.text("ttl", "2m")));
  if (!ttl || *ttl <= std::chrono::nanoseconds(0)) return invalid("invalid --ttl, expected positive duration");
  if (!in_key_file_mode(arguments) && *ttl % std::chrono::seconds(1) != std::chrono::nanoseconds(0)) {
    return invalid("invalid --ttl, expected whole seconds");
  }
  return ttl;
}

struct Spoken {
  gate::Commitment commitment;
  Json members;                   // of the answer: gait's, but for the token
  std::vector<std::string> next;  // for people
  std::string notice;
};

// The decision about it, signed and written.
Result<Spoken> decide_speech(Call& call, const Arguments& arguments, gate::Commitment commitment, gate::Policy policy,
                             DecisionSigner& signer) {
  const Digest policy_digest = policy.policy_digest();
  ASSIGN_OR_RETURN(
      GateInputs inputs,
      gate_inputs(arguments,
                  {std::move(policy), policy_digest, commitment.intent_document(), {}, SystemClock().now()}));
  ASSIGN_OR_RETURN(inputs.tokens, read_approval_tokens(arguments));
  ASSIGN_OR_RETURN(DecisionEvidence evidence, DecisionEvidence::prepare(arguments));
  ASSIGN_OR_RETURN(std::vector<Json> delegations, read_delegation_tokens(arguments));
  evidence.present(std::move(delegations));
  EvaluationOptions options;
  options.correlation_id = gate::correlation_id(call.argv);
  options.kill_switch_state = text_of(arguments, "kill-switch-state");
  options.policy_path = text_of(arguments, "policy");
  options.as_proxy = true;
  Evaluation evaluation(std::move(inputs), std::move(evidence), signer, std::move(options));
  ASSIGN_OR_RETURN(EvaluationAnswer said, evaluation.conclude());
  RETURN_IF_ERROR(write_records(arguments, said.records, said.members));
  Json members = Json::object({{"ok", false}, {"operation", "mint"}});
  for (const std::string_view name :
       {"verdict", "reason_codes", "violations", "trace_id", "trace_path", "approval_audit_path",
        "delegation_audit_path", "policy_digest", "intent_digest", "required_approvals", "valid_approvals",
        "required_scopes", "approve", "warnings"}) {
    if (const Json* member = said.members.find(name)) members.set(name, *member);
  }
  if (said.as_gait) members = without_ours(std::move(members));
  put_places(members, commitment.json());
  return Spoken{std::move(commitment), std::move(members), next_steps(said.members), std::move(said.notice)};
}

// Not allowed: the trace says so, and there is no token.
int not_allowed(Call& call, Spoken spoken) {
  const std::optional<Verdict> verdict = statement::verdict_named(spoken.members.text("verdict"));
  const int exit_code = gate::exit_code_of(verdict == Verdict::RequireApproval ? *verdict : Verdict::Block);
  static constexpr std::string_view kText = "commitment intent was not allowed by policy";
  if (call.json) {
    gate::add_error(spoken.members, exit_code, kText);
    answer_as_gait(call, std::move(spoken.members));
  }
  call.console.tell("voice token mint error: " + std::string(kText));
  for (const std::string& line : spoken.next) call.console.tell(line);
  return exit_code;
}

Result<int> keep(Call& call, const Arguments& arguments, Spoken spoken, const Json& token) {
  std::string path = text_of(arguments, "out");
  if (path.empty()) path = "say_token_" + std::string(token.text("token_id")) + ".json";
  RETURN_IF_ERROR(write_output(path, token.gait_file()));
  if (std::optional<std::string> warning = storage_warning(path)) call.console.tell("warning: " + *warning);
  spoken.members.set("ok", true);
  spoken.members.set("token_id", token.text("token_id"));
  spoken.members.set("token_path", path);
  if (call.json) {
    answer_as_gait(call, std::move(spoken.members));
    return 0;
  }
  call.console.answer("may say       " + std::string(token.text("commitment_class")) + " in turn " +
                      token.find("turn_index")->compact() + " of " + displayed(token.text("call_id")) +
                      "\nexpires       " + std::string(token.text("expires_at")) + "\nfile          " + path + "\n");
  return 0;
}

Result<int> mint(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return invalid("unexpected positional arguments");
  const std::string intent_path = text_of(arguments, "intent");
  const std::string policy_path = text_of(arguments, "policy");
  if (intent_path.empty() || policy_path.empty()) return invalid("both --intent and --policy are required");
  ASSIGN_OR_RETURN(const std::chrono::nanoseconds ttl, ttl_of(arguments));
  ASSIGN_OR_RETURN(const Json document, read_document("voice intent", intent_path));
  ASSIGN_OR_RETURN(gate::Commitment commitment, gate::Commitment::parse(document));
  Result<gate::Policy> policy = read_policy(policy_path);
  if (!policy) return refuse_policy(call, "voice token mint", policy.error(), policy_path);
  RETURN_IF_ERROR(refuse_traversal("trace", std::string(arguments.text("trace-out"))));
  RETURN_IF_ERROR(prepare_records(arguments));
  RETURN_IF_ERROR(prepare_output("say token", text_of(arguments, "out")));
  ASSIGN_OR_RETURN(const std::unique_ptr<DecisionSigner> signer, decision_signer(arguments));
  ASSIGN_OR_RETURN(Spoken spoken, decide_speech(call, arguments, std::move(commitment), *std::move(policy), *signer));
  for (const std::string& warning : gate::texts_of(spoken.members.find("warnings"))) {
    call.console.tell("warning: " + warning);
  }
  if (!spoken.notice.empty()) call.console.tell(spoken.notice);
  if (spoken.members.text("verdict") != statement::name_of(Verdict::Allow)) return not_allowed(call, std::move(spoken));
  ASSIGN_OR_RETURN(const Digest intent, Digest::parse(spoken.members.text("intent_digest")));
  ASSIGN_OR_RETURN(const Digest under, Digest::parse(spoken.members.text("policy_digest")));
  ASSIGN_OR_RETURN(const Json token, signer->say_token(spoken.commitment.say_token(intent, under, ttl)));
  return keep(call, arguments, std::move(spoken), token);
}

Json verified_members(const Json& token, const std::string& path) {
  Json out = Json::object({{"ok", true}, {"operation", "verify"}, {"token_path", path}});
  gate::put(out, "token_id", token.text("token_id"));
  put_places(out, token);
  return out;
}

int not_verified(Call& call, const gate::JudgedSayToken& judged, const Json& token, const std::string& path) {
  const Error error{ErrorCode::VerificationFailed, judged.code + ": " + judged.text, judged.code};
  if (call.json) {
    Json answer = gait_error(error);
    const Json members = verified_members(token, path);
    for (const auto& [name, value] : members.as_object()) {
      if (name != "ok") answer.set(name, value);
    }
    answer.set("error_code", judged.code);
    answer_as_gait(call, std::move(answer));
  }
  call.console.tell("voice token verify error: " + error.detail);
  return row_of(error.code).exit_code;
}

Result<int> verify(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return invalid("unexpected positional arguments");
  const std::string path = text_of(arguments, "token");
  if (path.empty()) return invalid("--token is required");
  const gate::SayDemand demand{text_of(arguments, "intent-digest"),
                               text_of(arguments, "policy-digest"),
                               text_of(arguments, "call-id"),
                               arguments.integer("turn-index").value_or(-1),
                               arguments.integer("call-seq").value_or(0),
                               text_of(arguments, "commitment-class")};
  ASSIGN_OR_RETURN(const keymgmt::KeySet keys, verifying_keys(arguments, keymgmt::Role::Trace));
  ASSIGN_OR_RETURN(const Json token, read_document("say token", path));
  const gate::JudgedSayToken judged = gate::judge_say_token(token, demand, keys, SystemClock().now());
  if (!judged.code.empty()) return not_verified(call, judged, token, path);
  if (call.json) {
    Json members = verified_members(judged.document, path);
    members.set("policy_digest", judged.document.text("policy_digest"));
    members.set("intent_digest", judged.document.text("intent_digest"));
    answer_as_gait(call, std::move(members));
    return 0;
  }
  call.console.answer("verified      may say " + std::string(judged.document.text("commitment_class")) + " in " +
                      displayed(judged.document.text("call_id")) + " until " +
                      std::string(judged.document.text("expires_at")) + "\n");
  return 0;
}

}  // namespace

Command voice_token_mint_command() {
  return {
      "voice token mint",
      "--intent FILE --policy FILE [--ttl SPAN] [flags]",
      "Decides whether an agent may say what it commits to, and mints the say token of an allow",
      "Exits 0 with a token, 3 for block and dry_run, 4 when approvals are missing, 6 when it cannot be judged, 7 "
      "when\n"
      "the signer cannot be reached. The signer signs one token for an allow, which says what was decided; limits,\n"
      "approvals, delegations and credentials count as for gate eval.",
      "countersign voice token mint --intent quote.json --policy voice.yaml --ttl 2m --out say.json --json",
      kMintFlags,
      Positionals::EndFlags,
      Shape::Gait,
      mint};
}

Command voice_token_verify_command() {
  return {"voice token verify",
          "--token FILE [--call-id ID] [--turn-index N] [--call-seq N] [--commitment-class CLASS] [flags]",
          "Whether a say token counts for what is about to be said",
          "Exits 0 where it does and 2 where it does not, with gait's code for the reason. What no flag names is not\n"
          "compared.",
          "countersign voice token verify --token say.json --call-id call-1 --turn-index 2 --call-seq 5 --json",
          kVerifyFlags,
          Positionals::EndFlags,
          Shape::Gait,
          verify};
}

}  // namespace countersign::command
