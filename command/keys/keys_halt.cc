// keys halt, keys activate, keys publish: a custodian's word to the signer, over the custodians' socket.
#include "command/keys/commands.h"
#include "command/line/command.h"
#include "command/line/signer_address.h"
#include "signer/client/signer_client.h"

namespace countersign::command {
namespace {

constexpr Flag kHaltFlags[] = {
    {"key", Flag::Kind::Text, "KID", "this key of the role, not the active one"},
    {"reason", Flag::Kind::Text, "TEXT", "why, for the record and the security owner"},
    kSignerFlag,
    kAdminFlag,
};
constexpr Flag kActivateFlags[] = {kSignerFlag, kAdminFlag};
constexpr Flag kPublishFlags[] = {kSignerFlag, kAdminFlag};

std::string listed(const Json& answer, std::string_view name) {
  std::string text;
  const Json* kids = answer.find(name);
  if (kids == nullptr || !kids->is_array()) return text;
  for (const Json& kid : kids->as_array())
    text += (text.empty() ? "" : ", ") + (kid.is_string() ? kid.as_string() : "");
  return text;
}

void tell(Call& call, Json answer, const std::string& text) {
  if (!call.json) return call.console.answer(text);
  Json whole = Json::object({{"ok", true}});
  for (const Json::Member& member : answer.as_object()) whole.set(member.first, member.second);
  call.console.answer(whole.compact() + "\n");
}

Result<int> halt(Call& call, const Arguments& arguments) {
  if (arguments.positionals().size() != 1) return Error{ErrorCode::Invalid, "keys halt takes one role"};
  const std::string reason(arguments.text("reason"));
  if (reason.empty()) {
    return Error{ErrorCode::Invalid, "keys halt needs --reason", "reason_missing", "say why, for the record"};
  }
  Json body = Json::object({{"role", arguments.positionals().front()}, {"reason", reason}});
  if (arguments.given("key")) body.set("key", arguments.text("key"));
  client::SignerClient signer(admin_address(arguments));
  ASSIGN_OR_RETURN(const Json answer, signer.change("/v1/halt", body));
  const std::string promoted = listed(answer, "promoted");
  std::string text =
      "halted: " + listed(answer, "keys") + " since " + std::string(answer.text("compromised_since")) + "\n";
  text += promoted.empty() ? "WARNING: no standby key took over; where the key was active, the role signs nothing\n"
                           : "active now: " + promoted + "\n";
  tell(call, answer, text);
  return 0;
}

Result<int> activate(Call& call, const Arguments& arguments) {
  if (arguments.positionals().size() != 1) return Error{ErrorCode::Invalid, "keys activate takes one key name"};
  client::SignerClient signer(admin_address(arguments));
  ASSIGN_OR_RETURN(const Json answer,
                   signer.change("/v1/keys/activate", Json::object({{"kid", arguments.positionals().front()}})));
  tell(call, answer, "active now: " + listed(answer, "active") + "\nretiring: " + listed(answer, "retiring") + "\n");
  return 0;
}

Result<int> publish(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "keys publish takes no arguments"};
  client::SignerClient signer(admin_address(arguments));
  ASSIGN_OR_RETURN(const Json answer, signer.change("/v1/publish", Json(Json::Object{})));
  const std::string until(answer.text("expires_at"));
  tell(call, answer, "published" + (until.empty() ? "" : ", to be believed until " + until) + "\n");
  return 0;
}

}  // namespace

Command keys_publish_command() {
  return {"keys publish",
          "",
          "Publishes the key set again, now",
          "The signer does so by itself every publication.refresh; ask for it after mending the publication directory.",
          "countersign keys publish",
          kPublishFlags,
          Positionals::Anywhere,
          Shape::Ours,
          publish};
}

Command keys_halt_command() {
  return {"keys halt",
          "ROLE [--key KID] --reason TEXT",
          "Stops a key at once and for good; its standby takes over",
          "The record is durable before the holders end. What the key signed counts no more. A second call for the\n"
          "same role must name the key, so that asking twice does not take away the one that took over.",
          "countersign keys halt approval --reason 'token found open'",
          kHaltFlags,
          Positionals::Anywhere,
          Shape::Ours,
          halt};
}

Command keys_activate_command() {
  return {"keys activate",
          "KID",
          "Cuts a role over to a staged or standby key; the active one retires",
          "Refused until every verifier that accepts anything knows the key; the refusal says when that will be.",
          "countersign keys activate 9f2c4e…",
          kActivateFlags,
          Positionals::Anywhere,
          Shape::Ours,
          activate};
}

}  // namespace countersign::command
