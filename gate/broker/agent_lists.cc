#include "gate/broker/agent_lists.h"

#include <algorithm>
#include <iterator>

#include "gate/broker/pattern.h"

namespace countersign::broker {
namespace {

using Patterns = std::vector<std::string>;

const std::string* first_match(const Patterns& patterns, std::string_view name) {
  const auto found = std::find_if(patterns.begin(), patterns.end(),
                                  [name](const std::string& pattern) { return matches(pattern, name); });
  return found == patterns.end() ? nullptr : &*found;
}

}  // namespace

Listing listing_of(std::string_view agent, const AgentLists& own, const AgentLists& everybodys, std::string_view tool) {
  struct Place {
    std::string path;
    const AgentLists& lists;
  };
  const Place places[] = {{"agents." + std::string(agent), own}, {"agents.default", everybodys}};
  for (const Place& place : places) {
    if (const std::string* pattern = first_match(place.lists.deny, tool)) {
      return {Standing::Denied, place.path + ".deny " + *pattern};
    }
  }
  const Place& narrower = own.servers.empty() ? places[1] : places[0];
  if (!narrower.lists.servers.empty() && first_match(narrower.lists.servers, server_of(tool)) == nullptr) {
    return {Standing::Denied, narrower.path + ".servers"};
  }
  for (const Place& place : places) {
    if (const std::string* pattern = first_match(place.lists.allow, tool)) {
      return {Standing::Listed, place.path + ".allow " + *pattern};
    }
  }
  return {Standing::Unlisted, "no pattern of agents." + std::string(agent) + ".allow"};
}

}  // namespace countersign::broker
