#include "gate/voice/commitment.h"

#include "common/text.h"
#include "gate/document/optional_members.h"

namespace countersign::gate {
namespace {

constexpr std::string_view kSchemaId = "gait.voice.commitment_intent";
constexpr std::string_view kVersion = "1.0.0";
constexpr std::string_view kUnknownProducer = "0.0.0-dev";

Error wrong(std::string detail, std::string_view field) {
  return Error{ErrorCode::Invalid, std::move(detail)}.at(std::string(field));
}

CommitmentContext context_of(const Json& json, const GaitFields& owner, UnknownMembers unknown) {
  GaitFields fields(json, owner, "context");
  CommitmentContext context;
  fields.text("identity", context.identity);
  fields.text("workspace", context.workspace);
  fields.text("risk_class", context.risk_class);
  fields.text("session_id", context.session_id);
  fields.text("request_id", context.request_id);
  fields.text("environment_fingerprint", context.environment_fingerprint);
  if (unknown == UnknownMembers::Refused) fields.refuse_unknown();
  return context;
}

CommitmentFields read_fields(GaitFields& fields, UnknownMembers unknown) {
  CommitmentFields out;
  fields.text("schema_id", out.schema_id);
  fields.text("schema_version", out.schema_version);
  fields.time("created_at", out.created_at);
  fields.text("producer_version", out.producer_version);
  fields.text("call_id", out.call_id);
  fields.integer("turn_index", out.turn_index, "int");
  fields.integer("call_seq", out.call_seq, "int");
  fields.text("commitment_class", out.commitment_class);
  fields.text("utterance_digest", out.utterance_digest);
  if (const Json* context = fields.structure("context")) out.context = context_of(*context, fields, unknown);
  fields.text("currency", out.currency);
  fields.integer("quote_min_cents", out.bounds.quote_min_cents);
  fields.integer("quote_max_cents", out.bounds.quote_max_cents);
  fields.integer("refund_ceiling_cents", out.bounds.refund_ceiling_cents);
  fields.boolean("approval_required", out.approval_required);
  fields.texts("approval_artifact_refs", out.approval_artifact_refs);
  fields.texts("evidence_reference_digests", out.evidence_reference_digests);
  if (unknown == UnknownMembers::Refused) fields.refuse_unknown();
  return out;
}

void trim(std::string& text) {
  text = std::string(trimmed(text));
}

Status normalise_header(CommitmentFields& fields) {
  if (trimmed(fields.schema_id).empty()) fields.schema_id = kSchemaId;
  if (fields.schema_id != kSchemaId) return wrong("unsupported schema_id: " + fields.schema_id, "schema_id");
  if (trimmed(fields.schema_version).empty()) fields.schema_version = kVersion;
  if (fields.schema_version != kVersion) {
    return wrong("unsupported schema_version: " + fields.schema_version, "schema_version");
  }
  if (fields.created_at.is_zero()) return wrong("created_at is required", "created_at");
  trim(fields.producer_version);
  if (fields.producer_version.empty()) fields.producer_version = kUnknownProducer;
  return ok();
}

Status normalise_place(CommitmentFields& fields) {
  trim(fields.call_id);
  if (fields.call_id.empty()) return wrong("call_id is required", "call_id");
  if (fields.turn_index < 0) return wrong("turn_index must be >= 0", "turn_index");
  if (fields.call_seq <= 0) return wrong("call_seq must be >= 1", "call_seq");
  fields.commitment_class = lowered(trimmed(fields.commitment_class));
  if (!statement::is_commitment_class(fields.commitment_class)) {
    return wrong("unsupported commitment_class: " + fields.commitment_class, "commitment_class");
  }
  fields.utterance_digest = lowered(trimmed(fields.utterance_digest));
  if (!fields.utterance_digest.empty() && !is_digest_text(fields.utterance_digest)) {
    return wrong("utterance_digest must be sha256 hex when set", "utterance_digest");
  }
  return ok();
}

Status normalise_context(CommitmentContext& context) {
  trim(context.identity);
  trim(context.workspace);
  context.risk_class = lowered(trimmed(context.risk_class));
  trim(context.session_id);
  trim(context.request_id);
  trim(context.environment_fingerprint);
  const std::pair<std::string_view, const std::string&> required[] = {{"context.identity", context.identity},
                                                                      {"context.workspace", context.workspace},
                                                                      {"context.risk_class", context.risk_class}};
  for (const auto& [path, text] : required) {
    if (text.empty()) return wrong("context identity, workspace, and risk_class are required", path);
  }
  return ok();
}

// What is no digest is not kept.
std::vector<std::string> digests_of(const std::vector<std::string>& texts) {
  std::vector<std::string> out = text_set(texts, true);
  std::erase_if(out, [](const std::string& text) { return !is_digest_text(text); });
  return out;
}

// Which bound is to blame where check_bounds refuses them.
std::string wrong_bound(const statement::SpokenBounds& bounds) {
  if (bounds.quote_min_cents < 0) return "quote_min_cents";
  return bounds.refund_ceiling_cents < 0 && bounds.quote_max_cents >= 0 ? "refund_ceiling_cents" : "quote_max_cents";
}

Status normalise(CommitmentFields& fields) {
  RETURN_IF_ERROR(normalise_header(fields));
  RETURN_IF_ERROR(normalise_place(fields));
  RETURN_IF_ERROR(normalise_context(fields.context));
  fields.currency = uppered(trimmed(fields.currency));
  if (const Status bounds = statement::check_bounds(fields.bounds); !bounds) {
    return Error(bounds.error()).at(wrong_bound(fields.bounds));
  }
  fields.approval_artifact_refs = text_set(fields.approval_artifact_refs, false);
  fields.evidence_reference_digests = digests_of(fields.evidence_reference_digests);
  return ok();
}

void put_bounds(Json& out, const CommitmentFields& fields) {
  put(out, "currency", fields.currency);
  put(out, "quote_min_cents", fields.bounds.quote_min_cents);
  put(out, "quote_max_cents", fields.bounds.quote_max_cents);
  put(out, "refund_ceiling_cents", fields.bounds.refund_ceiling_cents);
  put_flag(out, "approval_required", fields.approval_required);
  put(out, "approval_artifact_refs", fields.approval_artifact_refs);
  put(out, "evidence_reference_digests", fields.evidence_reference_digests);
}

Json context_json(const CommitmentContext& context) {
  Json out = Json::object(
      {{"identity", context.identity}, {"workspace", context.workspace}, {"risk_class", context.risk_class}});
  put(out, "session_id", context.session_id);
  put(out, "request_id", context.request_id);
  put(out, "environment_fingerprint", context.environment_fingerprint);
  return out;
}

}  // namespace

Result<Commitment> Commitment::parse(const Json& document) {
  FirstError error("parse voice intent json: ");
  GaitFields fields(document, "CommitmentIntent", error);
  return of(fields, error, UnknownMembers::Ignored);
}

Result<Commitment> Commitment::of(GaitFields& fields, const FirstError& error, UnknownMembers unknown) {
  CommitmentFields read = read_fields(fields, unknown);
  RETURN_IF_ERROR(error.status());
  RETURN_IF_ERROR(normalise(read));
  return Commitment(std::move(read));
}

Json Commitment::json() const {
  Json out = Json::object({{"schema_id", fields_.schema_id},
                           {"schema_version", fields_.schema_version},
                           {"created_at", fields_.created_at.rfc3339()},
                           {"producer_version", fields_.producer_version},
                           {"call_id", fields_.call_id},
                           {"turn_index", fields_.turn_index},
                           {"call_seq", fields_.call_seq},
                           {"commitment_class", fields_.commitment_class}});
  put(out, "utterance_digest", fields_.utterance_digest);
  out.set("context", context_json(fields_.context));
  put_bounds(out, fields_);
  return out;
}

Json Commitment::intent_document() const {
  Json args = Json::object({{"call_id", fields_.call_id},
                            {"turn_index", fields_.turn_index},
                            {"call_seq", fields_.call_seq},
                            {"commitment_class", fields_.commitment_class}});
  put(args, "utterance_digest", fields_.utterance_digest);
  put_bounds(args, fields_);
  Json target = Json::object(
      {{"kind", "other"}, {"value", fields_.commitment_class}, {"operation", "speak"}, {"endpoint_class", "ui.type"}});
  return Json::object({{"schema_id", "gait.gate.intent_request"},
                       {"schema_version", kVersion},
                       {"created_at", fields_.created_at.rfc3339()},
                       {"producer_version", fields_.producer_version},
                       {"tool_name", "voice.commitment." + fields_.commitment_class},
                       {"args", std::move(args)},
                       {"targets", Json::Array{std::move(target)}},
                       {"context", context_json(fields_.context)}});
}

statement::SayTokenFields Commitment::say_token(const Digest& intent, const Digest& policy,
                                                std::chrono::nanoseconds ttl) const {
  return {fields_.commitment_class,
          intent,
          policy,
          fields_.call_id,
          fields_.turn_index,
          fields_.call_seq,
          fields_.currency,
          fields_.bounds.quote_min_cents,
          fields_.bounds.quote_max_cents,
          fields_.bounds.refund_ceiling_cents,
          ttl};
}

}  // namespace countersign::gate
