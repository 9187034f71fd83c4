#include "gate/call/tool_operation.h"

#include <algorithm>
#include <string>
#include <vector>

#include "common/text.h"

namespace countersign::gate {
namespace {

constexpr std::string_view kReading[] = {"read", "list",  "query", "search",  "inspect",
                                         "get",  "fetch", "head",  "describe"};
constexpr std::string_view kChanging[] = {"write",  "create",  "update",  "delete", "remove", "insert",
                                          "upsert", "patch",   "set",     "put",    "post",   "commit",
                                          "apply",  "approve", "execute", "exec",   "run"};
// Words that begin so count likewise: "deleted", "reader".
constexpr std::string_view kReadingStems[] = {"get", "read", "list", "query", "search", "inspect", "fetch", "describe"};
constexpr std::string_view kChangingStems[] = {"write",  "create",  "update", "delete", "remove", "insert",
                                               "upsert", "patch",   "set",    "put",    "post",   "commit",
                                               "apply",  "approve", "exec",   "run"};
constexpr std::string_view kSayNothing[] = {"tool", "tools", "mcp", "function"};

template <typename Words>
bool holds(const Words& words, std::string_view word) {
  return std::ranges::find(words, word) != std::end(words);
}

template <typename Stems>
bool begins(const Stems& stems, std::string_view word) {
  return std::ranges::any_of(stems, [word](std::string_view stem) { return word.starts_with(stem); });
}

std::vector<std::string> words_of(std::string_view name) {
  std::vector<std::string> out;
  bool within = false;
  for (const char c : lowered(name)) {
    const bool part = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (part && !within) out.emplace_back();
    if (part) out.back() += c;
    within = part;
  }
  return out;
}

// The word of a tool's name that says what it does; empty where none does.
std::string operation_of(std::string_view name) {
  const std::vector<std::string> words = words_of(name);
  const auto known = [](const std::string& word) { return holds(kChanging, word) || holds(kReading, word); };
  const auto akin = [](const std::string& word) { return begins(kChangingStems, word) || begins(kReadingStems, word); };
  const auto says = [](const std::string& word) { return !holds(kSayNothing, word); };
  auto found = std::ranges::find_if(words, known);
  if (found == words.end()) found = std::ranges::find_if(words, akin);
  if (found == words.end()) found = std::ranges::find_if(words, says);
  return found == words.end() ? std::string() : *found;
}

}  // namespace

bool seems_to_change_something(const Json& intent) {
  bool stated = false;
  if (const Json* targets = intent.find("targets"); targets != nullptr && targets->is_array()) {
    for (const Json& target : targets->as_array()) {
      const std::string operation = lowered(trimmed(target.text("operation")));
      if (operation.empty()) continue;
      stated = true;
      if (!holds(kReading, operation)) return true;
    }
  }
  if (stated) return false;
  const std::string operation = operation_of(trimmed(intent.text("tool_name")));
  return !holds(kReading, operation) && (holds(kChanging, operation) || begins(kChangingStems, operation));
}

}  // namespace countersign::gate
