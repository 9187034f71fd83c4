#include "keymgmt/ceremony/comparison.h"

#include <algorithm>
#include <set>

namespace countersign::ceremony {
namespace {

constexpr MayDiffer kMayDiffer[] = {
    {"*.n", "lines of interruptions stand between"},
    {"*.prev", "follows from all before it"},
    {"*.at", "time"},
    {"token.info.*", "another token: label, serial number, model"},
    {"token.module.*", "another module: path, library, description"},
    {"token.mechanisms.*", "another module's"},
    {"token.profile", "measured on another module"},
    {"token.trust", "a rehearsal is on SoftHSM; the real module's is judged by the configuration"},
    {"token.attestation", "SoftHSM has none"},
    {"token.held.*", "what the token held before"},
    {"step.observed.key.*", "another key: its public half and names"},
    {"step.observed.kid", "another key"},
    {"step.observed.before", "another key"},
    {"step.observed.promoted.*", "another key"},
    {"step.observed.gate_opens", "time"},
    {"step.observed.compromised_since", "time"},
    {"step.observed.key_set_version", "how often the key set was published before"},
    {"step.observed.attestation", "SoftHSM has none"},
    {"step.observed.backup.*", "a rehearsal's key has no backup"},
    {"step.observed.publication.*", "a rehearsal's key set is signed by its trial custodians"},
    {"step.observed.departures.*", "another module's: listed in its profile"},
    {"step.initials.*", "who was there"},
    {"end.keys.*", "other keys"},
    {"end.rehearsal.*", "a rehearsal has none"},
};

bool covered(std::string_view path, std::string_view kind) {
  return std::ranges::any_of(kMayDiffer, [&](const MayDiffer& row) {
    std::string pattern(row.path);
    if (pattern.starts_with("*.")) pattern = std::string(kind) + pattern.substr(1);
    if (!pattern.ends_with(".*")) return path == pattern;
    pattern.resize(pattern.size() - 2);
    return path == pattern || path.starts_with(pattern + ".");
  });
}

void compare(const Json* one, const Json* other, const std::string& path, std::string_view kind,
             std::vector<std::string>& found) {
  if (covered(path, kind)) return;
  const bool objects = one != nullptr && other != nullptr && one->is_object() && other->is_object();
  if (objects) {
    std::set<std::string> names;
    for (const Json* side : {one, other}) {
      for (const Json::Member& member : side->as_object()) names.insert(member.first);
    }
    for (const std::string& name : names) compare(one->find(name), other->find(name), path + "." + name, kind, found);
    return;
  }
  if (one == nullptr || other == nullptr || !(*one == *other)) found.push_back(path);
}

}  // namespace

std::span<const MayDiffer> may_differ() {
  return kMayDiffer;
}

std::vector<std::string> differences(const Entry& rehearsed, const Entry& real) {
  if (rehearsed.kind != real.kind) return {rehearsed.kind + " against " + real.kind};
  std::vector<std::string> found;
  compare(&rehearsed.json, &real.json, real.kind, real.kind, found);
  return found;
}

std::vector<const Entry*> compared_entries(const Transcript& transcript) {
  std::vector<const Entry*> entries;
  for (const Entry& entry : transcript.entries()) {
    if (entry.kind == "token" || entry.kind == "step" || entry.kind == "end") entries.push_back(&entry);
  }
  return entries;
}

}  // namespace countersign::ceremony
