// broker deliveries, reply: what became of the broker's notices, and the answers to them.
#include "command/broker/broker_connection.h"
#include "command/broker/commands.h"
#include "command/line/command.h"

namespace countersign::command {
namespace {

constexpr Flag kDeliveriesFlags[] = {
    {"status", Flag::Kind::Text, "WORD", "only those: waiting, delivered, given_up or dropped"},
    {"now", Flag::Kind::Switch, "", "try everything that waits now, after a channel was mended"},
    kBrokerFlag,
};

constexpr Flag kReplyFlags[] = {
    {"text", Flag::Kind::Text, "TEXT", "the answer as it was written"},
    kBrokerFlag,
};

Result<int> deliveries(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "broker deliveries takes flags only"};
  BrokerConnection broker(arguments);
  if (arguments.is_on("now")) {
    if (arguments.given("status")) return Error{ErrorCode::Invalid, "only one of --status and --now"};
    ASSIGN_OR_RETURN(const Json answer, broker.post("/v1/deliveries", Json::object({})));
    return answered(call, answer);
  }
  const std::string status(arguments.text("status"));
  if (status.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") != std::string::npos) {
    return Error{ErrorCode::Invalid, "--status is none of waiting, delivered, given_up and dropped", "bad_status"};
  }
  ASSIGN_OR_RETURN(const Json answer, broker.get("/v1/deliveries?status=" + status));
  return answered(call, answer);
}

Result<int> reply(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty() || arguments.text("text").empty()) {
    return Error{ErrorCode::Invalid, "--text is required: what the person answered", "missing_flag"};
  }
  ASSIGN_OR_RETURN(const Json answer,
                   BrokerConnection(arguments).post("/v1/reply", Json::object({{"text", arguments.text("text")}})));
  return answered(call, answer,
                  answer.text("status") == "rejected" ? 0 : row_of(ErrorCode::ApprovalRequired).exit_code);
}

}  // namespace

Command broker_reply_command() {
  return {"broker reply",
          "--text TEXT",
          "Hands in a person's answer to a notice: \"no CODE\", perhaps with a reason, or \"yes CODE\"",
          "The code stands in the notice. No rejects the call. Yes approves nothing: it is answered with the line by "
          "which\n"
          "the approver does it, with their own key. For people and for the users of notify.replies.\n"
          "Exit 0: rejected; 4: still to be approved; 3: no request that waits has this code.",
          "countersign broker reply --text 'no 123456 use the staging account'",
          kReplyFlags,
          Positionals::Anywhere,
          Shape::Ours,
          reply};
}

Command broker_deliveries_command() {
  return {"broker deliveries",
          "[--status WORD | --now]",
          "Shows what became of the broker's notices, the newest first",
          "Each with its attempts, what went wrong last and when it is tried again.",
          "countersign broker deliveries --status waiting",
          kDeliveriesFlags,
          Positionals::Anywhere,
          Shape::Ours,
          deliveries};
}

}  // namespace countersign::command
