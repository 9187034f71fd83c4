#include "gate/call/mcp_trust.h"

#include <algorithm>
#include <chrono>

#include "common/text.h"
#include "gate/decision/decision_parts.h"
#include "gate/document/optional_members.h"

namespace countersign::gate {
namespace {

constexpr std::string_view kSchemaId = "gait.mcp.trust_snapshot";
constexpr std::string_view kSchemaVersion = "1.0.0";
constexpr std::string_view kTrusting[] = {"", "trusted", "allow", "pass"};

// What can be wrong with an entry, and the status it leads to: the first that applies, in gait's order of reasons.
struct Doubt {
  std::string_view reason;
  std::string_view status;
};
constexpr Doubt kStatusUntrusted{"mcp_trust_status_untrusted", "untrusted"};
constexpr Doubt kPublisherUntrusted{"mcp_trust_publisher_untrusted", "untrusted"};
constexpr Doubt kRegistryUnverified{"mcp_trust_registry_unverified", "invalid"};
constexpr Doubt kStale{"mcp_trust_stale", "stale"};
constexpr Doubt kBelowThreshold{"mcp_trust_below_threshold", "below_threshold"};
// Where there is no entry to judge.
constexpr Doubt kNoIdentifier{"mcp_trust_identifier_missing", "missing"};
constexpr Doubt kNoSnapshot{"mcp_trust_snapshot_unavailable", "missing"};
constexpr Doubt kBadSnapshot{"mcp_trust_snapshot_invalid", "invalid"};
constexpr Doubt kUnknown{"mcp_trust_server_unknown", "unknown"};

Error invalid(std::string detail, std::string field) {
  return Error{ErrorCode::Invalid, std::move(detail)}.at(std::move(field));
}

Status check_schema(std::string_view given, std::string_view expected, const char* member) {
  if (trimmed(given).empty() || given == expected) return ok();
  return invalid("unsupported trust snapshot " + std::string(member) + " \"" + std::string(given) + "\"", member);
}

bool verified(const Json* result, const GaitFields& entry) {
  if (result == nullptr) return false;
  GaitFields fields(*result, entry, "registry_verification");
  bool is_signed = false, allowed = false, pinned = false, pin_holds = false;
  fields.boolean("signature_verified", is_signed);
  fields.boolean("publisher_allowed", allowed);
  fields.boolean("pin_present", pinned);
  fields.boolean("pin_verified", pin_holds);
  return is_signed && allowed && (!pinned || pin_holds);
}

TrustEntry read_entry(GaitFields fields) {
  TrustEntry out;
  out.server = McpServer::read(fields);
  fields.text("status", out.status);
  fields.text("evidence_path", out.evidence_path);
  fields.time("updated_at", out.updated_at);
  fields.number("score", out.score);
  out.registry_verified = verified(fields.structure("registry_verification"), fields);
  out.status = lowered(trimmed(out.status));
  out.evidence_path = trimmed(out.evidence_path);
  return out;
}

std::int64_t seconds_of(const McpTrust& policy) {
  return std::chrono::duration_cast<std::chrono::seconds>(policy.max_age).count();
}

bool is_stale(const TrustEntry& entry, std::int64_t max_age, UtcTime now) {
  if (max_age <= 0) return false;
  return entry.updated_at == UtcTime() || now - entry.updated_at > std::chrono::seconds(max_age);
}

std::vector<Doubt> doubts_of(const McpTrust& policy, const TrustEntry& entry, UtcTime now) {
  std::vector<Doubt> out;
  const Texts& publishers = policy.publisher_allowlist;
  if (std::ranges::find(kTrusting, entry.status) == std::end(kTrusting)) out.push_back(kStatusUntrusted);
  if (!publishers.empty() && std::ranges::find(publishers, entry.server.publisher) == publishers.end()) {
    out.push_back(kPublisherUntrusted);
  }
  if (policy.require_registry && !entry.registry_verified) out.push_back(kRegistryUnverified);
  if (is_stale(entry, seconds_of(policy), now)) out.push_back(kStale);
  // Written so that a score that is no number is below every threshold.
  if (policy.min_score > 0 && !(entry.score >= policy.min_score)) out.push_back(kBelowThreshold);
  return out;
}

struct Judged {
  const TrustEntry* entry = nullptr;
  std::vector<Doubt> doubts;
};

Judged judge(const McpTrust& policy, const std::string& key, const GivenSnapshot& given, UtcTime now) {
  if (key.empty()) return {nullptr, {kNoIdentifier}};
  if (given.state == GivenSnapshot::State::Unavailable) return {nullptr, {kNoSnapshot}};
  if (given.state == GivenSnapshot::State::Malformed) return {nullptr, {kBadSnapshot}};
  const TrustEntry* entry = given.snapshot.find(key);
  if (entry == nullptr) return {nullptr, {kUnknown}};
  return {entry, doubts_of(policy, *entry, now)};
}

bool has(const std::vector<Doubt>& doubts, const Doubt& doubt) {
  return std::ranges::find(doubts, doubt.reason, &Doubt::reason) != doubts.end();
}

void put_number(Json& out, std::string_view name, double number) {
  if (number != 0) out.set(name, Json(number));
}

Json members_of(const McpTrust& policy, const TrustFinding& finding, const Judged& judged, bool required) {
  const bool looked = judged.entry != nullptr;
  Json out{Json::Object{}};
  put(out, "server_id", finding.server.server_id);
  put(out, "server_name", finding.server.server_name);
  put(out, "publisher", finding.server.publisher);
  put(out, "source", finding.server.source);
  put(out, "status", judged.doubts.empty() ? "trusted" : judged.doubts.front().status);
  put(out, "decision_source",
      looked && !judged.entry->evidence_path.empty() ? judged.entry->evidence_path : policy.snapshot);
  put_number(out, "score", looked ? judged.entry->score : 0);
  put_number(out, "threshold", policy.min_score);
  out.set("updated_at", Json((looked ? judged.entry->updated_at : UtcTime()).rfc3339()));
  put(out, "max_age_seconds", seconds_of(policy));
  put_flag(out, "required", required);
  put_flag(out, "enforced", finding.enforced);
  put_flag(out, "registry_verified", looked && policy.require_registry && judged.entry->registry_verified);
  put_flag(out, "publisher_allowed",
           looked && !policy.publisher_allowlist.empty() && !has(judged.doubts, kPublisherUntrusted));
  put(out, "reason_codes", finding.reason_codes);
  return out;
}

}  // namespace

McpServer McpServer::read(GaitFields fields) {
  McpServer out;
  fields.text("server_id", out.server_id);
  fields.text("server_name", out.server_name);
  fields.text("publisher", out.publisher);
  fields.text("source", out.source);
  out.server_id = trimmed(out.server_id);
  out.server_name = trimmed(out.server_name);
  out.publisher = lowered(trimmed(out.publisher));
  out.source = lowered(trimmed(out.source));
  return out;
}

Result<McpServer> McpServer::parse(std::string_view text) {
  constexpr std::string_view kPrefix = "parse server description: ";
  const Result<Json> document = Json::parse(text, Json::Limits{.gait = true});
  if (!document) return invalid(std::string(kPrefix) + document.error().detail, document.error().field);
  if (!document->is_object()) return invalid(std::string(kPrefix) + "it is no object", "");
  FirstError error{std::string(kPrefix)};
  McpServer out = read(GaitFields(*document, "ServerInfo", error));
  RETURN_IF_ERROR(error.status());
  if (out.key().empty()) return invalid("server description requires server_id or server_name", "server_id");
  return out;
}

std::string McpServer::key() const {
  return lowered(server_id.empty() ? server_name : server_id);
}

Result<TrustSnapshot> TrustSnapshot::parse(std::string_view text) {
  constexpr std::string_view kPrefix = "parse trust snapshot: ";
  const Result<Json> document = Json::parse(text, Json::Limits{.gait = true});
  if (!document) return invalid(std::string(kPrefix) + document.error().detail, document.error().field);
  if (!document->is_object()) return invalid(std::string(kPrefix) + "it is no object", "");
  FirstError error{std::string(kPrefix)};
  GaitFields fields(*document, "TrustSnapshot", error);
  std::string schema_id, schema_version;
  UtcTime created_at;
  fields.text("schema_id", schema_id);
  fields.text("schema_version", schema_version);
  fields.time("created_at", created_at);
  TrustSnapshot out;
  const std::vector<const Json*> entries = fields.structures("entries");
  for (std::size_t i = 0; i < entries.size(); ++i) {
    TrustEntry entry = read_entry(GaitFields(*entries[i], fields, "entries", i));
    RETURN_IF_ERROR(error.status());
    const std::string key = entry.server.key();
    const std::string place = "entries[" + std::to_string(i) + "]";
    if (key.empty()) return invalid("trust snapshot " + place + " requires server_id or server_name", place);
    if (!out.entries_.emplace(key, std::move(entry)).second) {
      return invalid("trust snapshot " + place + ": " + key + " is listed twice", place);
    }
  }
  RETURN_IF_ERROR(error.status());
  RETURN_IF_ERROR(check_schema(schema_id, kSchemaId, "schema_id"));
  RETURN_IF_ERROR(check_schema(schema_version, kSchemaVersion, "schema_version"));
  return out;
}

const TrustEntry* TrustSnapshot::find(std::string_view key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : &found->second;
}

TrustFinding trust_in(const McpTrust& policy, const McpServer* server, std::string_view risk_class,
                      const GivenSnapshot& given, UtcTime now) {
  TrustFinding out;
  if (server != nullptr) out.server = *server;
  const Judged judged = judge(policy, out.server.key(), given, now);
  if (judged.entry != nullptr) out.server = judged.entry->server;
  for (const Doubt& doubt : judged.doubts) out.reason_codes.emplace_back(doubt.reason);
  if (judged.doubts.empty()) out.reason_codes.emplace_back("mcp_trust_verified");
  make_set(out.reason_codes);
  const Texts& demanding = policy.required_risk_classes;
  const bool required = std::ranges::find(demanding, lowered(trimmed(risk_class))) != demanding.end();
  out.enforced = required && !judged.doubts.empty();
  out.members = members_of(policy, out, judged, required);
  return out;
}

Decision with_trust(Decision decision, const McpTrust& policy, const TrustFinding& finding) {
  add_all(decision.reason_codes, finding.reason_codes);
  make_set(decision.reason_codes);
  decision.mcp_trust = finding.members;
  if (!finding.enforced) return decision;
  add_all(decision.violations, {"mcp_trust_policy"});
  make_set(decision.violations);
  if (decision.verdict == Verdict::DryRun || decision.verdict >= policy.action) return decision;
  decision.verdict = policy.action;
  // Of a block nothing is approved, and an approval demanded here alone is one.
  const bool asks = policy.action == Verdict::RequireApproval;
  decision.required_approvals = asks ? std::max<std::int64_t>(decision.required_approvals, 1) : 0;
  if (!asks) decision.distinct_approvers = false;
  return decision;
}

}  // namespace countersign::gate
