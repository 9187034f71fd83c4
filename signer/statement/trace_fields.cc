#include "signer/statement/trace_fields.h"

#include <algorithm>

namespace countersign::statement {
namespace {

using enum Field::Kind;
using enum Field::Presence;

constexpr Field kSignature[] = {
    {"alg", Text, Written}, {"key_id", Text, Written}, {"sig", Text, Written}, {"signed_digest", Text}};
constexpr Structure kSignatureShape{kSignature};

constexpr Field kAgentIdentity[] = {{"lifecycle_states", Texts},
                                    {"owner", Text},
                                    {"manifest_digest", Text},
                                    {"publisher", Text},
                                    {"source", Text},
                                    {"issued_at", Time, Written},
                                    {"approved_at", Time, Written},
                                    {"expires_at", Time, Written},
                                    {"revoked", Flag}};
constexpr Structure kAgentIdentityShape{kAgentIdentity};

constexpr Field kStepVerdict[] = {{"index", Integer, Required}, {"tool_name", Text, Required},
                                  {"verdict", Text, Required},  {"reason_codes", Texts},
                                  {"violations", Texts},        {"matched_rule", Text}};
constexpr Structure kStepVerdictShape{kStepVerdict};

constexpr Field kDelegationRef[] = {{"delegation_token_ref", Text}, {"requester_identity", Text},
                                    {"delegation_depth", Integer},  {"scope_class", Text},
                                    {"chain_digest", HexDigest},    {"reason_codes", Texts}};
constexpr Structure kDelegationRefShape{kDelegationRef};

constexpr Field kFreezeWindow[] = {{"status", Text},
                                   {"effect", Text},
                                   {"timezone", Text},
                                   {"evaluated_at", Time, Written},
                                   {"window_name", Text},
                                   {"window_start", Time, Written},
                                   {"window_end", Time, Written},
                                   {"reason", Text},
                                   {"reason_code", Text}};
constexpr Structure kFreezeWindowShape{kFreezeWindow};

constexpr Field kSandbox[] = {{"status", Text},
                              {"network_mode", Text},
                              {"env_exposure_mode", Text},
                              {"timeout_seconds", Integer},
                              {"filesystem_isolation", Text},
                              {"user_mode", Text},
                              {"evidence_ref", Text},
                              {"evidence_digest", Text},
                              {"reason_codes", Texts}};
constexpr Structure kSandboxShape{kSandbox};

constexpr Field kKillSwitch[] = {{"status", Text},
                                 {"reason_code", Text},
                                 {"reason_codes", Texts},
                                 {"matched_entry_ids", Texts},
                                 {"evaluated_at", Time, Written}};
constexpr Structure kKillSwitchShape{kKillSwitch};

constexpr Field kMcpTrust[] = {{"server_id", Text},
                               {"server_name", Text},
                               {"publisher", Text},
                               {"source", Text},
                               {"status", Text},
                               {"decision_source", Text},
                               {"score", Number},
                               {"threshold", Number},
                               {"updated_at", Time, Written},
                               {"max_age_seconds", Integer},
                               {"required", Flag},
                               {"enforced", Flag},
                               {"registry_verified", Flag},
                               {"publisher_allowed", Flag},
                               {"reason_codes", Texts}};
constexpr Structure kMcpTrustShape{kMcpTrust};

constexpr Field kSkillProvenance[] = {
    {"skill_name", Text, Required}, {"skill_version", Text}, {"source", Text, Required},
    {"publisher", Text, Required},  {"digest", Text},        {"signature_key_id", Text}};
constexpr Structure kSkillProvenanceShape{kSkillProvenance};

constexpr Field kNode[] = {{"kind", Text, Required}, {"id", Text, Required}};
constexpr Structure kNodeShape{kNode};
constexpr Field kPolicyRef[] = {
    {"policy_id", Text}, {"policy_version", Text}, {"policy_digest", HexDigest}, {"matched_rule_ids", Texts}};
constexpr Structure kPolicyRefShape{kPolicyRef};
constexpr Field kAgentLink[] = {{"identity", Text, Required}, {"role", Text, Required}};
constexpr Structure kAgentLinkShape{kAgentLink};
constexpr Field kEdge[] = {
    {"kind", Text, Required}, {"from", Object, Required, &kNodeShape}, {"to", Object, Required, &kNodeShape}};
constexpr Structure kEdgeShape{kEdge};
constexpr Field kAgentLineage[] = {
    {"agent_id", Text, Required}, {"delegated_by", Text}, {"delegation_record_id", Text}};
constexpr Structure kAgentLineageShape{kAgentLineage};
constexpr Field kRelationship[] = {{"parent_ref", Object, Optional, &kNodeShape},
                                   {"entity_refs", Objects, Optional, &kNodeShape},
                                   {"policy_ref", Object, Optional, &kPolicyRefShape},
                                   {"agent_chain", Objects, Optional, &kAgentLinkShape},
                                   {"edges", Objects, Optional, &kEdgeShape},
                                   {"parent_record_id", Text},
                                   {"related_record_ids", Texts},
                                   {"related_entity_ids", Texts},
                                   {"agent_lineage", Objects, Optional, &kAgentLineageShape}};
constexpr Structure kRelationshipShape{kRelationship};

constexpr Field kTrace[] = {
    {"schema_id", Text, Stamped},
    {"schema_version", Text, Stamped},
    {"created_at", Time, Required},
    {"observed_at", Time, Stamped},
    {"producer_version", Text, Stamped},
    {"trace_id", Text, Stamped},
    {"event_id", Text, Sealed},
    {"correlation_id", Text},
    {"tool_name", Text, Required},
    {"args_digest", HexDigest, Required},
    {"intent_digest", HexDigest, Required},
    {"policy_digest", HexDigest, Required},
    {"agent_id", Text},
    {"agent_identity", Object, Optional, &kAgentIdentityShape},
    {"run_id", Text},
    {"workflow_id", Text},
    {"repo", Text},
    {"environment", Text},
    {"credential_ref", Text},
    {"credential_source", Text},
    {"credential_access_type", Text},
    {"credential_issuer", Text},
    {"credential_subject", Text},
    {"credential_owner", Text},
    {"credential_target_binding", Text},
    {"credential_run_binding", Text},
    {"credential_job_binding", Text},
    {"credential_ttl_seconds", Integer},
    {"broker_credential_ref", Text},
    {"broker_credential_source", Text},
    {"broker_credential_access_type", Text},
    {"broker_credential_issuer", Text},
    {"broker_request_digest", Text},
    {"broker_target_binding", Text},
    {"broker_run_binding", Text},
    {"broker_job_binding", Text},
    {"approval_ref", Text},
    {"wrkr_inventory_ref", Text},
    {"agent_action_bom_ref", Text},
    {"policy_id", Text},
    {"policy_version", Text},
    {"matched_rule_ids", Texts},
    {"verdict", Text, Required},
    {"context_set_digest", HexDigest},
    {"context_evidence_mode", Text},
    {"context_ref_count", Integer},
    {"context_source", Text},
    {"script", Flag},
    {"step_count", Integer},
    {"script_hash", HexDigest},
    {"composite_risk_class", Text},
    {"step_verdicts", Objects, Optional, &kStepVerdictShape},
    {"pre_approved", Flag},
    {"pattern_id", Text},
    {"registry_reason", Text},
    {"violations", Texts},
    {"latency_ms", Number},
    {"approval_token_ref", Text},
    {"delegation_ref", Object, Optional, &kDelegationRefShape},
    {"freeze_window", Object, Optional, &kFreezeWindowShape},
    {"sandbox", Object, Optional, &kSandboxShape},
    {"kill_switch", Object, Optional, &kKillSwitchShape},
    {"mcp_trust", Object, Optional, &kMcpTrustShape},
    {"relationship", Object, Optional, &kRelationshipShape},
    {"skill_provenance", Object, Optional, &kSkillProvenanceShape},
    {"signature", Object, Sealed, &kSignatureShape},
};
constexpr Structure kTraceShape{kTrace};

constexpr Field kFacts[] = {{"requester", Text, Required},
                            {"reason_codes", Texts, Required},
                            {"matched_rule", Text},
                            {"required_approvals", Integer, Required},
                            {"distinct_approvers", Flag, Required},
                            {"required_scopes", Texts, Required},
                            {"destructive", Flag, Required},
                            {"context_source", Text},
                            {"approved_script", Text}};
constexpr Structure kFactsShape{kFacts};

// What the holder adds to a trace: four members before created_at's neighbours, `countersign`, `signature`.
constexpr std::size_t kAddedMembers = 8;

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

std::vector<std::string> taken_texts(Json& object, std::string_view name) {
  std::vector<std::string> out;
  Json* list = object.find(name);
  if (list == nullptr || !list->is_array()) return out;
  out.reserve(list->as_array().size());
  for (Json& element : list->as_array()) out.push_back(std::move(element.as_string()));
  return out;
}

Result<DecisionFacts> read_facts(Json&& given) {
  ASSIGN_OR_RETURN(Json json, read(kFactsShape, std::move(given), Reading::Strict, "countersign"));
  DecisionFacts facts;
  facts.requester = json.text("requester");
  facts.reason_codes = taken_texts(json, "reason_codes");
  std::sort(facts.reason_codes.begin(), facts.reason_codes.end());
  facts.matched_rule = json.text("matched_rule");
  facts.required_approvals = json.find("required_approvals")->as_integer();
  facts.distinct_approvers = json.find("distinct_approvers")->as_bool();
  facts.required_scopes = taken_texts(json, "required_scopes");
  std::sort(facts.required_scopes.begin(), facts.required_scopes.end());
  facts.destructive = json.find("destructive")->as_bool();
  facts.context_source = json.text("context_source");
  facts.approved_script = json.text("approved_script");
  if (facts.required_approvals < 0) return invalid("countersign.required_approvals: must not be negative");
  if (!facts.context_source.empty() && facts.context_source != "envelope" && facts.context_source != "claim") {
    return invalid("countersign.context_source: must be \"envelope\" or \"claim\"");
  }
  return facts;
}

// A caller's own id of that form would make two, and verifiers could not tell which one binds the facts.
Status has_no_countersign_id(const Json& fields) {
  const Json* relationship = fields.find("relationship");
  const Json* ids = relationship == nullptr ? nullptr : relationship->find("related_entity_ids");
  if (ids == nullptr) return ok();
  for (const Json& id : ids->as_array()) {
    if (id.as_string().starts_with(kCountersignPrefix)) {
      return invalid("relationship.related_entity_ids: an id that begins with countersign: is set by the signer");
    }
  }
  return ok();
}

// relationship.related_entity_ids stays sorted by bytes, as gait writes it.
void add_related_id(Json& relationship, std::string id) {
  Json* ids = relationship.find("related_entity_ids");
  if (ids == nullptr) {
    // In file order only agent_lineage stands behind it.
    Json::Object& members = relationship.as_object();
    auto at = members.end();
    if (!members.empty() && members.back().first == "agent_lineage") --at;
    at = members.emplace(at, "related_entity_ids", Json(Json::Array{}));
    ids = &at->second;
  }
  Json::Array& list = ids->as_array();
  const auto at = std::find_if(list.begin(), list.end(), [&](const Json& other) { return other.as_string() > id; });
  list.insert(at, Json(std::move(id)));
}

}  // namespace

const Structure& trace_structure() {
  return kTraceShape;
}

const Structure& relationship_structure() {
  return kRelationshipShape;
}

const Structure& signature_structure() {
  return kSignatureShape;
}

Json to_json(const DecisionFacts& facts) {
  Json::Object out;
  out.reserve(10);
  out.emplace_back("requester", facts.requester);
  out.emplace_back("reason_codes", Json::array(facts.reason_codes));
  if (!facts.matched_rule.empty()) out.emplace_back("matched_rule", facts.matched_rule);
  out.emplace_back("required_approvals", facts.required_approvals);
  out.emplace_back("distinct_approvers", facts.distinct_approvers);
  out.emplace_back("required_scopes", Json::array(facts.required_scopes));
  out.emplace_back("destructive", facts.destructive);
  if (!facts.context_source.empty()) out.emplace_back("context_source", facts.context_source);
  if (!facts.approved_script.empty()) out.emplace_back("approved_script", facts.approved_script);
  return Json(std::move(out));
}

Result<TraceFields> read_trace_fields(Json&& fields) {
  Json* facts = fields.find("countersign");
  if (facts == nullptr) return invalid("countersign: is missing");
  TraceFields out;
  ASSIGN_OR_RETURN(out.facts, read_facts(std::move(*facts)));
  fields.erase("countersign");
  ASSIGN_OR_RETURN(out.fields, read(kTraceShape, std::move(fields), Reading::Strict, ""));
  ASSIGN_OR_RETURN(out.intent_digest, Digest::parse(out.fields.text("intent_digest")));
  ASSIGN_OR_RETURN(out.policy_digest, Digest::parse(out.fields.text("policy_digest")));
  const auto verdict = verdict_named(out.fields.text("verdict"));
  if (!verdict) return invalid("verdict: must be allow, dry_run, require_approval or block");
  out.verdict = *verdict;
  RETURN_IF_ERROR(has_no_countersign_id(out.fields));
  return out;
}

StampedDocument stamped(TraceFields&& trace, const Stamp& stamp) {
  Json facts = to_json(trace.facts);
  facts.set("sequence", stamp.sequence);
  std::string related(kCountersignPrefix);
  related += facts.digest().hex();

  Json::Object& given = trace.fields.as_object();
  const std::string id = trace_id(trace.policy_digest, trace.intent_digest, trace.verdict);
  const std::string observed_at = stamp.now.rfc3339();
  Json::Object out;
  out.reserve(given.size() + kAddedMembers);
  out.emplace_back("schema_id", row_of(StatementType::Trace).schema_id);
  out.emplace_back("schema_version", kSchemaVersion);
  out.push_back(std::move(given.front()));  // created_at
  out.emplace_back("observed_at", observed_at);
  out.emplace_back("producer_version", COUNTERSIGN_VERSION);
  out.emplace_back("trace_id", id);
  out.emplace_back("event_id", short_id(id + ":" + observed_at));
  bool related_added = false;
  for (auto member = given.begin() + 1; member != given.end(); ++member) {
    // Without a relationship of the caller's, ours stands where gait writes it.
    if (!related_added && (member->first == "relationship" || member->first == "skill_provenance")) {
      out.emplace_back("relationship",
                       member->first == "relationship" ? std::move(member->second) : Json(Json::Object{}));
      add_related_id(out.back().second, std::move(related));
      related_added = true;
      if (member->first == "relationship") continue;
    }
    out.push_back(std::move(*member));
  }
  if (!related_added) {
    out.emplace_back("relationship", Json(Json::Object{}));
    add_related_id(out.back().second, std::move(related));
  }
  Json document(std::move(out));
  const Digest digest = document.digest();
  document.as_object().emplace_back("countersign", std::move(facts));
  return {std::move(document), digest};
}

}  // namespace countersign::statement
