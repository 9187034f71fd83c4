// delegate mint|verify: one identity lets another act for it (reference: gait-formats §11).
#include <algorithm>

#include "command/approval/commands.h"
#include "command/approval/token_proof.h"
#include "command/approval/token_storage.h"
#include "command/line/comma_list.h"
#include "command/line/command.h"
#include "command/line/input_file.h"
#include "command/line/key_files.h"
#include "command/line/signer_address.h"
#include "command/line/verifying_keys.h"
#include "common/clock.h"
#include "common/text.h"
#include "gate/document/optional_members.h"
#include "gate/evidence/delegation.h"
#include "gate/trace/gait_record.h"
#include "signer/statement/approval_proof.h"

namespace countersign::command {
namespace {

using statement::DelegationTokenFields;
using statement::StatementType;

constexpr Flag kMintFlags[] = {
    {"delegator", Flag::Kind::Text, "IDENTITY", "who delegates, as the signer's roster spells it"},
    {"delegate", Flag::Kind::Text, "IDENTITY", "who may act for them"},
    {"scope", Flag::Kind::Text, "LIST", "what for, separated by commas"},
    {"scope-class", Flag::Kind::Text, "WORD", "the class of the scope, which counts as one of its words"},
    {"ttl", Flag::Kind::Text, "SPAN", "how long it lives, \"30m\""},
    {"intent-digest", Flag::Kind::Text, "HEX", "only for this intent"},
    {"policy-digest", Flag::Kind::Text, "HEX", "only under this policy"},
    {"out", Flag::Kind::Text, "FILE", "where the token goes (delegation_<token_id>.json)"},
    kSshKeyFlag,
    kProofFlag,
    kSignerFlag,
};

constexpr Flag kVerifyFlags[] = {
    {"token", Flag::Kind::Text, "FILE", "the token"},
    {"delegator", Flag::Kind::Text, "IDENTITY", "who must have delegated"},
    {"delegate", Flag::Kind::Text, "IDENTITY", "to whom"},
    {"scope", Flag::Kind::Text, "LIST", "of these words it needs one, separated by commas"},
    {"intent-digest", Flag::Kind::Text, "HEX", "the intent, should the token name one"},
    {"policy-digest", Flag::Kind::Text, "HEX", "the policy, should the token name one"},
    kVerifyingFlags[0],
    kVerifyingFlags[1],
    kVerifyingFlags[2],
    kVerifyingFlags[3],
};

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

std::string text_of(const Arguments& arguments, std::string_view flag) {
  return std::string(trimmed(arguments.text(flag)));
}

// Empty where the flag is absent.
Result<std::optional<Digest>> digest_of(const Arguments& arguments, std::string_view flag, std::string_view name) {
  const std::string text = lowered(text_of(arguments, flag));
  if (text.empty()) return std::optional<Digest>();
  const Result<Digest> digest = Digest::parse(text);
  if (!digest) return invalid(std::string(name) + " must be sha256 hex");
  return std::optional<Digest>(*digest);
}

Result<std::chrono::nanoseconds> ttl_of(const Arguments& arguments) {
  const Result<std::chrono::nanoseconds> ttl = parse_duration(text_of(arguments, "ttl"));
  if (!ttl || *ttl <= std::chrono::nanoseconds(0)) return invalid("invalid --ttl, expected positive duration");
  return ttl;
}

Result<DelegationTokenFields> fields_of(const Arguments& arguments) {
  DelegationTokenFields fields;
  fields.delegator_identity = text_of(arguments, "delegator");
  if (fields.delegator_identity.empty()) return invalid("delegator identity is required");
  fields.delegate_identity = text_of(arguments, "delegate");
  if (fields.delegate_identity.empty()) return invalid("delegate identity is required");
  fields.scope = text_set(comma_list(arguments.text("scope")), true);
  if (fields.scope.empty()) return invalid("scope is required");
  fields.scope_class = lowered(text_of(arguments, "scope-class"));
  ASSIGN_OR_RETURN(fields.ttl, ttl_of(arguments));
  ASSIGN_OR_RETURN(fields.intent_digest, digest_of(arguments, "intent-digest", "intent_digest"));
  ASSIGN_OR_RETURN(fields.policy_digest, digest_of(arguments, "policy-digest", "policy_digest"));
  return fields;
}

void put_digests(const DelegationTokenFields& fields, Json& out) {
  gate::put(out, "scope_class", fields.scope_class);
  if (fields.intent_digest) out.set("intent_digest", fields.intent_digest->hex());
  if (fields.policy_digest) out.set("policy_digest", fields.policy_digest->hex());
}

// Minted by the signer, which asks the delegator for proof.
Result<Json> minted_by_signer(const Arguments& arguments, const DelegationTokenFields& fields) {
  if (fields.ttl % std::chrono::seconds(1) != std::chrono::nanoseconds(0)) {
    return invalid("invalid --ttl, expected whole seconds");
  }
  client::SignerClient signer(signer_address(arguments).path);
  client::SignRequest request;
  request.type = StatementType::DelegationToken;
  request.fields = Json::object({{"delegator_identity", fields.delegator_identity},
                                 {"delegate_identity", fields.delegate_identity},
                                 {"scope", Json::array(fields.scope)}});
  put_digests(fields, request.fields);
  request.fields.set("ttl_seconds", std::chrono::duration_cast<std::chrono::seconds>(fields.ttl).count());
  ASSIGN_OR_RETURN(request.proof, proof_of(arguments, signer, statement::kDelegationNamespace,
                                           [&fields](std::string_view nonce, UtcTime expires_at) {
                                             return statement::delegation_message(fields, nonce, expires_at);
                                           }));
  ASSIGN_OR_RETURN(auto answer, signer.sign(request));
  if (const auto* refusal = std::get_if<client::Refusal>(&answer)) return refusal->error;
  return std::move(std::get<client::Signed>(answer).statement);
}

// gait's members about a token.
Json members_of(const Json& token, const std::string& path) {
  Json out = Json::object({{"ok", true}, {"token_path", path}});
  for (const std::string_view name : {"token_id", "delegator_identity", "delegate_identity", "scope", "scope_class"}) {
    if (const Json* member = token.find(name)) out.set(name, *member);
  }
  if (const Result<UtcTime> expires_at = UtcTime::parse(token.text("expires_at"))) {
    out.set("expires_at", expires_at->whole_seconds().rfc3339());
  }
  const Json* signature = token.find("signature");
  out.set("key_id", signature == nullptr ? std::string_view() : signature->text("key_id"));
  return out;
}

// Before a token is minted that could not be kept.
Status prepare(const std::string& out) {
  return prepare_output("delegation token", out);
}

// Writes the token and says so, with the signer's own warnings.
Result<int> keep(Call& call, const Json& token, const std::string& out, const std::vector<std::string>& warnings) {
  const std::string path = !out.empty() ? out : "delegation_" + std::string(token.text("token_id")) + ".json";
  RETURN_IF_ERROR(write_output(path, token.gait_file()));
  if (std::optional<std::string> warning = storage_warning(path)) call.console.tell("warning: " + *warning);
  if (call.json) {
    Json members = members_of(token, path);
    members.set("description", "signed delegation token created");
    if (!warnings.empty()) members.set("warnings", Json::array(warnings));
    answer_as_gait(call, std::move(members));
    return 0;
  }
  call.console.answer("token         " + std::string(token.text("token_id")) + "\nexpires       " +
                      std::string(token.text("expires_at")) + "\nfile          " + path + "\n");
  return 0;
}

// gait-formats §11: whoever holds the key file delegates, as whoever they say they are.
Result<int> mint_with_key_file(Call& call, const Arguments& arguments) {
  ASSIGN_OR_RETURN([[maybe_unused]] const std::chrono::nanoseconds ttl, ttl_of(arguments));
  ASSIGN_OR_RETURN(const FileSigner signer, FileSigner::load(arguments));
  ASSIGN_OR_RETURN(const DelegationTokenFields fields, fields_of(arguments));
  const std::string out = text_of(arguments, "out");
  RETURN_IF_ERROR(prepare(out));
  call.console.tell(signer.notice());
  return keep(call, signer.sealed(gate::gait_delegation_token(fields, SystemClock().now())), out, signer.warnings());
}

Result<int> mint(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return invalid("unexpected positional arguments");
  if (in_key_file_mode(arguments)) return mint_with_key_file(call, arguments);
  ASSIGN_OR_RETURN(const DelegationTokenFields fields, fields_of(arguments));
  const std::string out = text_of(arguments, "out");
  RETURN_IF_ERROR(prepare(out));
  ASSIGN_OR_RETURN(const Json token, minted_by_signer(arguments, fields));
  return keep(call, token, out, {});
}

// gait's answer of a token that does not count: its code is the error's.
int not_verified(Call& call, const gate::JudgedDelegation& judged, const std::string& path) {
  const std::string& code = judged.entry.error_code;
  const std::string text = judged.text.empty() ? code : code + ": " + judged.text;
  const Error error{ErrorCode::VerificationFailed, text, code};
  if (call.json) {
    Json answer = gait_error(error);
    answer.set("error_code", code);
    gate::put(answer, "token_id", judged.entry.token_id);
    answer.set("token_path", path);
    answer_as_gait(call, std::move(answer));
  }
  call.console.tell("delegate verify error: " + text);
  return row_of(error.code).exit_code;
}

Result<int> verify(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return invalid("unexpected positional arguments");
  const std::string path = text_of(arguments, "token");
  if (path.empty()) return invalid("missing required --token");
  gate::DelegationDemand demand;
  demand.delegator_identity = text_of(arguments, "delegator");
  demand.delegate_identity = text_of(arguments, "delegate");
  demand.scope = text_set(comma_list(arguments.text("scope")), true);
  demand.intent_digest = lowered(text_of(arguments, "intent-digest"));
  demand.policy_digest = lowered(text_of(arguments, "policy-digest"));
  ASSIGN_OR_RETURN(const keymgmt::KeySet keys, verifying_keys(arguments, keymgmt::Role::Approval));
  ASSIGN_OR_RETURN(const Json token, read_document("delegation token", path));
  // A key from a file is gait's world, where a scope "*" covers everything.
  const std::span<const Flag> key_flags = key_file_flags("delegate verify");
  const bool as_gait =
      std::ranges::any_of(key_flags, [&arguments](const Flag& flag) { return arguments.given(flag.name); });
  const gate::JudgedDelegation judged =
      gate::judge_delegation(token, demand, gate::DelegationRules{keys, as_gait}, SystemClock().now());
  if (!judged.entry.valid) return not_verified(call, judged, path);
  if (call.json) {
    Json members = members_of(judged.document, path);
    members.set("description", "delegation token verified");
    answer_as_gait(call, std::move(members));
    return 0;
  }
  call.console.answer("verified      " + judged.entry.delegator_identity + " lets " + judged.entry.delegate_identity +
                      " act until " + judged.entry.expires_at.rfc3339() + "\n");
  return 0;
}

}  // namespace

Command delegate_mint_command() {
  return {"delegate mint",
          "--delegator IDENTITY --delegate IDENTITY --scope LIST --ttl SPAN [flags]",
          "Lets another identity act for you",
          "The signer mints the token for those of its roster, for the words their entry lists as delegate:WORD, no\n"
          "longer than their limits. The delegator is proven as an approver is: by an OpenSSH signature, or by the\n"
          "unix user where the roster says so.",
          "countersign delegate mint --delegator lead@company --delegate agent-1 --scope write --ttl 30m --json",
          kMintFlags,
          Positionals::EndFlags,
          Shape::Gait,
          mint};
}

Command delegate_verify_command() {
  return {"delegate verify",
          "--token FILE [--delegator IDENTITY] [--delegate IDENTITY] [--scope LIST] [flags]",
          "Whether a delegation token counts",
          "Exits 0 where it does and 2 where it does not, with gait's code for the reason.",
          "countersign delegate verify --token delegation.json --delegator lead@company --scope write --json",
          kVerifyFlags,
          Positionals::EndFlags,
          Shape::Gait,
          verify};
}

}  // namespace countersign::command
