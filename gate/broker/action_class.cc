#include "gate/broker/action_class.h"

#include <algorithm>
#include <string>

#include "gate/broker/offer.h"

namespace countersign::broker {
namespace {

constexpr ActionWord kWords[] = {
    {"get", ActionClass::Read},
    {"list", ActionClass::Read},
    {"read", ActionClass::Read},
    {"search", ActionClass::Read},
    {"find", ActionClass::Read},
    {"show", ActionClass::Read},
    {"describe", ActionClass::Read},
    {"view", ActionClass::Read},
    {"screenshot", ActionClass::Read},
    {"status", ActionClass::Read},
    {"fetch", ActionClass::Network},
    {"download", ActionClass::Network},
    {"upload", ActionClass::Network},
    {"send", ActionClass::Network},
    {"post", ActionClass::Network},
    {"request", ActionClass::Network},
    {"browse", ActionClass::Network},
    {"navigate", ActionClass::Network},
    {"http", ActionClass::Network},
    {"email", ActionClass::Network},
    {"publish", ActionClass::Network},
    {"write", ActionClass::Write},
    {"create", ActionClass::Write},
    {"update", ActionClass::Write},
    {"edit", ActionClass::Write},
    {"delete", ActionClass::Write},
    {"remove", ActionClass::Write},
    {"drop", ActionClass::Write},
    {"move", ActionClass::Write},
    {"rename", ActionClass::Write},
    {"set", ActionClass::Write},
    {"put", ActionClass::Write},
    {"save", ActionClass::Write},
    {"append", ActionClass::Write},
    {"insert", ActionClass::Write},
    {"transfer", ActionClass::Write},
    {"pay", ActionClass::Write},
    {"merge", ActionClass::Write},
    {"push", ActionClass::Write},
    {"commit", ActionClass::Write},
    {"purge", ActionClass::Write},
    {"truncate", ActionClass::Write},
    {"password", ActionClass::Credential},
    {"secret", ActionClass::Credential},
    {"token", ActionClass::Credential},
    {"credential", ActionClass::Credential},
    {"credentials", ActionClass::Credential},
    {"login", ActionClass::Credential},
    {"auth", ActionClass::Credential},
    {"apikey", ActionClass::Credential},
    {"exec", ActionClass::Exec},
    {"execute", ActionClass::Exec},
    {"run", ActionClass::Exec},
    {"shell", ActionClass::Exec},
    {"sh", ActionClass::Exec},
    {"bash", ActionClass::Exec},
    {"command", ActionClass::Exec},
    {"eval", ActionClass::Exec},
    {"spawn", ActionClass::Exec},
    {"deploy", ActionClass::Exec},
    {"kill", ActionClass::Exec},
};

struct ClassRow {
  ActionClass action;
  std::string_view name;
  std::string_view risk;
};
constexpr ClassRow kClasses[] = {
    {ActionClass::Unknown, "unknown", "high"},           {ActionClass::Read, "read", "low"},
    {ActionClass::Network, "network", "medium"},         {ActionClass::Write, "write", "high"},
    {ActionClass::Credential, "credential", "critical"}, {ActionClass::Exec, "exec", "critical"},
};

const ClassRow& row_of(ActionClass action) {
  return *std::find_if(std::begin(kClasses), std::end(kClasses),
                       [action](const ClassRow& row) { return row.action == action; });
}

bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_word(char c) {
  return is_upper(c) || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

ActionClass class_of_word(std::string_view word) {
  const auto found =
      std::find_if(std::begin(kWords), std::end(kWords), [word](const ActionWord& row) { return row.word == word; });
  return found == std::end(kWords) ? ActionClass::Unknown : found->action;
}

}  // namespace

std::string_view name_of(ActionClass action) {
  return row_of(action).name;
}

std::string_view risk_of(ActionClass action) {
  return row_of(action).risk;
}

std::span<const ActionWord> action_words() {
  return kWords;
}

ActionClass action_class_of(std::string_view tool) {
  ActionClass worst = ActionClass::Unknown;
  std::string word;
  const auto end_word = [&] {
    worst = std::max(worst, class_of_word(word));
    word.clear();
  };
  for (std::size_t i = 0; i < tool.size(); ++i) {
    // "dropTable", "drop_table" and "drop-table" are the same two words.
    if (!is_word(tool[i]) || (is_upper(tool[i]) && i > 0 && !is_upper(tool[i - 1]))) end_word();
    if (is_word(tool[i])) word += static_cast<char>(is_upper(tool[i]) ? tool[i] - 'A' + 'a' : tool[i]);
  }
  end_word();
  return worst;
}

ActionClass action_class_of_offer(std::string_view id) {
  return kind_of(id) == OfferKind::Tool ? action_class_of(id) : ActionClass::Read;
}

}  // namespace countersign::broker
