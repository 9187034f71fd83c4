// approve revoke: an approval is taken back before it was used.
#include "command/approval/commands.h"
#include "command/line/command.h"
#include "command/line/input_file.h"
#include "command/line/signer_address.h"
#include "common/bytes.h"
#include "signer/client/signer_client.h"

namespace countersign::command {
namespace {

constexpr Flag kFlags[] = {
    {"reason", Flag::Kind::Text, "TEXT", "why, for the record and the security owner"},
    kSignerFlag,
};

constexpr std::size_t kTokenIdDigits = 24;

// The id itself, or that of the token in a file of this name.
Result<std::string> token_id_of(const std::string& name) {
  if (name.size() == kTokenIdDigits && from_hex(name)) return name;
  ASSIGN_OR_RETURN(const Json token, read_document("approval token", name));
  const std::string id(token.text("token_id"));
  if (id.empty()) return Error{ErrorCode::Invalid, name + " has no token_id", "", "Give the id or the token's file."};
  return id;
}

Result<int> revoke(Call& call, const Arguments& arguments) {
  if (arguments.positionals().size() != 1) {
    return Error{ErrorCode::Invalid, "approve revoke takes one token id, or the token's file"};
  }
  const std::string reason(arguments.text("reason"));
  if (reason.empty()) {
    return Error{ErrorCode::Invalid, "approve revoke needs --reason", "reason_missing", "say why, for the record"};
  }
  ASSIGN_OR_RETURN(const std::string id, token_id_of(arguments.positionals().front()));
  client::SignerClient signer(signer_address(arguments).path);
  ASSIGN_OR_RETURN(const Json answer, signer.revoke_approval(id, reason));
  if (call.json) {
    Json whole = Json::object({{"ok", true}});
    for (const Json::Member& member : answer.as_object()) whole.set(member.first, member.second);
    call.console.answer(whole.compact() + "\n");
  } else {
    call.console.answer("revoked: " + id + ", approved by " + std::string(answer.text("approver_identity")) +
                        "\nfor intent " + std::string(answer.text("intent_digest")) + "\n");
  }
  return 0;
}

}  // namespace

Command approve_revoke_command() {
  return {
      "approve revoke",
      "ID|FILE --reason TEXT",
      "Takes an approval back before it is used",
      "Takes the right to ask for approvals (sign:approval). What was redeemed cannot be taken back: then it exits 3\n"
      "with approval_token_consumed, and what it permitted may have run.",
      "countersign approve revoke token_a.json --reason \"wrong cluster\"",
      kFlags,
      Positionals::Anywhere,
      Shape::Ours,
      revoke};
}

}  // namespace countersign::command
