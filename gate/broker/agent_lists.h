// What an agent may call without asking, and what it may never call.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace countersign::broker {

struct AgentLists {  // patterns (pattern.h)
  std::vector<std::string> allow;
  std::vector<std::string> deny;
  std::vector<std::string> servers;  // the only servers whose tools it may call; empty: any
};

enum class Standing {
  Denied,    // by a deny pattern, or by the list of servers; nobody is asked
  Listed,    // by an allow pattern
  Unlisted,  // to be approved
};

struct Listing {
  Standing standing = Standing::Denied;
  std::string rule;  // the pattern that said so and where it stands: "agents.web.deny fs:*"
};

// Both lists count: a deny pattern of either wins over every allow pattern; the agent's servers, where it has any,
// stand in place of everybody's.
Listing listing_of(std::string_view agent, const AgentLists& own, const AgentLists& everybodys, std::string_view tool);

}  // namespace countersign::broker
