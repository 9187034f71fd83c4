// requests list, show: the intents that wait for approval, whole.
#include "command/approval/commands.h"
#include "command/approval/recorded_intent.h"
#include "command/line/command.h"
#include "command/line/padded.h"
#include "command/line/signer_address.h"
#include "common/text.h"
#include "signer/client/signer_client.h"

namespace countersign::command {
namespace {

constexpr Flag kFlags[] = {kSignerFlag};

const Json::Array& rows_of(const Json& answer) {
  static const Json::Array kNone;
  if (answer.is_array()) return answer.as_array();
  const Json* rows = answer.find("requests");
  return rows != nullptr && rows->is_array() ? rows->as_array() : kNone;
}

Result<int> list(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "requests list takes no arguments"};
  client::SignerClient signer(signer_address(arguments).path);
  ASSIGN_OR_RETURN(const Json answer, signer.requests());
  const Json::Array& rows = rows_of(answer);
  if (call.json) {
    call.console.answer(Json::object({{"ok", true}, {"requests", rows}}).compact() + "\n");
    return 0;
  }
  if (rows.empty()) call.console.answer("nothing waits for approval\n");
  for (const Json& row : rows) {
    const auto line = [&call](std::string_view name, std::string_view value) {
      if (!value.empty()) call.console.answer(padded(name, 15) + std::string(value) + "\n");
    };
    line("intent", row.text("intent_digest"));
    line("policy", row.text("policy_digest"));
    line("requester", row.text("requester"));
    line("rule", row.text("matched_rule"));
    line("since", row.text("at"));
    call.console.answer("\n");
  }
  return 0;
}

Result<int> show(Call& call, const Arguments& arguments) {
  if (arguments.positionals().size() != 1) return Error{ErrorCode::Invalid, "requests show takes one intent digest"};
  ASSIGN_OR_RETURN(const Digest digest, Digest::parse(trimmed(arguments.positionals().front())));
  client::SignerClient signer(signer_address(arguments).path);
  ASSIGN_OR_RETURN(const RecordedIntent intent, RecordedIntent::fetch(signer, digest));
  call.console.answer(
      call.json
          ? Json::object({{"ok", true}, {"intent_digest", digest.hex()}, {"intent", intent.digest_form()}}).compact() +
                "\n"
          : intent.digest_form().gait_file());
  return 0;
}

}  // namespace

Command requests_list_command() {
  return {"requests list",
          "",
          "Lists the intents that wait for approval",
          "",
          "countersign requests list --json",
          kFlags,
          Positionals::Anywhere,
          Shape::Ours,
          list};
}

Command requests_show_command() {
  return {"requests show",
          "INTENT_DIGEST",
          "Shows the whole intent behind a digest, checked to hash to it",
          "",
          "countersign requests show $INTENT_DIGEST",
          kFlags,
          Positionals::Anywhere,
          Shape::Ours,
          show};
}

}  // namespace countersign::command
