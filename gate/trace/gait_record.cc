#include "gate/trace/gait_record.h"

#include "common/joined.h"
#include "gate/document/optional_members.h"
#include "gate/evidence/delegation.h"
#include "signer/statement/say_token_fields.h"
#include "signer/statement/trace_fields.h"

namespace countersign::gate {
namespace {

Json led_by_schema(statement::StatementType type, const Json& fields) {
  Json out{Json::Object{}};
  out.set("schema_id", statement::row_of(type).schema_id);
  out.set("schema_version", statement::kSchemaVersion);
  out.set("created_at", Json(fields.text("created_at")));
  return out;
}

void append_rest(Json& out, const Json& fields) {
  for (const auto& [name, value] : fields.as_object()) {
    if (name != "created_at") out.set(name, value);
  }
}

}  // namespace

Json gait_trace(const TraceInputs& inputs, UtcTime now) {
  const Json fields = trace_fields(inputs).fields;
  const std::string id = statement::trace_id(inputs.policy_digest, inputs.intent_digest, inputs.decision.verdict);
  const std::string observed_at = now.rfc3339();
  Json out = led_by_schema(statement::StatementType::Trace, fields);
  out.set("observed_at", observed_at);
  out.set("producer_version", COUNTERSIGN_VERSION);
  out.set("trace_id", id);
  out.set("event_id", statement::short_id(id + ":" + observed_at));
  append_rest(out, fields);
  return out;
}

Json mark_simulated(Json& trace, const Decision& real) {
  Json facts = Json::object({{"simulated", true},
                             {"verdict", statement::name_of(real.verdict)},
                             {"reason_codes", Json::array(real.reason_codes)}});
  Json* ids = trace.find("relationship")->find("related_entity_ids");
  ids->as_array().emplace_back(std::string(statement::kCountersignPrefix) + facts.digest().hex());
  return facts;
}

Json gait_approval_token(const statement::ApprovalTokenFields& fields, UtcTime now) {
  const std::string expires_at = (now + fields.ttl).rfc3339();
  const std::string intent = fields.intent_digest.hex();
  const std::string policy = fields.policy_digest.hex();
  const std::string id =
      statement::short_id(intent + ":" + policy + ":" + fields.approver_identity + ":" + fields.reason_code + ":" +
                          joined(fields.scope, ",") + ":" + std::to_string(fields.max_targets) + ":" +
                          std::to_string(fields.max_ops) + ":" + expires_at);
  Json out = Json::object({{"schema_id", statement::row_of(statement::StatementType::ApprovalToken).schema_id},
                           {"schema_version", statement::kSchemaVersion},
                           {"created_at", now.rfc3339()},
                           {"producer_version", COUNTERSIGN_VERSION},
                           {"token_id", id},
                           {"approver_identity", fields.approver_identity},
                           {"reason_code", fields.reason_code},
                           {"intent_digest", intent},
                           {"policy_digest", policy}});
  if (fields.delegation_binding_digest) out.set("delegation_binding_digest", fields.delegation_binding_digest->hex());
  out.set("scope", Json::array(fields.scope));
  put(out, "max_targets", fields.max_targets);
  put(out, "max_ops", fields.max_ops);
  out.set("expires_at", expires_at);
  return out;
}

Json gait_delegation_token(const statement::DelegationTokenFields& fields, UtcTime now) {
  Json out = Json::object({{"schema_id", statement::row_of(statement::StatementType::DelegationToken).schema_id},
                           {"schema_version", statement::kSchemaVersion},
                           {"created_at", now.rfc3339()},
                           {"producer_version", COUNTERSIGN_VERSION},
                           {"token_id", Json()},
                           {"delegator_identity", fields.delegator_identity},
                           {"delegate_identity", fields.delegate_identity},
                           {"scope", Json::array(fields.scope)}});
  put(out, "scope_class", fields.scope_class);
  if (fields.intent_digest) out.set("intent_digest", fields.intent_digest->hex());
  if (fields.policy_digest) out.set("policy_digest", fields.policy_digest->hex());
  out.set("expires_at", (now + fields.ttl).rfc3339());
  out.set("token_id", delegation_token_id(out));
  return out;
}

Json gait_say_token(const statement::SayTokenFields& fields, UtcTime now) {
  const std::string expires_at = (now + fields.ttl).rfc3339();
  const std::string id =
      statement::short_id(fields.intent_digest.hex() + ":" + fields.policy_digest.hex() + ":" + fields.call_id + ":" +
                          std::to_string(fields.turn_index) + ":" + std::to_string(fields.call_seq) + ":" +
                          fields.commitment_class + ":" + expires_at);
  Json out = Json::object({{"schema_id", statement::row_of(statement::StatementType::SayToken).schema_id},
                           {"schema_version", statement::kSchemaVersion},
                           {"created_at", now.rfc3339()},
                           {"producer_version", COUNTERSIGN_VERSION},
                           {"token_id", id}});
  statement::put_spoken(fields, out);
  out.set("expires_at", expires_at);
  return out;
}

Json gait_record(statement::StatementType type, const Json& fields) {
  Json out = led_by_schema(type, fields);
  out.set("producer_version", COUNTERSIGN_VERSION);
  append_rest(out, fields);
  // gait writes null for an audit without tokens, against its own schema.
  if (Json* entries = out.find("entries");
      type == statement::StatementType::ApprovalAudit && entries != nullptr && entries->as_array().empty()) {
    *entries = Json();
  }
  return out;
}

}  // namespace countersign::gate
