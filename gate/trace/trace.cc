#include "gate/trace/trace.h"

#include <algorithm>
#include <cmath>

#include "gate/document/optional_members.h"
#include "gate/trace/relationship.h"

namespace countersign::gate {
namespace {

// gait names the matched rules of scripts only.
std::vector<std::string> matched_rule_ids(const TraceInputs& inputs) {
  return inputs.judged.intent.is_script() ? inputs.decision.rule_names() : std::vector<std::string>();
}

Json delegation_ref(const Delegation& delegation, const DelegationJudgement* judgement) {
  Json out{Json::Object{}};
  // gait names the first claimed reference where no token was presented.
  std::string reference = delegation.token_refs.empty() ? std::string() : delegation.token_refs.front();
  if (judgement != nullptr && judgement->complete) reference = judgement->delegation_ref;
  put(out, "delegation_token_ref", reference);
  put(out, "requester_identity", delegation.requester_identity);
  put(out, "delegation_depth", static_cast<std::int64_t>(delegation.chain.size()));
  put(out, "scope_class", delegation.scope_class);
  out.set("chain_digest", Json(delegation.json().digest().hex()));
  if (judgement != nullptr) put(out, "reason_codes", judgement->reason_codes);
  return out;
}

void put_credential(const CredentialReceipt* receipt, Json& out) {
  if (receipt == nullptr) return;
  put(out, "broker_credential_ref", receipt->credential_ref);
  put(out, "broker_credential_source", receipt->source);
  put(out, "broker_credential_access_type", receipt->access_type);
  put(out, "broker_credential_issuer", receipt->issuer);
  put(out, "broker_request_digest", receipt->request_digest);
  put(out, "broker_target_binding", receipt->target_binding);
  put(out, "broker_run_binding", receipt->run_binding);
  put(out, "broker_job_binding", receipt->job_binding);
}

Json relationship_of(const TraceInputs& inputs) {
  const IntentFields& fields = inputs.judged.intent.fields();
  const Node agent{"agent", fields.context.identity};
  const Node tool{"tool", fields.tool_name};
  const Node policy{"policy", inputs.policy_digest.hex()};
  const Node trace{"trace", statement::trace_id(inputs.policy_digest, inputs.intent_digest, inputs.decision.verdict)};
  Relationship out;
  if (!fields.context.session_id.empty()) out.parent = {"session", fields.context.session_id};
  out.entities = {agent, tool, policy, trace};
  Json reference{Json::Object{}};
  put(reference, "policy_id", inputs.policy.schema_id());
  put(reference, "policy_version", inputs.policy.schema_version());
  put(reference, "policy_digest", policy.id);
  put(reference, "matched_rule_ids", matched_rule_ids(inputs));
  out.policy_ref = std::move(reference);
  out.edges = {{"calls", agent, tool}, {"governed_by", tool, policy}};
  out.agents.push_back(
      {"requester", fields.delegation ? fields.delegation->requester_identity : fields.context.identity});
  if (fields.delegation) {
    for (const DelegationLink& link : fields.delegation->chain) {
      out.agents.push_back({"delegator", link.delegator_identity});
      out.agents.push_back({"delegate", link.delegate_identity});
      out.edges.push_back({"delegates_to", {"agent", link.delegator_identity}, {"agent", link.delegate_identity}});
    }
  }
  return out.json();
}

void put_context(const IntentContext& context, const CredentialReceipt* brokered, Json& out) {
  put(out, "agent_id", context.agent_id);
  if (context.agent_identity) out.set("agent_identity", context.agent_identity->json());
  put(out, "run_id", context.run_id);
  put(out, "workflow_id", context.workflow_id);
  put(out, "repo", context.repo);
  put(out, "environment", context.environment);
  put(out, "credential_ref", context.credential_ref);
  put(out, "credential_source", context.credential_source);
  put(out, "credential_access_type", context.credential_access_type);
  put(out, "credential_issuer", context.credential_issuer);
  put(out, "credential_subject", context.credential_subject);
  put(out, "credential_owner", context.credential_owner);
  put(out, "credential_target_binding", context.credential_target_binding);
  put(out, "credential_run_binding", context.credential_run_binding);
  put(out, "credential_job_binding", context.credential_job_binding);
  put(out, "credential_ttl_seconds", context.credential_ttl_seconds);
  put_credential(brokered, out);
  put(out, "approval_ref", context.approval_ref);
  put(out, "wrkr_inventory_ref", context.wrkr_inventory_ref);
  put(out, "agent_action_bom_ref", context.agent_action_bom_ref);
}

void put_script(const TraceInputs& inputs, Json& out) {
  const std::optional<Digest> hash = inputs.judged.intent.script_hash();
  if (!hash) return;
  out.set("script", Json(true));
  put(out, "step_count", inputs.decision.step_count);
  out.set("script_hash", Json(hash->hex()));
  put(out, "composite_risk_class", inputs.decision.composite_risk_class);
  if (!inputs.decision.step_verdicts.empty()) {
    out.set("step_verdicts", step_verdicts_json(inputs.decision.step_verdicts));
  }
  put_flag(out, "pre_approved", inputs.decision.pre_approved);
  put(out, "pattern_id", inputs.decision.pattern_id);
}

Json gait_members(const TraceInputs& inputs) {
  const IntentFields& fields = inputs.judged.intent.fields();
  const ContextEvidence& context = inputs.judged.context;
  const Decision& decision = inputs.decision;
  Json out{Json::Object{}};
  out.set("created_at", Json(decision.decided_at.value_or(fields.created_at).rfc3339()));
  put(out, "correlation_id", inputs.correlation_id);
  out.set("tool_name", Json(fields.tool_name));
  out.set("args_digest", Json(inputs.judged.intent.args_digest().hex()));
  out.set("intent_digest", Json(inputs.intent_digest.hex()));
  out.set("policy_digest", Json(inputs.policy_digest.hex()));
  put_context(fields.context, inputs.credential, out);
  put(out, "policy_id", inputs.policy.schema_id());
  put(out, "policy_version", inputs.policy.schema_version());
  put(out, "matched_rule_ids", matched_rule_ids(inputs));
  out.set("verdict", Json(statement::name_of(decision.verdict)));
  put(out, "context_set_digest", context.set_digest);
  put(out, "context_evidence_mode", context.mode);
  put(out, "context_ref_count", static_cast<std::int64_t>(context.refs.size()));
  put(out, "context_source", context.sources());
  put_script(inputs, out);
  put(out, "registry_reason", decision.registry_reason);
  put(out, "violations", decision.violations);
  if (std::isfinite(inputs.latency_ms) && inputs.latency_ms > 0) out.set("latency_ms", Json(inputs.latency_ms));
  put(out, "approval_token_ref", inputs.approval_token_ref);
  if (fields.delegation) out.set("delegation_ref", delegation_ref(*fields.delegation, inputs.delegation));
  put_member(out, "freeze_window", decision.freeze_window);
  put_member(out, "sandbox", decision.sandbox);
  put_member(out, "kill_switch", decision.kill_switch);
  put_member(out, "mcp_trust", decision.mcp_trust);
  out.set("relationship", relationship_of(inputs));
  if (fields.skill_provenance) out.set("skill_provenance", fields.skill_provenance->json());
  return out;
}

statement::DecisionFacts facts_of(const TraceInputs& inputs) {
  const Decision& decision = inputs.decision;
  statement::DecisionFacts facts;
  facts.requester = inputs.judged.intent.context().identity;
  facts.reason_codes = decision.reason_codes;
  facts.matched_rule = decision.matched_rule;
  facts.required_approvals = decision.required_approvals;
  facts.distinct_approvers = decision.distinct_approvers;
  facts.required_scopes = decision.required_scopes;
  facts.destructive = decision.destructive;
  facts.approved_script = decision.pattern_id;
  facts.context_source = inputs.judged.context.source == "context_envelope" ? "envelope" : inputs.judged.context.source;
  return facts;
}

}  // namespace

statement::TraceFields trace_fields(const TraceInputs& inputs) {
  return {gait_members(inputs), facts_of(inputs), inputs.intent_digest, inputs.policy_digest, inputs.decision.verdict};
}

Json trace_statement(const statement::TraceFields& fields) {
  Json out = fields.fields;
  out.set("countersign", statement::to_json(fields.facts));
  return out;
}

Json approval_audit_fields(const TraceInputs& inputs, const std::string& trace_id, const ApprovalJudgement& judgement) {
  const IntentFields& fields = inputs.judged.intent.fields();
  const Node tool{"tool", fields.tool_name};
  const Node policy{"policy", inputs.policy_digest.hex()};
  const Node trace{"trace", trace_id};
  Relationship relationship;
  relationship.parent = trace;
  relationship.entities = {tool, policy, trace};
  relationship.policy_ref = Json::object({{"policy_digest", policy.id}});
  relationship.edges = {{"governed_by", tool, policy}};
  relationship.parent_record_id = trace_id;
  std::vector<std::string> approvers;
  Json::Array entries;
  for (const ApprovalEntry& entry : judgement.entries) {
    entries.push_back(entry.json());
    if (!entry.valid) continue;
    approvers.push_back(entry.approver_identity);
    relationship.entities.push_back({"agent", entry.approver_identity});
  }
  std::sort(approvers.begin(), approvers.end());
  approvers.erase(std::unique(approvers.begin(), approvers.end()), approvers.end());

  Json out{Json::Object{}};
  out.set("created_at", Json(fields.created_at.rfc3339()));
  out.set("trace_id", Json(trace_id));
  out.set("tool_name", Json(fields.tool_name));
  out.set("intent_digest", Json(inputs.intent_digest.hex()));
  out.set("policy_digest", Json(inputs.policy_digest.hex()));
  out.set("required_approvals", Json(inputs.decision.required_approvals));
  out.set("valid_approvals", Json(judgement.valid));
  // gait says true where enough tokens came from too few people (gait-formats §19.19).
  out.set("approved", Json(judgement.approved));
  put(out, "approvers", approvers);
  out.set("relationship", relationship.json());
  // gait writes null where there is none, against its own schema.
  out.set("entries", Json(std::move(entries)));
  return out;
}

Json delegation_audit_fields(const TraceInputs& inputs, const std::string& trace_id,
                             const DelegationJudgement& judgement) {
  const IntentFields& fields = inputs.judged.intent.fields();
  const Node tool{"tool", fields.tool_name};
  const Node policy{"policy", inputs.policy_digest.hex()};
  const Node trace{"trace", trace_id};
  Relationship relationship;
  relationship.parent = trace;
  relationship.entities = {tool, policy, trace};
  relationship.policy_ref = Json::object({{"policy_digest", policy.id}});
  relationship.edges = {{"governed_by", tool, policy}};
  relationship.parent_record_id = trace_id;
  Json::Array entries;
  for (const DelegationEntry& entry : judgement.entries) {
    entries.push_back(entry.json());
    const std::pair<std::string_view, const std::string&> agents[] = {{"delegator", entry.delegator_identity},
                                                                      {"delegate", entry.delegate_identity}};
    for (const auto& [role, identity] : agents) {
      if (identity.empty()) continue;
      relationship.entities.push_back({"agent", identity});
      relationship.agents.push_back({std::string(role), identity});
    }
    if (entry.delegator_identity.empty() || entry.delegate_identity.empty()) continue;
    relationship.edges.push_back(
        {"delegates_to", {"agent", entry.delegator_identity}, {"agent", entry.delegate_identity}});
  }

  Json out{Json::Object{}};
  out.set("created_at", Json(fields.created_at.rfc3339()));
  out.set("trace_id", Json(trace_id));
  out.set("tool_name", Json(fields.tool_name));
  out.set("intent_digest", Json(inputs.intent_digest.hex()));
  out.set("policy_digest", Json(inputs.policy_digest.hex()));
  out.set("delegation_required", Json(true));
  out.set("valid_delegations", Json(judgement.valid));
  // gait says true with one link of several (gait-formats §19.19).
  out.set("delegated", Json(judgement.complete));
  put(out, "delegation_ref", judgement.delegation_ref);
  out.set("relationship", relationship.json());
  out.set("entries", Json(std::move(entries)));
  return out;
}

}  // namespace countersign::gate
