// broker deliveries: what became of the broker's notices.
#include "command/broker_connection.h"
#include "command/command.h"
#include "command/commands.h"

namespace countersign::command {
namespace {

constexpr Flag kDeliveriesFlags[] = {
    {"status", Flag::Kind::Text, "WORD", "only those: waiting, delivered, given_up or dropped"},
    kBrokerFlag,
};

Result<int> deliveries(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "broker deliveries takes flags only"};
  const std::string status(arguments.text("status"));
  if (status.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") != std::string::npos) {
    return Error{ErrorCode::Invalid, "--status is none of waiting, delivered, given_up and dropped", "bad_status"};
  }
  ASSIGN_OR_RETURN(const Json answer, BrokerConnection(arguments).get("/v1/deliveries?status=" + status));
  call.console.answer(call.json ? answer.compact() + "\n" : answer.gait_file());
  return 0;
}

}  // namespace

Command broker_deliveries_command() {
  return {"broker deliveries",
          "[--status WORD]",
          "Shows what became of the broker's notices, the newest first",
          "Each with its attempts, what went wrong last and when it is tried again.",
          "countersign broker deliveries --status waiting",
          kDeliveriesFlags,
          Positionals::Anywhere,
          Shape::Ours,
          deliveries};
}

}  // namespace countersign::command
