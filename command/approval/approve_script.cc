// approve-script: one approver's consent to one script under one policy, for as often as it runs until it expires
// (reference: gait-formats §12).
#include <filesystem>

#include "command/approval/commands.h"
#include "command/approval/token_proof.h"
#include "command/line/comma_list.h"
#include "command/line/command.h"
#include "command/line/input_file.h"
#include "command/line/key_files.h"
#include "command/line/lock_file.h"
#include "command/line/signer_address.h"
#include "common/clock.h"
#include "common/text.h"
#include "gate/document/optional_members.h"
#include "gate/evidence/approved_script.h"
#include "gate/policy/policy.h"
#include "signer/client/signer_client.h"
#include "signer/statement/approval_proof.h"

namespace countersign::command {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kUsualTtl = "168h";

constexpr Flag kFlags[] = {
    {"policy", Flag::Kind::Text, "FILE", "the policy, YAML"},
    {"intent", Flag::Kind::Text, "FILE", "an intent with the script, JSON"},
    {"registry", Flag::Kind::Text, "FILE", "the registry the entry goes into; made where it is absent"},
    {"approver", Flag::Kind::Text, "IDENTITY", "who approves, as the signer's roster spells it"},
    {"pattern-id", Flag::Kind::Text, "ID", "the entry's name (pattern_ and 12 digits of the script's hash)"},
    {"ttl", Flag::Kind::Text, "SPAN", "how long the script stays approved (168h)"},
    {"scope", Flag::Kind::Text, "LIST", "when it counts: risk:… tool:… workspace_prefix:… endpoint:…, all of them"},
    kSshKeyFlag,
    kProofFlag,
    kSignerFlag,
};

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

std::string text_of(const Arguments& arguments, std::string_view flag) {
  return std::string(trimmed(arguments.text(flag)));
}

struct Request {
  gate::Intent script;
  gate::ApprovedScript::Terms terms;
  std::string registry;
};

Result<Request> request_of(const Arguments& arguments) {
  const std::string policy_path = text_of(arguments, "policy");
  const std::string intent_path = text_of(arguments, "intent");
  std::string registry = text_of(arguments, "registry");
  if (policy_path.empty() || intent_path.empty()) return invalid("both --policy and --intent are required");
  if (registry.empty()) return invalid("missing required --registry");
  gate::ApprovedScript::Terms terms;
  terms.approver = text_of(arguments, "approver");
  if (terms.approver.empty()) return invalid("missing required --approver");
  const Result<std::chrono::nanoseconds> ttl = parse_duration(trimmed(arguments.text("ttl", kUsualTtl)));
  if (!ttl || *ttl <= std::chrono::nanoseconds(0)) return invalid("invalid --ttl, expected positive duration");
  terms.ttl = *ttl;
  terms.pattern_id = text_of(arguments, "pattern-id");
  terms.scope = text_set(comma_list(arguments.text("scope")), true);
  ASSIGN_OR_RETURN(const std::string policy_text, read_input("policy", policy_path));
  ASSIGN_OR_RETURN(const gate::Policy policy, gate::Policy::parse(policy_text));
  terms.policy_digest = policy.policy_digest();
  ASSIGN_OR_RETURN(const Json document, read_document("intent", intent_path));
  ASSIGN_OR_RETURN(gate::Intent intent, gate::Intent::parse(document));
  if (!intent.is_script()) return invalid("intent must include script.steps");
  return Request{std::move(intent), std::move(terms), std::move(registry)};
}

// The registry with the entry in place of those of its pattern. Precondition: the lock is held.
Status enter(const std::string& path, const gate::ApprovedScript& entry) {
  std::vector<gate::ApprovedScript> entries;
  if (fs::exists(fs::symlink_status(path))) {
    ASSIGN_OR_RETURN(const std::string text, read_input("approved script registry", path));
    ASSIGN_OR_RETURN(entries, gate::read_registry(text));
  }
  return write_output(path, gate::registry_with(std::move(entries), entry));
}

void answer(Call& call, const gate::ApprovedScript& entry, const std::string& registry,
            const std::vector<std::string>& warnings) {
  const Json& document = entry.document();
  if (!call.json) {
    call.console.answer("pattern       " + entry.pattern_id() + "\nscript        " + entry.script_hash() +
                        "\nexpires       " + entry.expires_at().rfc3339() + "\nregistry      " + registry + "\n");
    return;
  }
  Json members = Json::object({{"ok", true},
                               {"pattern_id", entry.pattern_id()},
                               {"policy_digest", document.text("policy_digest")},
                               {"script_hash", entry.script_hash()},
                               {"tool_sequence", *document.find("tool_sequence")},
                               {"registry_path", registry},
                               {"expires_at", entry.expires_at().rfc3339()}});
  if (!warnings.empty()) members.set("warnings", Json::array(warnings));
  answer_as_gait(call, std::move(members));
}

Result<int> keep(Call& call, const Request& request, const gate::ApprovedScript& entry,
                 const std::vector<std::string>& warnings) {
  if (!entry.can_fit(request.script)) {
    call.console.tell(
        "warning: the steps do not stand in the order of their tools' names, each once, so the entry never matches: "
        "the "
        "format keeps the tools as a sorted set");
  }
  answer(call, entry, request.registry, warnings);
  return 0;
}

Result<int> approve_with_key_file(Call& call, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const Request request, request_of(arguments));
  ASSIGN_OR_RETURN(const FileSigner signer, FileSigner::load(arguments));
  ASSIGN_OR_RETURN(const gate::ApprovedScript unsigned_entry,
                   gate::ApprovedScript::of(request.script, request.terms, SystemClock().now()));
  const gate::ApprovedScript entry = unsigned_entry.sealed(signer.sealed(unsigned_entry.document()));
  RETURN_IF_ERROR(prepare_output("approved script registry", request.registry));
  ASSIGN_OR_RETURN(const LockFile lock, LockFile::take(request.registry + ".lock", {}));
  RETURN_IF_ERROR(enter(request.registry, entry));
  call.console.tell(signer.notice());
  return keep(call, request, entry, signer.warnings());
}

