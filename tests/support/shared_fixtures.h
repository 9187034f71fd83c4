// Public test vectors that are read beside the tree and are no part of it; a clone without them is tested by ours.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "common/durable_file.h"
#include "common/json.h"
#include "places.h"

namespace countersign::test {

// The folder $COUNTERSIGN_FIXTURES, else ../shared/fixtures beside the tree or the folder above; nothing where there is
// none of that name in it.
inline std::optional<std::string> shared_fixtures(const std::string& name) {
  const char* chosen = std::getenv("COUNTERSIGN_FIXTURES");
  const std::string source = COUNTERSIGN_SOURCE;
  const std::string places[] = {chosen == nullptr ? "" : chosen, source + "/../shared/fixtures",
                                source + "/../../shared/fixtures"};
  for (const std::string& place : places) {
    if (!place.empty() && std::filesystem::exists(place + "/" + name)) return place + "/" + name;
  }
  return std::nullopt;
}

inline std::string fixture_text(const std::string& path) {
  const Result<std::string> text = read_file(path, std::size_t{16} << 20);
  return text ? *text : std::string();
}

inline Json fixture_json(const std::string& path) {
  const std::string text = fixture_text(path);
  const Result<Json> json = Json::parse(text, Json::Limits{.bytes = text.size() + 1});
  return json ? *json : Json();
}

}  // namespace countersign::test
