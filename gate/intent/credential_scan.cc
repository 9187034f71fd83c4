#include "gate/intent/credential_scan.h"

#include <algorithm>
#include <vector>

#include "common/text.h"

namespace countersign::gate {
namespace {

constexpr std::string_view kSecretWords[] = {"token",      "secret",    "api key",    "api_key",
                                             "api-key",    "apikey",    "access key", "access_key",
                                             "access-key", "accesskey", "password",   "credential"};
constexpr std::string_view kHarmlessEndings[] = {"_ref",    "_refs",  "_digest", "_digests",     "_hash", "_issuer",
                                                 "_source", "_type",  "_ttl",    "_ttl_seconds", "_id",   "_ids",
                                                 "_name",   "_names", "_scope",  "_scopes"};
constexpr std::string_view kReferences[] = {"env:", "stub:", "cmd:", "ref:", "sha256:"};
constexpr std::string_view kTokenPrefixes[] = {"ghp_", "gho_", "github_pat_", "sk-", "AKIA", "ASIA"};
constexpr std::size_t kShortestSecret = 16;

bool names_a_secret(std::string_view key) {
  const std::string name = lowered(trimmed(key));
  const auto contained = [&name](std::string_view word) { return name.find(word) != std::string::npos; };
  const auto ending = [&name](std::string_view text) { return name.ends_with(text); };
  return std::any_of(std::begin(kSecretWords), std::end(kSecretWords), contained) &&
         std::none_of(std::begin(kHarmlessEndings), std::end(kHarmlessEndings), ending);
}

bool is_hex_digest(std::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
         });
}

}  // namespace

bool is_credential_material(std::string_view text) {
  const std::string_view value = trimmed(text);
  const std::string low = lowered(value);
  if (std::any_of(std::begin(kReferences), std::end(kReferences),
                  [&low](std::string_view prefix) { return low.starts_with(prefix); })) {
    return false;
  }
  if (is_hex_digest(value)) return false;
  if (std::any_of(std::begin(kTokenPrefixes), std::end(kTokenPrefixes),
                  [value](std::string_view prefix) { return value.starts_with(prefix); })) {
    return true;
  }
  if (value.size() < kShortestSecret || value.find_first_of(" \t\r\n") != std::string_view::npos) return false;
  const bool letter =
      std::any_of(value.begin(), value.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); });
  const bool digit = std::any_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
  return letter && digit;
}

// Depth is bounded by the JSON reader.
Status refuse_credentials(const Json& map, const std::string& name) {  // NOLINT(misc-no-recursion)
  if (map.is_array()) {
    for (std::size_t i = 0; i < map.as_array().size(); ++i) {
      RETURN_IF_ERROR(refuse_credentials(map.as_array()[i], name + "[" + std::to_string(i) + "]"));
    }
    return ok();
  }
  if (!map.is_object()) return ok();
  std::vector<const Json::Member*> members;
  for (const Json::Member& member : map.as_object()) members.push_back(&member);
  std::sort(members.begin(), members.end(),
            [](const Json::Member* a, const Json::Member* b) { return a->first < b->first; });
  for (const Json::Member* member : members) {
    const std::string path = name + "." + member->first;
    if (member->second.is_string() && names_a_secret(member->first) &&
        is_credential_material(member->second.as_string())) {
      return Error{ErrorCode::Invalid,
                   path + " must not contain raw credential material; use credential references or digests instead"}
          .at(path);
    }
    RETURN_IF_ERROR(refuse_credentials(member->second, path));
  }
  return ok();
}

}  // namespace countersign::gate
