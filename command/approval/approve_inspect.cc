// approve inspect: what a token file says, and whether a published approval key stands behind it.
#include "command/approval/commands.h"
#include "command/line/command.h"
#include "command/line/input_file.h"
#include "command/line/padded.h"
#include "command/line/verifying_keys.h"
#include "common/clock.h"
#include "signer/statement/statement.h"

namespace countersign::command {
namespace {

constexpr std::string_view kShown[] = {"token_id", "approver_identity", "reason_code", "intent_digest", "policy_digest",
                                       "scope",    "max_targets",       "max_ops",     "created_at",    "expires_at"};

Result<int> inspect(Call& call, const Arguments& arguments) {
  if (arguments.positionals().size() != 1) return Error{ErrorCode::Invalid, "approve inspect takes one token file"};
  const std::string& path = arguments.positionals().front();
  ASSIGN_OR_RETURN(const Json token, read_document("approval token", path));
  ASSIGN_OR_RETURN(const keymgmt::KeySet keys, verifying_keys(arguments, keymgmt::Role::Approval));
  ASSIGN_OR_RETURN(const statement::VerifiedDocument verified,
                   statement::VerifiedDocument::verify(statement::StatementType::ApprovalToken, token, keys));
  ASSIGN_OR_RETURN(const UtcTime expires_at, UtcTime::parse(verified.document().text("expires_at")));
  const bool expired = SystemClock().now() >= expires_at;

  Json members = Json::object({{"ok", true}, {"path", path}});
  std::string text;
  for (const std::string_view name : kShown) {
    const Json* value = verified.document().find(name);
    if (value == nullptr) continue;
    members.set(name, *value);
    text += padded(name, 19) + (value->is_string() ? value->as_string() : value->compact()) + "\n";
  }
  members.set("signature_status", "verified");
  members.set("kid", verified.key().key.kid());
  members.set("expired", expired);
  text += padded("signature", 19) + "verified by " + verified.key().key.kid() + (expired ? "\nEXPIRED\n" : "\n");
  call.console.answer(call.json ? members.compact() + "\n" : text);
  return 0;
}

}  // namespace

Command approve_inspect_command() {
  return {
      "approve inspect",
      "FILE",
      "Shows what an approval token says, and checks its signature",
      "Exits 0 when its signature verifies, also if it has expired, and 2 when not. Whether it was redeemed is known\n"
      "to the signer alone.",
      "countersign approve inspect token_a.json",
      kVerifyingFlags,
      Positionals::Anywhere,
      Shape::Ours,
      inspect};
}

}  // namespace countersign::command
