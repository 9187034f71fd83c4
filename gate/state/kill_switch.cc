#include "gate/state/kill_switch.h"

#include <algorithm>

#include "common/text.h"
#include "gate/document/gait_fields.h"
#include "gate/document/optional_members.h"
#include "gate/document/paths.h"

namespace countersign::gate {
namespace {

constexpr std::size_t kIdDigits = 24;
constexpr std::string_view kSchemaId = "gait.gate.kill_switch_state";

Error refused(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

void normalise(KillSwitchEntry& entry) {
  for (std::string* text :
       {&entry.entry_id, &entry.agent_id, &entry.identity, &entry.target_value, &entry.reason, &entry.actor}) {
    *text = std::string(trimmed(*text));
  }
  for (std::string* text : {&entry.tool_name, &entry.target_kind, &entry.environment}) {
    *text = lowered(trimmed(*text));
  }
  for (std::vector<std::string>* prefixes : {&entry.path_prefixes, &entry.workspace_prefixes}) {
    *prefixes = text_set(*prefixes, false);
    for (std::string& prefix : *prefixes) prefix = cleaned_path(prefix);
  }
}

KillSwitchEntry read_entry(const Json& json, const GaitFields& owner, std::size_t index) {
  GaitFields fields(json, owner, "entries", index);
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
  normalise(entry);
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

bool KillSwitchEntry::has_selector() const {
  return !(agent_id.empty() && identity.empty() && tool_name.empty() && target_kind.empty() && target_value.empty() &&
           environment.empty() && path_prefixes.empty() && workspace_prefixes.empty());
}

Json KillSwitchEntry::json() const {
  Json out{Json::Object{}};
  out.set("entry_id", entry_id);
  out.set("enabled", enabled);
  put(out, "agent_id", agent_id);
  put(out, "identity", identity);
  put(out, "tool_name", tool_name);
  put(out, "target_kind", target_kind);
  put(out, "target_value", target_value);
  put(out, "environment", environment);
  put(out, "path_prefixes", path_prefixes);
  put(out, "workspace_prefixes", workspace_prefixes);
  put(out, "reason", reason);
  put(out, "actor", actor);
  out.set("created_at", created_at.rfc3339());
  out.set("expires_at", expires_at.rfc3339());
  return out;
}

Result<KillSwitch> KillSwitch::parse(std::string_view text) {
  const std::string prefix = "parse kill switch state: ";
  if (trimmed(text).empty()) return refused(prefix + "unexpected end of JSON input");
  const Result<Json> document = Json::parse(text, Json::Limits{.gait = true});
  if (!document) {
    return Error{document.error().code, prefix + document.error().detail}.at(document.error().field);
  }
  if (!document->is_object()) return refused(prefix + "not an object");
  FirstError error(prefix);
  GaitFields fields(*document, "KillSwitchState", error);
  std::string schema_id;
  std::string unused;
  fields.text("schema_id", schema_id);
  fields.text("schema_version", unused);
  fields.text("producer_version", unused);
  KillSwitch out;
  fields.time("created_at", out.created_at_);
  fields.time("updated_at", out.updated_at_);
  for (const Json* entry : fields.structures("entries")) {
    out.entries_.push_back(read_entry(*entry, fields, out.entries_.size()));
  }
  RETURN_IF_ERROR(error.status());
  if (schema_id != kSchemaId) return refused("unsupported kill switch schema_id: " + schema_id).at("schema_id");
  return out;
}

KillSwitch KillSwitch::begin(UtcTime now) {
  KillSwitch out;
  out.created_at_ = now;
  out.updated_at_ = now;
  return out;
}

Result<KillSwitchEntry> KillSwitch::add(KillSwitchEntry entry, UtcTime now) {
  normalise(entry);
  if (!entry.has_selector()) return refused("at least one selector is required");
  if (!entry.expires_at.is_zero() && entry.expires_at <= now) return refused("expires_at must be in the future");
  entry.enabled = true;
  entry.created_at = now;
  entry.entry_id.clear();
  entry.entry_id = entry.json().digest().hex().substr(0, kIdDigits);
  updated_at_ = now;
  entries_.push_back(entry);
  return entry;
}

Result<KillSwitchEntry*> KillSwitch::entry(std::string_view entry_id) {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [entry_id](const KillSwitchEntry& each) { return each.entry_id == entry_id; });
  if (found == entries_.end()) return refused("kill switch entry not found: " + std::string(entry_id));
  return &*found;
}

Result<KillSwitchEntry> KillSwitch::disable(std::string_view entry_id, UtcTime now) {
  ASSIGN_OR_RETURN(KillSwitchEntry * found, entry(entry_id));
  found->enabled = false;
  updated_at_ = now;
  return *found;
}

Result<KillSwitchEntry> KillSwitch::expire(std::string_view entry_id, UtcTime now) {
  ASSIGN_OR_RETURN(KillSwitchEntry * found, entry(entry_id));
  // What has ended already stays ended when it did.
  if (found->expires_at.is_zero() || found->expires_at > now) found->expires_at = now;
  updated_at_ = now;
  return *found;
}

Json KillSwitch::document() const {
  Json::Array entries;
  for (const KillSwitchEntry& entry : entries_) entries.push_back(entry.json());
  return Json::object({{"schema_id", kSchemaId},
                       {"schema_version", "1.0.0"},
                       {"created_at", created_at_.rfc3339()},
                       {"updated_at", updated_at_.rfc3339()},
                       {"producer_version", COUNTERSIGN_VERSION},
                       {"entries", Json(std::move(entries))}});
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
