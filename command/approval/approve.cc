// approve: one approver's consent to one intent under one policy, minted as a token by the approval key once the signer
// has seen who the approver is.
#include <unistd.h>
#include <chrono>

#include "command/approval/approval_mint.h"
#include "command/approval/commands.h"
#include "command/approval/recorded_intent.h"
#include "command/approval/recorded_request.h"
#include "command/approval/token_proof.h"
#include "command/approval/token_storage.h"
#include "command/line/comma_list.h"
#include "command/line/command.h"
#include "command/line/input_file.h"
#include "command/line/key_files.h"
#include "command/line/signer_address.h"
#include "common/clock.h"
#include "common/text.h"
#include "gate/trace/gait_record.h"
#include "signer/client/signer_client.h"

namespace countersign::command {
namespace {

using statement::ApprovalTokenFields;

constexpr Flag kFlags[] = {
    {"intent-digest", Flag::Kind::Text, "HEX", "the intent, as gate eval printed it"},
    {"policy-digest", Flag::Kind::Text, "HEX", "the policy, likewise"},
    {"delegation-binding-digest", Flag::Kind::Text, "HEX", "the delegation the approval is bound to"},
    {"ttl", Flag::Kind::Text, "SPAN", "how long the approval lives, \"30m\" (the signer's default for the scope)"},
    {"scope", Flag::Kind::Text, "LIST", "what is approved, separated by commas; a bare NAME means tool:NAME"},
    {"scope-entry", Flag::Kind::Text, "SCOPE", "one more, whose commas belong to it; may be repeated"},
    {"approver", Flag::Kind::Text, "IDENTITY", "who approves, as the signer's roster spells it"},
    {"reason-code", Flag::Kind::Text, "TEXT", "why: a ticket"},
    {"max-targets", Flag::Kind::Integer, "N", "most targets it covers (0: any)"},
    {"max-ops", Flag::Kind::Integer, "N", "most operations it covers (0: any)"},
    {"out", Flag::Kind::Text, "FILE", "where the token goes (approval_<token_id>.json)"},
    kSshKeyFlag,
    kProofFlag,
    {"show", Flag::Kind::Switch, "", "print the whole intent first"},
    kSignerFlag,
};

// A message for an error of gait's `approve`: exit 6.
Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

Result<Digest> digest_flag(const Arguments& arguments, std::string_view flag, std::string_view name) {
  Result<Digest> digest = Digest::parse(trimmed(arguments.text(flag)));
  if (!digest) return invalid(std::string(name) + " must be sha256 hex");
  return digest;
}

// The lower-case set of the scopes that --scope lists and --scope-entry names; a bare word names a tool, except for
// gait. Wildcards are left for the signer to refuse and report.
std::vector<std::string> scopes_of(const Arguments& arguments, bool as_gait) {
  std::vector<std::string> scopes = comma_list(arguments.text("scope"));
  for (const std::string_view entry : arguments.texts("scope-entry")) scopes.emplace_back(trimmed(entry));
  if (!as_gait) {
    for (std::string& scope : scopes) {
      if (!scope.empty() && scope.find(':') == std::string::npos) scope = "tool:" + scope;
    }
  }
  return text_set(scopes, true);
}

// Nothing where none is given: the signer has a default for each scope, gait has none.
Result<std::chrono::nanoseconds> ttl_of(const Arguments& arguments, bool as_gait) {
  constexpr std::chrono::nanoseconds kNone(0);
  const std::string_view text = trimmed(arguments.text("ttl"));
  if (text.empty() && !as_gait) return kNone;
  const Result<std::chrono::nanoseconds> ttl = parse_duration(text);
  if (!ttl || *ttl <= kNone) return invalid("invalid --ttl, expected positive duration");
  if (!as_gait && *ttl % std::chrono::seconds(1) != kNone) return invalid("invalid --ttl, expected whole seconds");
  return ttl;
}

Result<ApprovalTokenFields> fields_of(const Arguments& arguments, bool as_gait) {
  ApprovalTokenFields fields;
  ASSIGN_OR_RETURN(fields.ttl, ttl_of(arguments, as_gait));
  fields.max_targets = arguments.integer("max-targets").value_or(0);
  fields.max_ops = arguments.integer("max-ops").value_or(0);
  if (fields.max_targets < 0) return invalid("max_targets must be >= 0");
  if (fields.max_ops < 0) return invalid("max_ops must be >= 0");
  fields.scope = scopes_of(arguments, as_gait);
  if (fields.scope.empty()) return invalid("scope is required");
  fields.approver_identity = trimmed(arguments.text("approver"));
  if (fields.approver_identity.empty()) return invalid("approver identity is required");
  fields.reason_code = trimmed(arguments.text("reason-code"));
  if (fields.reason_code.empty()) return invalid("reason code is required");
  ASSIGN_OR_RETURN(fields.intent_digest, digest_flag(arguments, "intent-digest", "intent_digest"));
  ASSIGN_OR_RETURN(fields.policy_digest, digest_flag(arguments, "policy-digest", "policy_digest"));
  if (arguments.given("delegation-binding-digest")) {
    ASSIGN_OR_RETURN(fields.delegation_binding_digest,
                     digest_flag(arguments, "delegation-binding-digest", "delegation_binding_digest"));
  }
  return fields;
}

std::vector<std::string> storage_warnings(const std::string& token_path, bool token_on_stdout) {
  std::vector<std::string> warnings;
  if (std::optional<std::string> warning = storage_warning(token_path)) warnings.push_back(*std::move(warning));
  if (!token_on_stdout) return warnings;
  if (const std::optional<std::string> redirected = private_redirection(STDOUT_FILENO)) {
    if (std::optional<std::string> warning = storage_warning(*redirected)) warnings.push_back(*std::move(warning));
  }
  return warnings;
}

void answer(Call& call, const Json& token, const std::string& path) {
  const std::vector<std::string> warnings = storage_warnings(path, call.json);
  for (const std::string& warning : warnings) call.console.tell("warning: " + warning);
  if (!call.json) {
    call.console.answer("token         " + std::string(token.text("token_id")) + "\nexpires       " +
                        std::string(token.text("expires_at")) + "\nfile          " + path + "\n");
    return;
  }
  // The token itself, so that `> token_a.json` is one: readers of tokens ignore what they do not know.
  Json members = token;
  members.set("ok", true);
  members.set("token_path", path);
  const Json* signature = token.find("signature");
  members.set("key_id", signature == nullptr ? std::string_view() : signature->text("key_id"));
  members.set("description", "signed approval token created");
  if (!warnings.empty()) members.set("warnings", Json::array(warnings));
  answer_as_gait(call, std::move(members));
}

// gait's summary; the token itself is in the file.
void answer_as_gait_does(Call& call, const Json& token, const std::string& path, const FileSigner& signer) {
  const std::string expires_at = UtcTime::parse(token.text("expires_at"))->whole_seconds().rfc3339();
  call.console.tell(signer.notice());
  if (const std::optional<std::string> warning = storage_warning(path)) call.console.tell("warning: " + *warning);
  if (!call.json) {
    call.console.answer("token         " + std::string(token.text("token_id")) + "\nexpires       " + expires_at +
                        "\nfile          " + path + "\n");
    return;
  }
  Json members = Json::object({{"ok", true},
                               {"token_id", token.text("token_id")},
                               {"token_path", path},
                               {"expires_at", expires_at},
                               {"reason_code", token.text("reason_code")},
                               {"scope", *token.find("scope")},
                               {"key_id", signer.public_key().gait_key_id()},
                               {"description", "signed approval token created"}});
  for (const std::string_view limit : {"max_targets", "max_ops"}) {
    if (const Json* value = token.find(limit)) members.set(limit, *value);
  }
  if (!signer.warnings().empty()) members.set("warnings", Json::array(signer.warnings()));
  answer_as_gait(call, std::move(members));
}

// gait-formats §9.2: whoever holds the key file approves, as whoever they say they are.
Result<int> approve_with_key_file(Call& call, const Arguments& arguments) {
  ASSIGN_OR_RETURN([[maybe_unused]] const std::chrono::nanoseconds ttl, ttl_of(arguments, true));
  ASSIGN_OR_RETURN(const FileSigner signer, FileSigner::load(arguments));
  ASSIGN_OR_RETURN(const ApprovalTokenFields fields, fields_of(arguments, true));
  const Json token = signer.sealed(gate::gait_approval_token(fields, SystemClock().now()));
  std::string path(trimmed(arguments.text("out")));
  if (path.empty()) path = "approval_" + std::string(token.text("token_id")) + ".json";
  RETURN_IF_ERROR(prepare_output("approval token", path));
  RETURN_IF_ERROR(write_output(path, token.gait_file()));
  answer_as_gait_does(call, token, path, signer);
  return 0;
}

Result<int> approve(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return invalid("unexpected positional arguments");
  if (in_key_file_mode(arguments)) return approve_with_key_file(call, arguments);
  ASSIGN_OR_RETURN(ApprovalTokenFields fields, fields_of(arguments, false));
  const std::string out(trimmed(arguments.text("out")));
  // Before a token is minted that could not be kept.
  RETURN_IF_ERROR(prepare_output("approval token", out));

  client::SignerClient signer(signer_address(arguments).path);
  ASSIGN_OR_RETURN(const RecordedRequest recorded,
                   RecordedRequest::fetch(signer, fields.intent_digest, fields.policy_digest));
  if (fields.ttl == std::chrono::nanoseconds(0)) fields.ttl = recorded.default_ttl();
  if (arguments.is_on("show")) {
    ASSIGN_OR_RETURN(const RecordedIntent intent, RecordedIntent::fetch(signer, fields.intent_digest));
    call.console.tell(intent.digest_form().gait_file());
  }
  // Not refused here: the signer refuses, records it and tells the security owner.
  if (const std::string missing = recorded.missing_from(fields.scope); !missing.empty()) {
    call.console.tell("warning: the intent also needs " + missing + "; without it this approval will not count");
  }

  ASSIGN_OR_RETURN(const Json token, mint_approval(arguments, signer, fields));
  const std::string path = !out.empty() ? out : "approval_" + std::string(token.text("token_id")) + ".json";
  RETURN_IF_ERROR(write_output(path, token.gait_file()));
  answer(call, token, path);
  return 0;
}

}  // namespace

Command approve_command() {
  return {
      "approve",
      "--intent-digest HEX --policy-digest HEX --scope LIST --approver IDENTITY --reason-code TEXT [flags]",
      "Approves one intent under one policy, as yourself",
      "The signer mints the token only while its latest decision on that intent is require_approval, for approvers\n"
      "of its roster, within their scopes and time limits, and never for the requester. The approver is proven by an\n"
      "OpenSSH signature, or by the unix user where the roster says so. --json prints the token itself.\n"
      "A scope with a comma in it, as that of a tool whose name has one, is named by --scope-entry.",
      "countersign approve --intent-digest $I --policy-digest $P --scope tool.write --approver approver@company "
      "--reason-code change_ticket_123 --json > token_a.json",
      kFlags,
      Positionals::EndFlags,
      Shape::Gait,
      approve};
}

}  // namespace countersign::command
