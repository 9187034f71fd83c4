#include "command/broker/mcp_sessions.h"

#include <algorithm>

#include "common/bytes.h"
#include "common/digest.h"

namespace countersign::command {
namespace {

constexpr std::size_t kIdBytes = 32;
constexpr std::ptrdiff_t kMostOfOneAgent = 64;
constexpr std::chrono::hours kUnused{1};

}  // namespace

std::string McpSessions::open(McpHttpSession session) {
  const auto is_its = [&session](const auto& each) { return each.second.agent == session.agent; };
  if (std::ranges::count_if(sessions_, is_its) >= kMostOfOneAgent) {
    auto oldest = std::ranges::find_if(sessions_, is_its);
    for (auto each = oldest; each != sessions_.end(); ++each) {
      if (is_its(*each) && each->second.used < oldest->second.used) oldest = each;
    }
    sessions_.erase(oldest);
  }
  std::string id = to_hex(random_bytes(kIdBytes));
  sessions_.emplace(id, std::move(session));
  return id;
}

McpHttpSession* McpSessions::find(std::string_view id, std::string_view caller, Moment now) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end() || found->second.caller != caller) return nullptr;
  found->second.used = now;
  return &found->second;
}

bool McpSessions::end(std::string_view id, std::string_view caller) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end() || found->second.caller != caller) return false;
  sessions_.erase(found);
  return true;
}

void McpSessions::sweep(Moment now) {
  std::erase_if(sessions_, [now](const auto& each) { return now - each.second.used > kUnused; });
}

}  // namespace countersign::command
