// Section `users`, and what it and `tokens.NAME.user` say together.
#include <algorithm>
#include <map>

#include "signer/config/sections.h"

namespace countersign::config {
namespace {

struct Named {
  std::string path;
  const std::optional<process::ProcessUser>* user;
};

// Every process that can have a user of its own. The supervisor starts them all and stays root.
std::vector<Named> processes_of(const Config& config) {
  std::vector<Named> all = {{"users.front", &config.front_user}, {"users.notifier", &config.notifier_user}};
  for (const TokenConfig& token : config.tokens) all.push_back({"tokens." + token.name + ".user", &token.user});
  return all;
}

}  // namespace

std::optional<process::ProcessUser> read_user(Reading& reading, YamlFields& fields, std::string_view member) {
  if (!fields.has(member)) return std::nullopt;
  const Result<process::ProcessUser> user = process::process_user(reading.findings.keep(fields.text(member, "")));
  if (user) return *user;
  reading.findings.error(fields.path_of(member), user.error().detail, user.error().hint);
  return std::nullopt;
}

void read_users(Reading& reading, YamlFields& document) {
  if (const YamlNode* node = document.take("users")) {
    YamlFields fields(*node, "users");
    reading.config.front_user = read_user(reading, fields, "front");
    reading.config.notifier_user = read_user(reading, fields, "notifier");
    reading.findings.keep(fields.finish());
  }
  const std::vector<Named> all = processes_of(reading.config);
  if (std::none_of(all.begin(), all.end(), [](const Named& each) { return each.user->has_value(); })) return;
  std::map<uid_t, std::string> first;
  for (const auto& [path, user] : all) {
    if (!*user) {
      reading.findings.error(path, "is missing: where one process has a user, each needs one, or it would run as root",
                             "give each process a user of its own");
      continue;
    }
    const auto [other, alone] = first.emplace((*user)->uid, path);
    if (alone) continue;
    reading.findings.warning(path, "is the user of " + other->second + " too: neither is kept from the other's files",
                             "give each process a user of its own");
  }
}

}  // namespace countersign::config
