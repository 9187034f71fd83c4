#include "gate/kill_switch.h"

#include <algorithm>

#include "common/text.h"
#include "gate/gait_fields.h"
#include "gate/paths.h"

namespace countersign::gate {
namespace {

constexpr std::string_view kSchemaId = "gait.gate.kill_switch_state";

Error refused(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

KillSwitchEntry read_entry(const Json& json, FirstError& error) {
  GaitFields fields(json, "KillSwitchState.entries", error);
  KillSwitchEntry entry;
  fields.text("entry_id", entry.entry_id);
  fields.boolean("enabled", entry.enabled);
  fields.text("agent_id", entry.agent_id);
  fields.text("identity", entry.identity);
  fields.text("tool_name", entry.tool_name);
  fields.text("target_kind", entry.target_kind);
  fields.text("target_value", entry.target_value);
  fields.text("environment", entry.environment);
  fields.texts("path_prefixes", entry.path_prefixes);
  fields.texts("workspace_prefixes", entry.workspace_prefixes);
  fields.text("reason", entry.reason);
  fields.text("actor", entry.actor);
  fields.time("created_at", entry.created_at);
  fields.time("expires_at", entry.expires_at);
  for (std::string* text : {&entry.entry_id, &entry.agent_id, &entry.identity, &entry.target_value}) {
    *text = std::string(trimmed(*text));
  }
  for (std::string* text : {&entry.tool_name, &entry.target_kind, &entry.environment}) {
    *text = lowered(trimmed(*text));
  }
  for (std::vector<std::string>* prefixes : {&entry.path_prefixes, &entry.workspace_prefixes}) {
    *prefixes = text_set(*prefixes, false);
    for (std::string& prefix : *prefixes) prefix = cleaned_path(prefix);
  }
  return entry;
}

bool is_below_one_of(std::string_view path, const std::vector<std::string>& prefixes) {
  const std::string cleaned = cleaned_path(path);
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&cleaned](const std::string& prefix) { return is_within(cleaned, prefix); });
}

// The reason codes of the entry's selectors, or nothing where one of them does not match.
std::optional<std::vector<std::string>> matched_selectors(const KillSwitchEntry& entry, const Intent& intent) {
  const IntentFields& fields = intent.fields();
  const IntentContext& context = fields.context;
  const auto some_target = [&fields](auto fits) {
    return std::any_of(fields.targets.begin(), fields.targets.end(), fits);
  };
  struct Selector {
    bool given;
    bool matches;
    std::string_view name;
  };
  const Selector selectors[] = {
      {!entry.agent_id.empty(), entry.agent_id == context.agent_id, "agent_id"},
      {!entry.identity.empty(), entry.identity == context.identity, "identity"},
      {!entry.tool_name.empty(), entry.tool_name == fields.tool_name, "tool_name"},
      {!entry.environment.empty(), entry.environment == lowered(context.environment), "environment"},
      {!entry.target_kind.empty() || !entry.target_value.empty(), some_target([&entry](const Target& target) {
         return (entry.target_kind.empty() || entry.target_kind == target.kind) &&
                (entry.target_value.empty() || entry.target_value == target.value);
       }),
       "target"},
      {!entry.path_prefixes.empty(), some_target([&entry](const Target& target) {
         return target.kind == "path" && is_below_one_of(target.value, entry.path_prefixes);
       }),
       "path"},
      {!entry.workspace_prefixes.empty(), is_below_one_of(context.workspace, entry.workspace_prefixes), "workspace"},
  };
  std::vector<std::string> codes;
  for (const Selector& selector : selectors) {
    if (!selector.given) continue;
    if (!selector.matches) return std::nullopt;
    codes.push_back("kill_switch_" + std::string(selector.name) + "_active");
  }
  return codes;
}

}  // namespace

Result<KillSwitch> KillSwitch::parse(std::string_view text) {
  const std::string prefix = "parse kill switch state: ";
  if (trimmed(text).empty()) return refused(prefix + "unexpected end of JSON input");
  const Result<Json> document = Json::parse(text, Json::Limits{.gait = true});
  if (!document) return Error{document.error().code, prefix + document.error().detail};
  if (!document->is_object()) return refused(prefix + "not an object");
  FirstError error(prefix);
  GaitFields fields(*document, "KillSwitchState", error);
  std::string schema_id;
  fields.text("schema_id", schema_id);
  KillSwitch out;
  for (const Json* entry : fields.structures("entries")) out.entries_.push_back(read_entry(*entry, error));
  RETURN_IF_ERROR(error.status());
  if (schema_id != kSchemaId) return refused("unsupported kill switch schema_id: " + schema_id);
  return out;
}

std::optional<KillSwitchFinding> KillSwitch::finding(const Intent& intent, UtcTime now) const {
  std::vector<std::string> ids;
  std::vector<std::string> codes;
  const auto look_at = [&](const Intent& looked_at) {
    for (const KillSwitchEntry& entry : entries_) {
      if (!entry.enabled || (!entry.expires_at.is_zero() && entry.expires_at <= now)) continue;
      const auto selectors = matched_selectors(entry, looked_at);
      if (!selectors) continue;
      ids.push_back(entry.entry_id);
      codes.insert(codes.end(), selectors->begin(), selectors->end());
    }
  };
  look_at(intent);
  if (intent.is_script()) {
    for (std::size_t i = 0; i < intent.fields().script->size(); ++i) look_at(intent.step(i));
  }
  if (ids.empty()) return std::nullopt;
  codes = text_set(codes, false);
  const std::string first = codes.empty() ? "kill_switch_active" : codes.front();
  codes.emplace_back("kill_switch_active");
  codes = text_set(codes, false);
  KillSwitchFinding finding;
  finding.json = Json::object({{"status", "active"},
                               {"reason_code", first},
                               {"reason_codes", Json::array(codes)},
                               {"matched_entry_ids", Json::array(text_set(ids, false))},
                               {"evaluated_at", now.rfc3339()}});
  finding.reason_codes = std::move(codes);
  return finding;
}

}  // namespace countersign::gate
