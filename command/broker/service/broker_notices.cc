// What people see of the broker's notices.
#include <algorithm>

#include "command/broker/service/broker_service.h"

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

Result<Json> BrokerService::deliver_now(const BrokerCaller& caller) {
  RETURN_IF_ERROR(require_person(caller));
  ASSIGN_OR_RETURN(const std::int64_t due, outbox_.hasten({"notices_hastened", {{"uid", std::int64_t{caller.uid}}}}));
  return Json::object({{"due", due}});
}

Result<Json> BrokerService::reply(const BrokerCaller& caller, const Json& body) {
  if (!caller.person && !config_.notify.repliers.contains(caller.uid)) {
    return Error{ErrorCode::Refused, "uid " + std::to_string(caller.uid) + " may not hand in answers", "not_a_replier",
                 "`notify.replies` of broker.yaml names who may"};
  }
  JsonFields fields(body, "");
  ASSIGN_OR_RETURN(const std::string text, fields.text("text"));
  RETURN_IF_ERROR(fields.finish());
  ASSIGN_OR_RETURN(const notices::Reply reply, notices::read_reply(text));
  const Json uid = std::int64_t{caller.uid};
  ASSIGN_OR_RETURN(const std::string id, codes_.request_of(reply.code, {"reply_refused", {{"uid", uid}}}));
  ASSIGN_OR_RETURN(const broker::ToolRequest request, store_.request(id));
  Json answer =
      Json::object({{"answer", reply.yes ? "yes" : "no"}, {"request_id", id}, {"summary", request.summary()}});
  if (!reply.yes) {
    const std::string reason = reply.reason.empty() ? "answered no to a notice" : reply.reason;
    ASSIGN_OR_RETURN(const Json done, turn_down(id, reason, caller, "reply"));
    answer.set("status", "rejected");
    answer.set("reason", reason);
    return answer;
  }
  RETURN_IF_ERROR(codes_.spend(id, {"reply_yes", {{"request_id", id}, {"uid", uid}}}));
  answer.set("status", "pending");
  answer.set("how_to_approve", broker::how_to_approve(id, config_.socket));
  answer.set("note", "nothing is approved yet: who approves signs with a key of their own");
  return answer;
}

}  // namespace countersign::command
