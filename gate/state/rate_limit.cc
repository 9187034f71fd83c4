#include "gate/state/rate_limit.h"

#include <algorithm>

#include "common/text.h"
#include "gate/document/gait_fields.h"

namespace countersign::gate {
namespace {

constexpr std::string_view kSchemaId = "gait.gate.rate_limit_state";
constexpr std::string_view kVersion = "1.0.0";
constexpr std::string_view kPrefix = "parse rate limit state: ";
constexpr std::int64_t kMostCounted = (std::int64_t{1} << 53) - 1;
// Longer than any bucket, so that a clock that steps back finds what was spent.
constexpr std::int64_t kKeptSeconds = std::int64_t{24} * 3600;

struct WindowRow {
  std::string_view name;
  std::int64_t seconds;
};
constexpr WindowRow kWindows[] = {{"minute", 60}, {"hour", 3600}};

std::int64_t seconds_of(std::string_view window) {
  for (const WindowRow& row : kWindows) {
    if (row.name == window) return row.seconds;
  }
  return kWindows[0].seconds;
}

UtcTime bucket_of(std::string_view window, UtcTime now) {
  const std::int64_t length = seconds_of(window);
  const std::int64_t since = now.unix_seconds() % length;
  return UtcTime::from_unix(now.unix_seconds() - (since < 0 ? since + length : since));
}

std::string scope_key(std::string_view scope, std::string_view tool_name, std::string_view identity) {
  if (scope == "tool") return std::string(tool_name);
  if (scope == "identity") return std::string(identity);
  return std::string(tool_name) + "|" + std::string(identity);
}

// The third part of a counter's key is the start of its bucket.
bool is_old(std::string_view key, UtcTime now) {
  for (int part = 0; part < 2; ++part) {
    const std::size_t bar = key.find('|');
    if (bar == std::string_view::npos) return false;
    key.remove_prefix(bar + 1);
  }
  const Result<UtcTime> start = UtcTime::parse(key.substr(0, key.find('|')));
  return start && start->unix_seconds() + kKeptSeconds < now.unix_seconds();
}

Error refused(std::string detail) {
  return Error{ErrorCode::Invalid, std::string(kPrefix) + std::move(detail), "rate_limit_state_invalid",
               "restore the state file, or remove it once you know that nothing was spent"};
}

}  // namespace

Result<RateState> RateState::parse(std::string_view text) {
  if (trimmed(text).empty()) return refused("unexpected end of JSON input");
  const Result<Json> document = Json::parse(text, Json::Limits{.gait = true});
  if (!document) return refused(document.error().detail).at(document.error().field);
  if (!document->is_object()) return refused("not an object");
  FirstError error{std::string(kPrefix)};
  GaitFields fields(*document, "RateLimitState", error);
  std::string schema_id;
  std::string version;
  fields.text("schema_id", schema_id);
  fields.text("schema_version", version);
  RateState out;
  for (const Json* counter : fields.structures("counters")) {
    GaitFields members(*counter, fields, "counters", out.counters_.size());
    std::string key;
    std::int64_t count = 0;
    members.text("key", key);
    members.integer("count", count);
    if (error.any()) break;
    if (key.empty()) return refused("a counter has no key").at(members.place().of("key"));
    if (count < 0 || count > kMostCounted) {
      return refused("the counter " + key + " is out of range").at(members.place().of("count"));
    }
    if (!out.counters_.emplace(key, count).second) {
      return refused("the counter " + key + " stands twice").at(members.place().of("key"));
    }
  }
  RETURN_IF_ERROR(error.status());
  if (schema_id != kSchemaId) return refused("unsupported schema_id: " + schema_id).at("schema_id");
  if (version != kVersion) return refused("unsupported schema_version: " + version).at("schema_version");
  return out;
}

RateUse RateState::spend(const RateRule& rule, std::string_view tool_name, std::string_view identity, UtcTime now) {
  RateUse use;
  use.scope = rule.scope;
  use.key = scope_key(rule.scope, tool_name, identity);
  std::int64_t& count =
      counters_[rule.window + "|" + rule.scope + "|" + bucket_of(rule.window, now).rfc3339() + "|" + use.key];
  use.exceeded = count >= rule.requests;
  if (!use.exceeded) ++count;
  use.used = count;
  use.remaining = std::max<std::int64_t>(rule.requests - count, 0);
  return use;
}

RateUse RateState::spend_budget(const RateRule& rule, std::string_view tool_name, std::string_view identity,
                                UtcTime now) {
  return spend(rule, "destructive_budget|" + std::string(tool_name), identity, now);
}

Json RateState::document(UtcTime now) const {
  Json::Array counters;
  for (const auto& [key, count] : counters_) {
    if (is_old(key, now)) continue;
    counters.push_back(Json::object({{"key", key}, {"count", count}}));
  }
  return Json::object(
      {{"schema_id", kSchemaId}, {"schema_version", kVersion}, {"counters", Json(std::move(counters))}});
}

}  // namespace countersign::gate
