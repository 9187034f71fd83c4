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
                               {"score", Decimal},
                               {"threshold", Decimal},
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

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

// Sorts the texts of a member, where it stands, and gives them.
std::vector<std::string> sorted_texts(JsonNode& object, std::string_view name) {
  JsonNode* list = object.find(name);
  if (list == nullptr) return {};
  std::vector<JsonNode*> elements;
  elements.reserve(list->count);
  for (JsonNode& element : list->children()) elements.push_back(&element);
  std::sort(elements.begin(), elements.end(), [](const JsonNode* a, const JsonNode* b) { return a->text < b->text; });
  list->clear();
  std::vector<std::string> out;
  out.reserve(elements.size());
  for (JsonNode* element : elements) {
    list->append(*element);
    out.emplace_back(element->text);
  }
  return out;
}

Result<DecisionFacts> read_facts(const JsonTree& tree, JsonNode& given) {
  RETURN_IF_ERROR(read(kFactsShape, tree, given, Reading::Strict, "countersign"));
  DecisionFacts facts;
  facts.requester = given.text_of("requester");
  facts.reason_codes = sorted_texts(given, "reason_codes");
  facts.matched_rule = given.text_of("matched_rule");
  facts.required_approvals = given.find("required_approvals")->integer;
  facts.distinct_approvers = given.find("distinct_approvers")->integer != 0;
  facts.required_scopes = sorted_texts(given, "required_scopes");
  facts.destructive = given.find("destructive")->integer != 0;
  facts.context_source = given.text_of("context_source");
  facts.approved_script = given.text_of("approved_script");
  if (facts.required_approvals < 0) return invalid("countersign.required_approvals: must not be negative");
  if (!facts.context_source.empty() && facts.context_source != "envelope" && facts.context_source != "claim") {
    return invalid("countersign.context_source: must be \"envelope\" or \"claim\"");
  }
  return facts;
}

// A caller's own id of that form would make two, and verifiers could not tell which one binds the facts.
Status has_no_countersign_id(const JsonNode& fields) {
  const JsonNode* relationship = fields.find("relationship");
  const JsonNode* ids = relationship == nullptr ? nullptr : relationship->find("related_entity_ids");
  if (ids == nullptr) return ok();
  for (const JsonNode& id : ids->children()) {
    if (id.text.starts_with(kCountersignPrefix)) {
      return invalid("relationship.related_entity_ids: an id that begins with countersign: is set by the signer");
    }
  }
  return ok();
}

// A relationship like `given`, or a new one, with one more related id. relationship.related_entity_ids stays sorted by
// bytes, as gait writes it.
JsonNode& with_related_id(const JsonTree& tree, const JsonNode* given, std::string_view id) {
  JsonNode& out = given == nullptr ? tree.make(JsonNode::Kind::Object) : tree.copy(*given);
  out.name = "relationship";
  JsonNode* behind = nullptr;  // the member that the ids stand behind
  JsonNode* ids = nullptr;
  for (JsonNode& member : out.children()) {
    if (member.name == "agent_lineage") break;
    if (member.name == "related_entity_ids") {
      ids = &tree.copy(member);
      break;
    }
    behind = &member;
  }
  if (ids == nullptr) {
    ids = &tree.make(JsonNode::Kind::Array);
    ids->name = "related_entity_ids";
  } else {
    out.take(ids->name);
  }
  out.insert_after(behind, *ids);
  JsonNode* before = nullptr;
  for (JsonNode* other = ids->first; other != nullptr && !(other->text > id); other = other->next) before = other;
  ids->insert_after(before, tree.make_text(id));
  return out;
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

Result<TraceReading> read_trace(const JsonTree& fields) {
  JsonNode& given = fields.root();
  JsonNode* facts = given.take("countersign");
  if (facts == nullptr) return invalid("countersign: is missing");
  TraceReading out{{}, facts};
  ASSIGN_OR_RETURN(out.claims.facts, read_facts(fields, *facts));
  RETURN_IF_ERROR(read(kTraceShape, fields, given, Reading::Strict, ""));
  ASSIGN_OR_RETURN(out.claims.intent_digest, Digest::parse(given.text_of("intent_digest")));
  ASSIGN_OR_RETURN(out.claims.policy_digest, Digest::parse(given.text_of("policy_digest")));
  const auto verdict = verdict_named(given.text_of("verdict"));
  if (!verdict) return invalid("verdict: must be allow, dry_run, require_approval or block");
  out.claims.verdict = *verdict;
  RETURN_IF_ERROR(has_no_countersign_id(given));
  return out;
}

void add_text(const JsonTree& tree, JsonNode& object, std::string_view name, std::string_view text) {
  JsonNode& member = tree.make_text(text);
  member.name = name;
  object.append(member);
}

JsonNode& begun_document(const JsonTree& fields, StatementType type, std::string_view observed_at) {
  JsonNode& out = fields.make(JsonNode::Kind::Object);
  const JsonNode& created_at = *fields.root().first;
  add_text(fields, out, "schema_id", row_of(type).schema_id);
  add_text(fields, out, "schema_version", kSchemaVersion);
  add_text(fields, out, created_at.name, created_at.text);
  add_text(fields, out, "observed_at", observed_at);
  add_text(fields, out, "producer_version", COUNTERSIGN_VERSION);
  return out;
}

StampedDocument stamped_trace(const JsonTree& fields, const TraceClaims& claims, const JsonNode& facts,
                              const Stamp& stamp) {
  JsonNode& countersign = fields.copy(facts);
  JsonNode& sequence = fields.make_number(stamp.sequence);
  sequence.name = "sequence";
  countersign.append(sequence);
  const std::string_view related = fields.keep(std::string(kCountersignPrefix) + countersign.digest().hex());

  const std::string_view observed_at = fields.keep(stamp.now.rfc3339());
  const std::string id = trace_id(claims.policy_digest, claims.intent_digest, claims.verdict);
  JsonNode& out = begun_document(fields, StatementType::Trace, observed_at);
  add_text(fields, out, "trace_id", fields.keep(id));
  add_text(fields, out, "event_id", fields.keep(short_id(id + ":" + std::string(observed_at))));
  bool related_added = false;
  const JsonNode& given = fields.copy(fields.root());
  for (JsonNode* member = given.first->next; member != nullptr;) {
    JsonNode& each = *std::exchange(member, member->next);
    // Without a relationship of the caller's, ours stands where gait writes it.
    if (each.name == "relationship" || (each.name == "skill_provenance" && !related_added)) {
      related_added = true;
      const bool own = each.name == "relationship";
      out.append(with_related_id(fields, own ? &each : nullptr, related));
      if (own) continue;
    }
    out.append(each);
  }
  if (!related_added) out.append(with_related_id(fields, nullptr, related));
  StampedDocument document{fields.at(out), out.digest()};
  out.append(countersign);
  return document;
}

}  // namespace countersign::statement
