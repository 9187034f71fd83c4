#include "gate/broker/tool_request.h"

#include <algorithm>
#include <iterator>

#include "common/json_fields.h"
#include "common/shell_word.h"

namespace countersign::broker {
namespace {

struct StatusRow {
  RequestStatus status;
  std::string_view name;
};
constexpr StatusRow kStatuses[] = {{RequestStatus::Pending, "pending"},
                                   {RequestStatus::Approved, "approved"},
                                   {RequestStatus::Used, "used"},
                                   {RequestStatus::Rejected, "rejected"},
                                   {RequestStatus::Expired, "expired"}};

constexpr std::int64_t kMost = std::int64_t{1} << 53;

Json moment(const std::optional<UtcTime>& time) {
  return time ? Json(time->rfc3339()) : Json();
}

Result<std::optional<UtcTime>> moment_of(JsonFields& fields, std::string_view member) {
  ASSIGN_OR_RETURN(const Json* value, fields.required(member));
  if (value->is_null()) return std::optional<UtcTime>();
  if (!value->is_string()) return fields.wrong(member, "is no time");
  ASSIGN_OR_RETURN(const UtcTime time, UtcTime::parse(value->as_string()));
  return std::optional(time);
}

}  // namespace

std::string broker_line(std::string_view words, std::string_view socket) {
  const std::string line = "countersign broker " + std::string(words);
  return socket == kUsualSocket ? line : line + " --broker " + shell_word(socket);
}

std::string how_to_approve(std::string_view id, std::string_view socket) {
  return broker_line("approve --request-id " + std::string(id), socket);
}

std::string_view name_of(RequestStatus status) {
  return std::find_if(std::begin(kStatuses), std::end(kStatuses),
                      [status](const StatusRow& row) { return row.status == status; })
      ->name;
}

std::optional<RequestStatus> request_status_named(std::string_view name) {
  const auto found = std::find_if(std::begin(kStatuses), std::end(kStatuses),
                                  [name](const StatusRow& row) { return row.name == name; });
  return found == std::end(kStatuses) ? std::nullopt : std::optional(found->status);
}

std::string summary_of(std::string_view agent, std::string_view tool) {
  return "Agent '" + std::string(agent) + "' wants to call tool '" + std::string(tool) + "'";
}

std::vector<std::string> approvers_of(const std::vector<Json>& tokens) {
  std::vector<std::string> names;
  for (const Json& token : tokens) names.emplace_back(token.text("approver_identity"));
  return names;
}

Json ToolRequest::to_json() const {
  return Json::object({{"id", id},
                       {"agent_id", agent},
                       {"tool_id", tool},
                       {"args", args},
                       {"args_digest", args_digest},
                       {"definition_digest", definition_digest},
                       {"action_class", action_class},
                       {"intent_digest", intent_digest},
                       {"policy_digest", policy_digest},
                       {"policy", policy},
                       {"rule", rule},
                       {"required_approvals", required},
                       {"status", name_of(status)},
                       {"requested_at", requested_at.rfc3339()},
                       {"expires_at", expires_at.rfc3339()},
                       {"decided_at", moment(decided_at)},
                       {"reason", reason.empty() ? Json() : Json(reason)},
                       {"tokens", Json::Array(tokens)},
                       {"mode", mode ? Json(name_of(*mode)) : Json()},
                       {"uses", uses},
                       {"until", moment(until)},
                       {"review", review}});
}

Result<ToolRequest> ToolRequest::from_json(const Json& json) {
  ToolRequest out;
  JsonFields fields(json, "request");
  struct Text {
    std::string_view member;
    std::string* into;
  };
  const Text texts[] = {{"id", &out.id},
                        {"agent_id", &out.agent},
                        {"tool_id", &out.tool},
                        {"args_digest", &out.args_digest},
                        {"definition_digest", &out.definition_digest},
                        {"action_class", &out.action_class},
                        {"intent_digest", &out.intent_digest},
                        {"policy_digest", &out.policy_digest},
                        {"policy", &out.policy},
                        {"rule", &out.rule}};
  for (const Text& each : texts) {
    ASSIGN_OR_RETURN(*each.into, fields.text(each.member));
  }
  ASSIGN_OR_RETURN(const Json* args, fields.required("args"));
  out.args = *args;
  ASSIGN_OR_RETURN(const std::int64_t required, fields.integer("required_approvals", 1, 16));
  out.required = static_cast<int>(required);
  ASSIGN_OR_RETURN(const std::string status, fields.text("status"));
  const std::optional<RequestStatus> known = request_status_named(status);
  if (!known) return fields.wrong("status", "is none");
  out.status = *known;
  ASSIGN_OR_RETURN(const std::optional<UtcTime> requested_at, moment_of(fields, "requested_at"));
  ASSIGN_OR_RETURN(const std::optional<UtcTime> expires_at, moment_of(fields, "expires_at"));
  if (!requested_at || !expires_at) return fields.wrong("expires_at", "is missing");
  out.requested_at = *requested_at;
  out.expires_at = *expires_at;
  ASSIGN_OR_RETURN(out.decided_at, moment_of(fields, "decided_at"));
  ASSIGN_OR_RETURN(const Json* reason, fields.required("reason"));
  if (reason->is_string()) out.reason = reason->as_string();
  ASSIGN_OR_RETURN(const Json::Array* tokens, fields.array("tokens"));
  out.tokens = *tokens;
  ASSIGN_OR_RETURN(const Json* mode, fields.required("mode"));
  if (mode->is_string()) out.mode = grant_mode_named(mode->as_string());
  ASSIGN_OR_RETURN(out.uses, fields.integer("uses", 0, kMost));
  ASSIGN_OR_RETURN(out.until, moment_of(fields, "until"));
  if (const Json* review = fields.take("review")) out.review = *review;
  RETURN_IF_ERROR(fields.finish());
  return out;
}

}  // namespace countersign::broker
