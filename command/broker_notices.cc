// What people see of the broker's notices.
#include <algorithm>

#include "command/broker_service.h"

namespace countersign::command {
namespace {

constexpr std::size_t kMostDeliveries = 1000;
constexpr std::string_view kStatuses[] = {"", "waiting", "delivered", "given_up", "dropped"};

}  // namespace

Result<Json> BrokerService::deliveries(const BrokerCaller& caller, const std::string& status) {
  RETURN_IF_ERROR(require_person(caller));
  if (std::ranges::find(kStatuses, status) == std::end(kStatuses)) {
    return Error{ErrorCode::Invalid, "status is none of waiting, delivered, given_up and dropped", "bad_status"};
  }
  return outbox_.listed(status, kMostDeliveries);
}

}  // namespace countersign::command
