// What agents may know of tools: search, describe, load, and the list for a client of the Model Context Protocol.
#include <algorithm>
#include <functional>

#include "command/broker/service/broker_service.h"
#include "common/text.h"
#include "gate/broker/pattern.h"

namespace countersign::command {
namespace {

using broker::Standing;

constexpr std::size_t kShortDescription = 100;

// As sure as a match in the name, in its beginning or in the description alone makes it.
double confidence(const broker::Tool& tool, const std::string& query) {
  const std::string name = lowered(broker::name_of(tool.id));
  if (name == query || lowered(tool.id) == query) return 1.0;
  if (name.find(query) != std::string::npos || lowered(tool.id).find(query) != std::string::npos) return 0.8;
  return lowered(tool.definition.text("description")).find(query) != std::string::npos ? 0.5 : 0;
}

}  // namespace

Result<Json> BrokerService::search(const BrokerCaller& caller, const std::string& query, std::size_t most) {
  RETURN_IF_ERROR(require_known(caller));
  const std::string wanted = lowered(query);
  std::vector<std::string> unavailable;
  std::vector<std::pair<double, broker::Tool>> found;
  for (broker::Tool& tool : catalogue_.all(unavailable)) {
    const auto listing = listing_of(caller.agent, config_.lists_of(caller.agent), config_.everybodys, tool.id);
    if (listing.standing == Standing::Denied || tool.kind == broker::OfferKind::Template) continue;
    const double sure = confidence(tool, wanted);
    if (sure > 0) found.emplace_back(sure, std::move(tool));
  }
  std::ranges::stable_sort(found, std::greater<>(), &std::pair<double, broker::Tool>::first);
  Json::Array rows;
  for (const auto& [sure, tool] : found) {
    if (rows.size() == most) break;
    rows.push_back(Json::object({{"tool_id", tool.id},
                                 {"name", broker::name_of(tool.id)},
                                 {"short_desc", tool.definition.text("description").substr(0, kShortDescription)},
                                 {"server", broker::server_of(tool.id)},
                                 {"confidence", sure}}));
  }
  return Json::object({{"tools", std::move(rows)}, {"unavailable", Json::array(unavailable)}});
}

Result<Json> BrokerService::tools(const BrokerCaller& caller) {
  RETURN_IF_ERROR(require_agent(caller));
  std::vector<std::string> unavailable;
  const std::vector<broker::Tool> all = catalogue_.all(unavailable);
  Json out = Json::object({});
  for (const broker::OfferRow& row : broker::offer_rows()) {
    Json::Array rows;
    for (const broker::Tool& tool : all) {
      if (tool.kind != row.kind) continue;
      const auto listing = listing_of(caller.agent, config_.lists_of(caller.agent), config_.everybodys, tool.id);
      if (listing.standing == Standing::Denied) continue;
      rows.push_back(Json::object({{"tool_id", tool.id}, {"definition", tool.definition}}));
    }
    out.set(std::string(row.for_agents), std::move(rows));
  }
  out.set("unavailable", Json::array(unavailable));
  return out;
}

Result<Json> BrokerService::describe(const BrokerCaller& caller, const std::string& tool) {
  RETURN_IF_ERROR(require_known(caller));
  RETURN_IF_ERROR(broker::check_tool_id(tool));
  const auto listing = listing_of(caller.agent, config_.lists_of(caller.agent), config_.everybodys, tool);
  ASSIGN_OR_RETURN(const std::optional<broker::Tool> found, catalogue_.find(tool, Json()));
  if (!found || listing.standing == Standing::Denied) {
    return Error{ErrorCode::NotFound, "Tool not found: " + tool, "tool_not_found",
                 "countersign broker search --query WORD finds those that may be called"};
  }
  Json out = found->definition;
  out.set("tool_id", tool);
  out.set("definition_digest", found->digest);
  return out;
}

Result<Json> BrokerService::waiting(const BrokerCaller& caller, const std::string& request) {
  RETURN_IF_ERROR(require_agent(caller));
  const Result<broker::ToolRequest> found = store_.request(request);
  if (!found || found->agent != caller.agent) {
    return Error{ErrorCode::NotFound, "the agent " + caller.agent + " has no such request", "unknown_request"};
  }
  const bool waits = found->status == broker::RequestStatus::Pending && !is_expired(*found) &&
                     !store_.allowed_by(caller.agent, found->tool) && !open_grant(called_of(*found));
  return Json::object({{"request_id", request}, {"waiting", waits}});
}

Result<Json> BrokerService::load(const BrokerCaller& caller, const std::vector<std::string>& tools) {
  RETURN_IF_ERROR(require_known(caller));
  Json::Array rows;
  Json::Array missing;
  for (const std::string& tool : tools) {
    const Result<Json> found = describe(caller, tool);
    found ? rows.push_back(*found)
          : missing.push_back(Json::object({{"tool_id", tool}, {"error", found.error().wire_code()}}));
  }
  return Json::object({{"tools", std::move(rows)}, {"missing", std::move(missing)}});
}

}  // namespace countersign::command
