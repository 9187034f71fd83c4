#include "gate/evidence/approved_script.h"

#include <algorithm>

#include "common/text.h"
#include "gate/decision/script_decision.h"
#include "gate/document/gait_fields.h"
#include "gate/document/optional_members.h"
#include "gate/document/paths.h"
#include "signer/statement/envelope.h"
#include "signer/statement/structure.h"
#include "signer/statement/trace_fields.h"

namespace countersign::gate {
namespace {

using enum statement::Field::Kind;
using enum statement::Field::Presence;

constexpr std::string_view kSchemaId = "gait.gate.approved_script_entry";
constexpr std::string_view kSchemaVersion = "1.0.0";
constexpr std::string_view kMatch = "approved_script_match";
constexpr std::size_t kPatternDigits = 12;

const statement::Structure& entry_structure() {
  static const statement::Field fields[] = {{"schema_id", Text, Written},
                                            {"schema_version", Text, Written},
                                            {"created_at", Time, Written},
                                            {"producer_version", Text, Written},
                                            {"pattern_id", Text, Written},
                                            {"policy_digest", Text, Written},
                                            {"script_hash", Text, Written},
                                            {"tool_sequence", Texts, Written},
                                            {"scope", Texts},
                                            {"approver_identity", Text, Written},
                                            {"expires_at", Time, Written},
                                            {"signature", Object, Optional, &statement::signature_structure()}};
  static const statement::Structure structure{fields};
  return structure;
}

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

Error unverified(std::string detail) {
  return Error{ErrorCode::VerificationFailed, std::move(detail)};
}

std::vector<std::string> set_of(const Json& document, std::string_view name) {
  std::vector<std::string> out;
  if (const Json* list = document.find(name); list != nullptr && list->is_array()) {
    for (const Json& text : list->as_array()) out.push_back(text.as_string());
  }
  return text_set(out, true);
}

// One word of an entry's scope. What nobody knows does not hold.
bool scope_holds(const std::string& word, const Intent& intent) {
  const IntentContext& context = intent.context();
  const auto rest_of = [&word](std::string_view prefix) {
    return word.starts_with(prefix) ? std::optional(std::string_view(word).substr(prefix.size())) : std::nullopt;
  };
  if (const auto risk = rest_of("risk:")) return context.risk_class == *risk;
  if (const auto tool = rest_of("tool:")) return intent.fields().tool_name == *tool;
  if (const auto prefix = rest_of("workspace_prefix:")) {
    const std::string workspace = cleaned_path(context.workspace);
    return workspace == *prefix || workspace.starts_with(std::string(*prefix) + "/");
  }
  const auto endpoint = rest_of("endpoint:");
  if (!endpoint) return false;
  for (const ScriptStep& step : *intent.fields().script) {
    if (std::any_of(step.targets.begin(), step.targets.end(),
                    [&](const Target& target) { return target.endpoint_class == *endpoint; })) {
      return true;
    }
  }
  return false;
}

}  // namespace

Result<ApprovedScript> ApprovedScript::parse(const Json& entry) {
  ApprovedScript out;
  ASSIGN_OR_RETURN(Json document, read(entry_structure(), Json(entry), statement::Reading::Gait, "entry"));
  const auto fixed = [&document](std::string_view name, std::string_view only) -> Status {
    const std::string given(trimmed(document.text(name)));
    if (given.empty()) document.set(name, Json(only));
    if (given.empty() || given == only) return ok();
    return invalid("unsupported approved script " + std::string(name) + ": " + given);
  };
  RETURN_IF_ERROR(fixed("schema_id", kSchemaId));
  RETURN_IF_ERROR(fixed("schema_version", kSchemaVersion));
  out.pattern_id_ = std::string(trimmed(document.text("pattern_id")));
  out.policy_digest_ = lowered(trimmed(document.text("policy_digest")));
  out.script_hash_ = lowered(trimmed(document.text("script_hash")));
  out.tool_sequence_ = set_of(document, "tool_sequence");
  out.scope_ = set_of(document, "scope");
  const std::string approver(trimmed(document.text("approver_identity")));
  ASSIGN_OR_RETURN(out.created_at_, UtcTime::parse(document.text("created_at")));
  ASSIGN_OR_RETURN(out.expires_at_, UtcTime::parse(document.text("expires_at")));
  if (out.created_at_.is_zero()) out.created_at_ = UtcTime::from_unix(315532800);  // 1980-01-01, as gait
  if (out.pattern_id_.empty()) return invalid("pattern_id is required");
  if (!is_digest_text(out.policy_digest_)) return invalid("policy_digest must be sha256 hex");
  if (!is_digest_text(out.script_hash_)) return invalid("script_hash must be sha256 hex");
  if (out.tool_sequence_.empty()) return invalid("tool_sequence is required");
  if (approver.empty()) return invalid("approver_identity is required");
  if (out.expires_at_ <= out.created_at_) return invalid("expires_at must be after created_at");
  document.set("created_at", Json(out.created_at_.rfc3339()));
  document.set("pattern_id", Json(out.pattern_id_));
  document.set("policy_digest", Json(out.policy_digest_));
  document.set("script_hash", Json(out.script_hash_));
  document.set("tool_sequence", Json::array(out.tool_sequence_));
  if (out.scope_.empty()) document.erase("scope");
  if (!out.scope_.empty()) document.set("scope", Json::array(out.scope_));
  document.set("approver_identity", Json(approver));
  document.set("expires_at", Json(out.expires_at_.rfc3339()));
  out.document_ = std::move(document);
  return out;
}

Result<ApprovedScript> ApprovedScript::of(const Intent& intent, const Terms& terms, UtcTime now) {
  const std::optional<Digest> hash = intent.script_hash();
  if (!hash) return invalid("intent must include script.steps");
  std::vector<std::string> tools;
  for (const ScriptStep& step : *intent.fields().script) tools.push_back(step.tool_name);
  const std::string pattern(trimmed(terms.pattern_id));
  return parse(
      Json::object({{"schema_id", Json(kSchemaId)},
                    {"schema_version", Json(kSchemaVersion)},
                    {"created_at", now.rfc3339()},
                    {"producer_version", COUNTERSIGN_VERSION},
                    {"pattern_id", pattern.empty() ? "pattern_" + hash->hex().substr(0, kPatternDigits) : pattern},
                    {"policy_digest", terms.policy_digest.hex()},
                    {"script_hash", hash->hex()},
                    {"tool_sequence", Json::array(tools)},
                    {"scope", Json::array(terms.scope)},
                    {"approver_identity", terms.approver},
                    {"expires_at", (now + terms.ttl).rfc3339()}}));
}

ApprovedScript ApprovedScript::sealed(Json document) const {
  ApprovedScript out = *this;
  out.document_ = std::move(document);
  return out;
}

Status ApprovedScript::verify(const keymgmt::KeySet& keys, UtcTime now) const {
  const Json* signature = document_.find("signature");
  if (signature == nullptr) return unverified("signature is required");
  if (expires_at_ <= now) return unverified("approved script entry is expired");
  Json unsigned_entry = document_;
  unsigned_entry.erase("signature");
  const Digest digest = unsigned_entry.digest();
  if (signature->text("signed_digest") != digest.hex()) {
    return unverified("verify approved script entry signature: signed_digest mismatch");
  }
  const keymgmt::PublishedKey* key = keys.find(signature->text("key_id"));
  if (key == nullptr || key->role != keymgmt::Role::Approval || !key->counts_at(created_at_)) {
    return unverified("verify approved script entry signature: no approval key of that id counts");
  }
  if (!statement::verify_envelope(*signature, key->key, digest)) {
    return unverified("approved script signature did not verify");
  }
  return ok();
}

bool ApprovedScript::can_fit(const Intent& script) const {
  const std::vector<ScriptStep>& steps = *script.fields().script;
  return std::equal(steps.begin(), steps.end(), tool_sequence_.begin(), tool_sequence_.end(),
                    [](const ScriptStep& step, const std::string& tool) { return step.tool_name == tool; });
}

bool ApprovedScript::fits(const Intent& script, const Digest& policy_digest, UtcTime now) const {
  const std::optional<Digest> hash = script.script_hash();
  if (!hash || hash->hex() != script_hash_ || policy_digest.hex() != policy_digest_ || expires_at_ <= now) return false;
  return can_fit(script) && std::all_of(scope_.begin(), scope_.end(),
                                        [&script](const std::string& word) { return scope_holds(word, script); });
}

Result<std::vector<ApprovedScript>> read_registry(std::string_view text) {
  std::vector<ApprovedScript> out;
  if (trimmed(text).empty()) return out;
  const auto refused = [](const std::string& detail) { return invalid("parse approved script registry: " + detail); };
  const Result<Json> document = Json::parse(text, Json::Limits{.gait = true});
  if (!document) return refused(document.error().detail);
  const Json* entries = document->is_array() ? &*document : document->find("entries");
  if (entries == nullptr || !entries->is_array()) return refused("entries must be a JSON array");
  for (std::size_t i = 0; i < entries->as_array().size(); ++i) {
    Result<ApprovedScript> entry = ApprovedScript::parse(entries->as_array()[i]);
    if (!entry) return invalid("approved script entries[" + std::to_string(i) + "]: " + entry.error().detail);
    out.push_back(*std::move(entry));
  }
  return out;
}

std::string registry_with(std::vector<ApprovedScript> entries, const ApprovedScript& entry) {
  std::erase_if(entries, [&entry](const ApprovedScript& each) { return each.pattern_id() == entry.pattern_id(); });
  entries.push_back(entry);
  std::stable_sort(entries.begin(), entries.end(),
                   [](const ApprovedScript& a, const ApprovedScript& b) { return a.pattern_id() < b.pattern_id(); });
  Json::Array documents;
  for (const ApprovedScript& each : entries) documents.push_back(each.document());
  return Json::object({{"entries", Json(std::move(documents))}}).gait_file();
}

RegistryFinding registry_finding(const std::vector<ApprovedScript>& entries, const Intent& intent,
                                 const Digest& policy_digest, UtcTime now) {
  if (!intent.is_script()) return {"not_script"};
  for (const ApprovedScript& entry : entries) {
    if (entry.fits(intent, policy_digest, now)) return {std::string(kMatch), &entry};
  }
  return {"approved_script_not_found"};
}

Decision pre_approved(Decision decided, const Intent& script, const ApprovedScript& entry, UtcTime now) {
  decided.registry_reason = kMatch;
  // gait does not look at the kill switch here (gait-formats §19.14).
  if (decided.stopped_by_kill_switch) return decided;
  Decision out;
  out.verdict = Verdict::Allow;
  out.reason_codes = {std::string(kMatch)};
  out.required_scopes = decided.required_scopes;
  out.destructive = decided.destructive;
  out.phase = decided.phase;
  out.kill_switch = decided.kill_switch;
  // Neither does it count these.
  out.rate_limit = decided.rate_limit;
  out.destructive_budget = decided.destructive_budget;
  out.broker = decided.broker;
  out.delegation_required = decided.delegation_required;
  out.pre_approved = true;
  out.pattern_id = entry.pattern_id();
  out.registry_reason = kMatch;
  out.decided_at = now;
  const std::vector<ScriptStep>& steps = *script.fields().script;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    out.step_verdicts.push_back(
        {static_cast<std::int64_t>(i), steps[i].tool_name, Verdict::Allow, {std::string(kMatch)}, {}, ""});
  }
  out.step_count = static_cast<std::int64_t>(steps.size());
  out.composite_risk_class = composite_risk_of(script);
  return out;
}

}  // namespace countersign::gate
