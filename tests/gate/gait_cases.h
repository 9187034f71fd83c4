// The recorded answers of the real gait to `gate eval` (tests/vectors/gait_cases.json), a step at a time; tests/gait
// replays every recorded command through the program.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/json.h"
#include "places.h"

namespace countersign::gate {

struct GaitStep {
  std::string name;  // of its case
  std::string group;
  std::map<std::string, std::string> flags;  // the last value of each; a flag without a value holds ""
  std::map<std::string, std::string> files;  // by the name the flags use
  int exit = 0;
  Json answer;
  const Json* trace = nullptr;  // what gait wrote, where no later step overwrote it, without what changes between runs
  const Json* audit = nullptr;

  bool has(const std::string& flag) const { return flags.contains(flag); }
  // The text of the file that a flag names.
  std::optional<std::string> file_of(const std::string& flag) const {
    const auto value = flags.find(flag);
    if (value == flags.end()) return std::nullopt;
    const auto file = files.find(value->second);
    if (file == files.end()) return std::nullopt;
    return file->second;
  }
  UtcTime now() const {
    const auto pinned = flags.find("--evaluation-time");
    if (pinned != flags.end()) {
      if (const Result<UtcTime> time = UtcTime::parse(pinned->second)) return *time;
    }
    return *UtcTime::parse("2026-11-22T04:30:00Z");  // when the cases were recorded
  }
};

struct GaitCases {
  std::map<std::string, std::string> keys;  // file name to gait's base64
  std::vector<GaitStep> steps;
  Json document;
};

inline std::string stored_text(const Json& text) {
  if (text.is_string()) return text.as_string();
  const Result<Bytes> bytes = from_base64(text.text("base64"));
  return bytes ? std::string(text_of(*bytes)) : std::string();
}

inline std::map<std::string, std::string> flags_of(const Json::Array& argv) {
  std::map<std::string, std::string> out;
  for (std::size_t i = 0; i < argv.size(); ++i) {
    const std::string& flag = argv[i].as_string();
    if (!flag.starts_with("-")) continue;
    const bool has_value = i + 1 < argv.size() && !argv[i + 1].as_string().starts_with("--");
    out[flag] = has_value ? argv[i + 1].as_string() : "";
  }
  return out;
}

// Read once; every test of the program shares it.
inline const GaitCases& gait_cases() {
  static const GaitCases kCases = [] {
    GaitCases out;
    std::ifstream file(std::string(COUNTERSIGN_VECTORS) + "/gait_cases.json");
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    Result<Json> document = Json::parse(text, Json::Limits{.bytes = std::size_t{8} << 20});
    if (!document) {
      ADD_FAILURE() << document.error().detail;
      return out;
    }
    out.document = std::move(*document);
    const Json& texts = *out.document.find("texts");
    for (const Json::Member& key : out.document.find("keys")->as_object()) out.keys[key.first] = key.second.as_string();
    for (const Json& recorded : out.document.find("cases")->as_array()) {
      for (const Json& step : recorded.find("steps")->as_array()) {
        GaitStep read;
        read.name = recorded.text("name");
        read.group = recorded.text("group");
        read.flags = flags_of(step.find("argv")->as_array());
        for (const Json::Member& held : step.find("files")->as_object()) {
          read.files[held.first] = stored_text(*texts.find(held.second.as_string()));
        }
        read.exit = static_cast<int>(step.find("exit")->as_integer());
        read.answer = *step.find("json");
        read.trace = step.find("trace");
        read.audit = step.find("audit");
        out.steps.push_back(std::move(read));
      }
    }
    return out;
  }();
  return kCases;
}

// Cases whose recorded inputs were changed after the step, or where gait itself has no one answer (README of the
// recordings), and those where ours differs on purpose.
inline const std::map<std::string, std::string>& deliberate_differences() {
  static const std::map<std::string, std::string> kCases = {
      {"105_token_for_other_intent", "its input was changed after the first step"},
      {"106_token_for_other_policy", "its input was changed after the first step"},
      {"302_invalid_utf8", "invalid UTF-8 is refused"},
      {"307_duplicate_keys_last_wins", "repeated members are refused"},
      {"308_duplicate_args_merge", "repeated members are refused"},
      {"309_duplicate_targets_overlay", "repeated members are refused"},
      {"313_WEAK_trimmed_key_collision", "gait's digest is random here; keys that collide are refused"},
  };
  return kCases;
}

}  // namespace countersign::gate
