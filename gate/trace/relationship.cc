#include "gate/trace/relationship.h"

#include <algorithm>

#include "common/text.h"

namespace countersign::gate {
namespace {

template <typename T>
std::vector<T> as_set(std::vector<T> values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

}  // namespace

Json Relationship::json() const {
  Json out{Json::Object{}};
  if (!parent.id.empty()) out.set("parent_ref", parent.json());
  Json::Array nodes;
  std::vector<std::string> ids;
  for (const Node& node : as_set(entities)) {
    nodes.push_back(node.json());
    ids.push_back(node.id);
  }
  out.set("entity_refs", Json(std::move(nodes)));
  out.set("policy_ref", policy_ref);
  Json::Array chain;
  for (const AgentRole& agent : as_set(agents)) {
    chain.push_back(Json::object({{"identity", agent.identity}, {"role", agent.role}}));
  }
  if (!chain.empty()) out.set("agent_chain", Json(std::move(chain)));
  Json::Array lines;
  for (const Edge& edge : as_set(edges)) {
    lines.push_back(Json::object({{"kind", edge.kind}, {"from", edge.from.json()}, {"to", edge.to.json()}}));
  }
  if (!lines.empty()) out.set("edges", Json(std::move(lines)));
  if (!parent_record_id.empty()) out.set("parent_record_id", Json(parent_record_id));
  out.set("related_entity_ids", Json::array(text_set(ids, false)));
  return out;
}

}  // namespace countersign::gate
