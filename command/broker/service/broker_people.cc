// What people do with the broker's requests.
#include <algorithm>

#include "command/broker/service/broker_service.h"
#include "common/text.h"
#include "gate/broker/action_class.h"
#include "gate/broker/masking.h"
#include "gate/broker/pattern.h"

namespace countersign::command {
namespace {

using broker::AuditEvent;
using broker::GrantMode;
using broker::RequestStatus;
using broker::ToolRequest;

constexpr std::size_t kPage = 500;
constexpr std::size_t kMostEnded = 200;

Json person(const BrokerCaller& caller) {
  return std::int64_t{caller.uid};
}

// A request as it is stored, for people: its secrets masked, its tokens as names.
Json shown(Json document) {
  const Json* args = document.find("args");
  document.set("args", args == nullptr ? Json() : broker::masked(*args));
  document.set("summary", broker::summary_of(document.text("agent_id"), document.text("tool_id")));
  const Json* tokens = document.find("tokens");
  const bool has = tokens != nullptr && tokens->is_array();
  document.set("approvers", Json::array(broker::approvers_of(has ? tokens->as_array() : Json::Array())));
  document.erase("tokens");
  return document;
}

Json rows_of(const std::vector<ToolRequest>& requests) {
  Json::Array rows;
  for (const ToolRequest& request : requests) rows.push_back(shown(request.to_json()));
  return Json(std::move(rows));
}

// Members of `now` that differ from `before`, each with both values.
Json difference(const Json& before, const Json& now) {
  Json out = Json::object({});
  for (const auto& [name, value] : now.as_object()) {
    const Json* old = before.find(name);
    if (old == nullptr || *old != value) {
      out.set(name, Json::object({{"was", old == nullptr ? Json() : *old}, {"is", value}}));
    }
  }
  for (const auto& [name, value] : before.as_object()) {
    if (now.find(name) == nullptr) out.set(name, Json::object({{"was", value}, {"is", nullptr}}));
  }
  return out;
}

}  // namespace

Result<std::string> reason_in(JsonFields& fields, bool required) {
  constexpr std::size_t kLongestReason = 1000;
  const Json* given = fields.take("reason");
  if (given == nullptr && !required) return std::string();
  if (given == nullptr || !given->is_string() || trimmed(given->as_string()).empty()) {
    return Error{ErrorCode::Invalid, "a reason is needed, for the record", "reason_missing", "--reason TEXT"};
  }
  if (given->as_string().size() > kLongestReason) return fields.wrong("reason", "is longer than 1000 bytes");
  return std::string(trimmed(given->as_string()));
}

Status require_person(const BrokerCaller& caller) {
  if (caller.person) return ok();
  return Error{ErrorCode::Refused, "uid " + std::to_string(caller.uid) + " may not judge for the broker",
               "not_a_person", "`people` of broker.yaml names who may"};
}

CalledTool BrokerService::called_of(const ToolRequest& request) const {
  CalledTool called;
  called.agent = request.agent;
  called.tool = request.tool;
  called.args = request.args;
  called.args_digest = request.args_digest;
  called.definition_digest = request.definition_digest;
  called.action_class = request.action_class;
  called.risk_class = broker::risk_of(broker::action_class_of_offer(request.tool));
  called.listing = listing_of(request.agent, config_.lists_of(request.agent), config_.everybodys, request.tool);
  return called;
}

// What vetting said of the server that runs the tool, and whether people overrode it.
Json BrokerService::server_of(const std::string& tool) const {
  const std::string name(broker::server_of(tool));
  const auto configured = config_.servers.find(name);
  Json out = Json::object({{"name", name}});
  if (configured != config_.servers.end() && configured->second.unvetted) {
    out.set("vetting_status", "unvetted");
    return out;
  }
  const std::optional<Json> proposal = store_.admitted(name);
  if (!proposal) {
    out.set("vetting_status", "not admitted");
    return out;
  }
  for (const char* member : {"vetting_status", "digest", "version"}) out.set(member, *proposal->find(member));
  out.set("proposal_id", proposal->text("id"));
  const Json* verdict = proposal->find("vetting_verdict");
  if (verdict != nullptr && verdict->find("reasons") != nullptr) out.set("reasons", *verdict->find("reasons"));
  out.set("overridden", std::ranges::any_of(proposal->find("decisions")->as_array(), [](const Json& decision) {
            return *decision.find("override") == Json(true);
          }));
  return out;
}

Result<Json> BrokerService::pending(const BrokerCaller& caller) {
  RETURN_IF_ERROR(require_person(caller));
  Json::Array rows;
  for (const ToolRequest& request : store_.requests(RequestStatus::Pending)) {
    if (!is_expired(request)) rows.push_back(shown(request.to_json()));
  }
  return Json(std::move(rows));
}

Result<Json> BrokerService::requests(const BrokerCaller& caller, const std::string& after) {
  RETURN_IF_ERROR(require_person(caller));
  if (!after.empty()) RETURN_IF_ERROR(store_.request(after));
  Json::Array rows;
  for (const std::string& document : store_.requests_after(after, kPage)) {
    ASSIGN_OR_RETURN(Json row, Json::parse(document, {.bytes = document.size()}));
    rows.push_back(shown(std::move(row)));
  }
  return Json(std::move(rows));
}

Result<Json> BrokerService::ended_requests(const BrokerCaller& caller) {
  RETURN_IF_ERROR(require_person(caller));
  return rows_of(store_.newest_ended(kMostEnded));
}

Result<Json> BrokerService::request(const BrokerCaller& caller, const std::string& id) {
  RETURN_IF_ERROR(require_person(caller));
  ASSIGN_OR_RETURN(const ToolRequest request, store_.request(id));
  std::optional<broker::Definition> definition = store_.definition(request.tool);
  // A resource that a template covers has the template's.
  if (!definition) definition = store_.definition_of_digest(request.definition_digest);
  Json out = shown(request.to_json());
  if (definition) out.set("definition", definition->pinned);
  out.set("server", server_of(request.tool));
  if (const std::optional<ToolRequest> last = store_.last_used(request)) {
    out.set("since_last_approved", difference(broker::masked(last->args), broker::masked(request.args)));
    out.set("last_approved", last->id);
  }
  return out;
}

Result<Json> BrokerService::reject(const BrokerCaller& caller, const std::string& id, const Json& body) {
  RETURN_IF_ERROR(require_person(caller));
  JsonFields fields(body, "");
  ASSIGN_OR_RETURN(const std::string reason, reason_in(fields, true));
  RETURN_IF_ERROR(fields.finish());
  return turn_down(id, reason, caller, "");
}

// `by`: how it came, where it was not a command of a person's own.
Result<Json> BrokerService::turn_down(const std::string& id, const std::string& reason, const BrokerCaller& caller,
                                      std::string_view by) {
  ASSIGN_OR_RETURN(ToolRequest request, store_.request(id));
  if (request.status != RequestStatus::Pending && request.status != RequestStatus::Approved) {
    return Error{ErrorCode::Conflict, "request " + id + " does not wait: it is " + std::string(name_of(request.status)),
                 "request_closed"};
  }
  request.status = RequestStatus::Rejected;
  request.decided_at = clock_.now();
  request.reason = reason;
  AuditEvent event = event_of("rejected", called_of(request));
  event.members.emplace_back("request_id", id);
  event.members.emplace_back("reason", reason);
  event.members.emplace_back("uid", person(caller));
  if (!by.empty()) event.members.emplace_back("by", by);
  RETURN_IF_ERROR(store_.update(request, std::move(event)));
  return Json::object({{"status", "rejected"}, {"request_id", id}, {"reason", reason}});
}

Result<Json> BrokerService::break_glass(const BrokerCaller& caller) {
  RETURN_IF_ERROR(require_person(caller));
  return rows_of(store_.unreviewed());
}

Result<Json> BrokerService::review(const BrokerCaller& caller, const std::string& id, const Json& body) {
  RETURN_IF_ERROR(require_person(caller));
  JsonFields fields(body, "");
  ASSIGN_OR_RETURN(const std::string reason, reason_in(fields, true));
  RETURN_IF_ERROR(fields.finish());
  ASSIGN_OR_RETURN(ToolRequest request, store_.request(id));
  if (request.mode != GrantMode::BreakGlass || request.status != RequestStatus::Used || !request.review.is_null()) {
    return Error{ErrorCode::Conflict, "request " + id + " waits for no review", "nothing_to_review",
                 "countersign broker break-glass lists what does"};
  }
  request.review = Json::object({{"at", clock_.now().rfc3339()}, {"uid", person(caller)}, {"reason", reason}});
  AuditEvent event = event_of("break_glass_reviewed", called_of(request));
  event.members.emplace_back("request_id", id);
  event.members.emplace_back("reason", reason);
  event.members.emplace_back("uid", person(caller));
  RETURN_IF_ERROR(store_.update(request, std::move(event)));
  return Json::object({{"status", "reviewed"}, {"request_id", id}});
}

Result<Json> BrokerService::revoke(const BrokerCaller& caller, const Json& body) {
  RETURN_IF_ERROR(require_person(caller));
  JsonFields fields(body, "");
  ASSIGN_OR_RETURN(const std::string agent, fields.text("agent_id"));
  ASSIGN_OR_RETURN(const std::string tool, fields.text("tool_id"));
  ASSIGN_OR_RETURN(const std::string reason, reason_in(fields, true));
  RETURN_IF_ERROR(fields.finish());
  RETURN_IF_ERROR(store_.disallow(
      agent, tool, {"revoked", {{"agent_id", agent}, {"tool_id", tool}, {"reason", reason}, {"uid", person(caller)}}}));
  return Json::object({{"status", "revoked"}, {"agent_id", agent}, {"tool_id", tool}});
}

Result<Json> BrokerService::quarantine(const BrokerCaller& caller) {
  RETURN_IF_ERROR(require_person(caller));
  Json::Array rows;
  for (const broker::Definition& each : store_.quarantined()) {
    rows.push_back(Json::object({{"tool_id", each.tool},
                                 {"pinned_digest", each.digest},
                                 {"pinned", each.pinned},
                                 {"offered_digest", each.offered},
                                 {"offered", each.offered_definition}}));
  }
  return Json(std::move(rows));
}

Result<Json> BrokerService::accept_definition(const BrokerCaller& caller, const Json& body) {
  RETURN_IF_ERROR(require_person(caller));
  JsonFields fields(body, "");
  ASSIGN_OR_RETURN(const std::string tool, fields.text("tool_id"));
  std::string digest;
  if (body.find("definition_digest") != nullptr) {
    ASSIGN_OR_RETURN(digest, fields.text("definition_digest"));
  }
  ASSIGN_OR_RETURN(const std::string reason, reason_in(fields, true));
  RETURN_IF_ERROR(fields.finish());
  RETURN_IF_ERROR(catalogue_.accept(
      tool, digest, {"definition_accepted", {{"tool_id", tool}, {"reason", reason}, {"uid", person(caller)}}}));
  return Json::object({{"status", "accepted"}, {"tool_id", tool}});
}

void BrokerService::expire() {
  for (const RequestStatus status : {RequestStatus::Pending, RequestStatus::Approved}) {
    for (ToolRequest& request : store_.requests(status)) {
      if (!is_expired(request)) continue;
      request.status = RequestStatus::Expired;
      request.decided_at = clock_.now();
      // What cannot be recorded now is tried again; until then its time is over all the same.
      (void)store_.update(request, {"request_expired", {{"request_id", request.id}}});
    }
  }
}

}  // namespace countersign::command