// What the signer is asked to sign: the entry as gait normalises it, without what the holder sets.
statement::ApprovedScriptFields fields_of(const Request& request, const gate::ApprovedScript& entry) {
  statement::ApprovedScriptFields fields;
  fields.pattern_id = entry.pattern_id();
  fields.policy_digest = request.terms.policy_digest;
  fields.script_hash = *request.script.script_hash();
  fields.tool_sequence = entry.tool_sequence();
  fields.scope = request.terms.scope;
  fields.approver_identity = request.terms.approver;
  fields.ttl = request.terms.ttl;
  return fields;
}

Json statement_of(const statement::ApprovedScriptFields& fields) {
  Json out = Json::object({{"pattern_id", fields.pattern_id},
                           {"policy_digest", fields.policy_digest.hex()},
                           {"script_hash", fields.script_hash.hex()},
                           {"tool_sequence", Json::array(fields.tool_sequence)},
                           {"approver_identity", fields.approver_identity},
                           {"ttl_seconds", std::chrono::duration_cast<std::chrono::seconds>(fields.ttl).count()}});
  gate::put(out, "scope", fields.scope);
  return out;
}

Result<int> approve_with_signer(Call& call, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const Request request, request_of(arguments));
  if (request.terms.ttl % std::chrono::seconds(1) != std::chrono::nanoseconds(0)) {
    return invalid("invalid --ttl, expected whole seconds");
  }
  ASSIGN_OR_RETURN(const gate::ApprovedScript draft,
                   gate::ApprovedScript::of(request.script, request.terms, SystemClock().now()));
  const statement::ApprovedScriptFields fields = fields_of(request, draft);
  // Before an entry is signed that could not be kept.
  RETURN_IF_ERROR(prepare_output("approved script registry", request.registry));
  ASSIGN_OR_RETURN(const LockFile lock, LockFile::take(request.registry + ".lock", {}));
  client::SignerClient signer(signer_address(arguments).path);
  client::SignRequest asked;
  asked.type = statement::StatementType::ApprovedScript;
  asked.fields = statement_of(fields);
  ASSIGN_OR_RETURN(asked.proof, proof_of(arguments, signer, statement::kScriptNamespace,
                                         [&fields](std::string_view nonce, UtcTime expires_at) {
                                           return statement::approved_script_message(fields, nonce, expires_at);
                                         }));
  ASSIGN_OR_RETURN(auto answer, signer.sign(asked));
  if (const auto* refusal = std::get_if<client::Refusal>(&answer)) return refusal->error;
  ASSIGN_OR_RETURN(const gate::ApprovedScript entry,
                   gate::ApprovedScript::parse(std::get<client::Signed>(answer).statement));
  RETURN_IF_ERROR(enter(request.registry, entry));
  return keep(call, request, entry, {});
}

Result<int> approve_script(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return invalid("unexpected positional arguments");
  if (in_key_file_mode(arguments)) return approve_with_key_file(call, arguments);
  return approve_with_signer(call, arguments);
}

}  // namespace

Command approve_script_command() {
  return {
      "approve-script",
      "--policy FILE --intent FILE --registry FILE --approver IDENTITY [flags]",
      "Approves one script under one policy ahead of time",
      "gate eval --approved-script-registry then allows exactly this script, until the entry expires. What stops\n"
      "everybody still stops it: kill switches, limits, delegations and credentials that rules demand. The signer's\n"
      "approval key signs the entry for approvers whose roster entry lists script:TOOL of every tool in it, no longer\n"
      "than their limits; they prove themselves as for an approval.",
      "countersign approve-script --policy policy.yaml --intent script.json --registry registry.json "
      "--approver approver@company --ttl 12h --json",
      kFlags,
      Positionals::EndFlags,
      Shape::Gait,
      approve_script};
}

}  // namespace countersign::command
