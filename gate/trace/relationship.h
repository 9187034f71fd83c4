// The member `relationship` of traces and audits: who, what tool, which policy, as nodes and edges (reference:
// gait-formats §16.1).
#pragma once

#include <string>
#include <vector>

#include "common/json.h"

namespace countersign::gate {

struct Node {
  std::string kind;
  std::string id;
  auto operator<=>(const Node&) const = default;
  Json json() const { return Json::object({{"kind", kind}, {"id", id}}); }
};

struct Edge {
  std::string kind;
  Node from;
  Node to;
  auto operator<=>(const Edge&) const = default;
};

struct AgentRole {
  std::string role;
  std::string identity;
  auto operator<=>(const AgentRole&) const = default;
};

// In gait's file order; lists sorted and without repetitions, empty members left out. related_entity_ids are the ids of
// the nodes.
struct Relationship {
  Node parent;  // an empty id: none
  std::vector<Node> entities;
  Json policy_ref;
  std::vector<AgentRole> agents;
  std::vector<Edge> edges;
  std::string parent_record_id;

  Json json() const;
};

}  // namespace countersign::gate
