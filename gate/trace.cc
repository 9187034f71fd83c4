#include "gate/trace.h"

#include <algorithm>
#include <cmath>

#include "gate/relationship.h"

namespace countersign::gate {
namespace {

// gait's omitempty, in file order.
class Members {
 public:
  void always(std::string_view name, Json value) { json_.set(name, std::move(value)); }
  void text(std::string_view name, const std::string& value) {
    if (!value.empty()) json_.set(name, Json(value));
  }
  void texts(std::string_view name, const std::vector<std::string>& values) {
    if (!values.empty()) json_.set(name, Json::array(values));
  }
  void number(std::string_view name, std::int64_t value) {
    if (value != 0) json_.set(name, Json(value));
  }
  void member(std::string_view name, const std::optional<Json>& value) {
    if (value) json_.set(name, *value);
  }
  Json done() && { return std::move(json_); }

 private:
  Json json_{Json::Object{}};
};

std::vector<std::string> split_names(std::string_view joined) {
  std::vector<std::string> out;
  while (!joined.empty()) {
    const std::size_t comma = std::min(joined.find(','), joined.size());
    out.emplace_back(joined.substr(0, comma));
    joined.remove_prefix(std::min(comma + 1, joined.size()));
  }
  return out;
}

// gait names the matched rules of scripts only.
std::vector<std::string> matched_rule_ids(const TraceInputs& inputs) {
  return inputs.judged.intent.is_script() ? split_names(inputs.decision.matched_rule) : std::vector<std::string>();
}

Json delegation_ref(const Delegation& delegation) {
  Members out;
  // gait names the first claimed reference where no token was presented.
  if (!delegation.token_refs.empty()) out.text("delegation_token_ref", delegation.token_refs.front());
  out.text("requester_identity", delegation.requester_identity);
  out.number("delegation_depth", static_cast<std::int64_t>(delegation.chain.size()));
  out.text("scope_class", delegation.scope_class);
  out.always("chain_digest", Json(delegation.json().digest().hex()));
  return std::move(out).done();
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
  Members reference;
  reference.text("policy_id", inputs.policy.schema_id());
  reference.text("policy_version", inputs.policy.schema_version());
  reference.text("policy_digest", policy.id);
  reference.texts("matched_rule_ids", matched_rule_ids(inputs));
  out.policy_ref = std::move(reference).done();
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

void put_context(const IntentContext& context, Members& out) {
  out.text("agent_id", context.agent_id);
  if (context.agent_identity) out.always("agent_identity", context.agent_identity->json());
  out.text("run_id", context.run_id);
  out.text("workflow_id", context.workflow_id);
  out.text("repo", context.repo);
  out.text("environment", context.environment);
  out.text("credential_ref", context.credential_ref);
  out.text("credential_source", context.credential_source);
  out.text("credential_access_type", context.credential_access_type);
  out.text("credential_issuer", context.credential_issuer);
  out.text("credential_subject", context.credential_subject);
  out.text("credential_owner", context.credential_owner);
  out.text("credential_target_binding", context.credential_target_binding);
  out.text("credential_run_binding", context.credential_run_binding);
  out.text("credential_job_binding", context.credential_job_binding);
  out.number("credential_ttl_seconds", context.credential_ttl_seconds);
  out.text("approval_ref", context.approval_ref);
  out.text("wrkr_inventory_ref", context.wrkr_inventory_ref);
  out.text("agent_action_bom_ref", context.agent_action_bom_ref);
}

void put_script(const TraceInputs& inputs, Members& out) {
  const std::optional<Digest> hash = inputs.judged.intent.script_hash();
  if (!hash) return;
  out.always("script", Json(true));
  out.number("step_count", inputs.decision.step_count);
  out.always("script_hash", Json(hash->hex()));
  out.text("composite_risk_class", inputs.decision.composite_risk_class);
  if (!inputs.decision.step_verdicts.empty()) {
    out.always("step_verdicts", step_verdicts_json(inputs.decision.step_verdicts));
  }
}

Json gait_members(const TraceInputs& inputs) {
  const IntentFields& fields = inputs.judged.intent.fields();
  const ContextEvidence& context = inputs.judged.context;
  const Decision& decision = inputs.decision;
  Members out;
  out.always("created_at", Json(fields.created_at.rfc3339()));
  out.text("correlation_id", inputs.correlation_id);
  out.always("tool_name", Json(fields.tool_name));
  out.always("args_digest", Json(inputs.judged.intent.args_digest().hex()));
  out.always("intent_digest", Json(inputs.intent_digest.hex()));
  out.always("policy_digest", Json(inputs.policy_digest.hex()));
  put_context(fields.context, out);
  out.text("policy_id", inputs.policy.schema_id());
  out.text("policy_version", inputs.policy.schema_version());
  out.texts("matched_rule_ids", matched_rule_ids(inputs));
  out.always("verdict", Json(statement::name_of(decision.verdict)));
  out.text("context_set_digest", context.set_digest);
  out.text("context_evidence_mode", context.mode);
  out.number("context_ref_count", static_cast<std::int64_t>(context.refs.size()));
  out.text("context_source", context.source);
  put_script(inputs, out);
  out.texts("violations", decision.violations);
  if (std::isfinite(inputs.latency_ms) && inputs.latency_ms > 0) out.always("latency_ms", Json(inputs.latency_ms));
  out.text("approval_token_ref", inputs.approval_token_ref);
  if (fields.delegation) out.always("delegation_ref", delegation_ref(*fields.delegation));
  out.member("freeze_window", decision.freeze_window);
  out.member("sandbox", decision.sandbox);
  out.member("kill_switch", decision.kill_switch);
  out.always("relationship", relationship_of(inputs));
  if (fields.skill_provenance) out.always("skill_provenance", fields.skill_provenance->json());
  return std::move(out).done();
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

  Members out;
  out.always("created_at", Json(fields.created_at.rfc3339()));
  out.always("trace_id", Json(trace_id));
  out.always("tool_name", Json(fields.tool_name));
  out.always("intent_digest", Json(inputs.intent_digest.hex()));
  out.always("policy_digest", Json(inputs.policy_digest.hex()));
  out.always("required_approvals", Json(inputs.decision.required_approvals));
  out.always("valid_approvals", Json(judgement.valid));
  // gait says true where enough tokens came from too few people (gait-formats §19.19).
  out.always("approved", Json(judgement.approved));
  out.texts("approvers", approvers);
  out.always("relationship", relationship.json());
  // gait writes null where there is none, against its own schema.
  out.always("entries", Json(std::move(entries)));
  return std::move(out).done();
}

}  // namespace countersign::gate
