#include "gate/context/context_envelope.h"

#include <algorithm>
#include <tuple>

#include "common/text.h"
#include "gate/document/gait_fields.h"

namespace countersign::gate {
namespace {

constexpr std::string_view kSchemaId = "gait.context.envelope";
constexpr std::string_view kSchemaVersion = "1.0.0";

struct Record {
  std::string ref_id;
  std::string source_type;
  std::string source_locator;
  std::string query_digest;
  std::string content_digest;
  UtcTime retrieved_at;
  std::string redaction_mode;
  std::string immutability;
  std::string sensitivity_label;
  std::int64_t freshness_sla_seconds = 0;
  Json retrieval_params;
};

Error refused(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

Record read_record(const Json& json, const GaitFields& owner, std::size_t index) {
  GaitFields fields(json, owner, "records", index);
  Record record;
  fields.text("ref_id", record.ref_id);
  fields.text("source_type", record.source_type);
  fields.text("source_locator", record.source_locator);
  fields.text("query_digest", record.query_digest);
  fields.text("content_digest", record.content_digest);
  fields.time("retrieved_at", record.retrieved_at);
  fields.text("redaction_mode", record.redaction_mode);
  fields.text("immutability", record.immutability);
  fields.text("sensitivity_label", record.sensitivity_label);
  fields.integer("freshness_sla_seconds", record.freshness_sla_seconds);
  fields.map("retrieval_params", record.retrieval_params);
  fields.refuse_unknown();
  return record;
}

Status check_record(Record& record, const DocumentPlace& place) {
  const auto refused = [&place](std::string_view member, std::string what) {
    return Error{ErrorCode::Invalid, "context record " + std::move(what)}.at(place.of(member));
  };
  for (std::string* text : {&record.ref_id, &record.source_locator, &record.sensitivity_label}) {
    *text = std::string(trimmed(*text));
  }
  for (std::string* text : {&record.source_type, &record.query_digest, &record.content_digest, &record.redaction_mode,
                            &record.immutability}) {
    *text = lowered(trimmed(*text));
  }
  if (record.ref_id.empty()) return refused("ref_id", "ref_id is required");
  if (record.source_type.empty()) return refused("source_type", "source_type is required");
  if (record.source_locator.empty()) return refused("source_locator", "source_locator is required");
  if (!is_digest_text(record.query_digest)) return refused("query_digest", "query_digest must be sha256 hex");
  if (!is_digest_text(record.content_digest)) return refused("content_digest", "content_digest must be sha256 hex");
  if (record.retrieved_at.is_zero()) return refused("retrieved_at", "retrieved_at is required");
  if (record.redaction_mode.empty()) return refused("redaction_mode", "redaction_mode is required");
  if (record.immutability.empty()) record.immutability = "unknown";
  if (record.immutability != "unknown" && record.immutability != "mutable" && record.immutability != "immutable") {
    return Error{ErrorCode::Invalid, "unsupported context record immutability: " + record.immutability}.at(
        place.of("immutability"));
  }
  if (record.freshness_sla_seconds < 0) {
    return refused("freshness_sla_seconds", "freshness_sla_seconds must be >= 0");
  }
  return ok();
}

Json json_of(const Record& record) {
  Json out = Json::object({{"ref_id", record.ref_id},
                           {"source_type", record.source_type},
                           {"source_locator", record.source_locator},
                           {"query_digest", record.query_digest},
                           {"content_digest", record.content_digest},
                           {"retrieved_at", record.retrieved_at.rfc3339()},
                           {"redaction_mode", record.redaction_mode},
                           {"immutability", record.immutability}});
  if (!record.sensitivity_label.empty()) out.set("sensitivity_label", Json(record.sensitivity_label));
  if (record.freshness_sla_seconds != 0) out.set("freshness_sla_seconds", Json(record.freshness_sla_seconds));
  if (record.retrieval_params.is_object() && !record.retrieval_params.as_object().empty()) {
    out.set("retrieval_params", record.retrieval_params);
  }
  return out;
}

}  // namespace

Result<ContextEnvelope> ContextEnvelope::parse(std::string_view text) {
  Result<Json> document = Json::parse(text, Json::Limits{.gait = true});
  if (!document) {
    return Error{document.error().code, "parse context envelope: " + document.error().detail}.at(
        document.error().field);
  }
  return parse(*document);
}

Result<ContextEnvelope> ContextEnvelope::parse(const Json& document) {
  if (!document.is_object()) return refused("parse context envelope: not an object");
  FirstError error("parse context envelope: ");
  GaitFields fields(document, "Envelope", error);
  ContextEnvelope envelope;
  std::string schema_id;
  std::string schema_version;
  std::string producer;
  UtcTime created_at;
  fields.text("schema_id", schema_id);
  fields.text("schema_version", schema_version);
  fields.time("created_at", created_at);
  fields.text("producer_version", producer);
  fields.text("context_set_id", envelope.set_id_);
  fields.text("context_set_digest", envelope.set_digest_);
  fields.text("evidence_mode", envelope.mode_);
  std::vector<Record> records;
  for (const Json* element : fields.structures("records")) {
    records.push_back(read_record(*element, fields, records.size()));
  }
  fields.refuse_unknown();
  RETURN_IF_ERROR(error.status());

  if (schema_id != kSchemaId) return refused("unsupported context envelope schema_id: " + schema_id).at("schema_id");
  if (schema_version != kSchemaVersion) {
    return refused("unsupported context envelope schema_version: " + schema_version).at("schema_version");
  }
  envelope.set_id_ = std::string(trimmed(envelope.set_id_));
  if (envelope.set_id_.empty()) return refused("context_set_id is required").at("context_set_id");
  envelope.mode_ = lowered(trimmed(envelope.mode_));
  if (envelope.mode_.empty()) envelope.mode_ = "best_effort";
  if (envelope.mode_ != "best_effort" && envelope.mode_ != "required") {
    return refused("unsupported context evidence_mode: " + envelope.mode_).at("evidence_mode");
  }
  for (std::size_t i = 0; i < records.size(); ++i) {
    RETURN_IF_ERROR(check_record(records[i], DocumentPlace(fields.place(), "records", i)));
  }
  std::sort(records.begin(), records.end(), [](const Record& a, const Record& b) {
    return std::tie(a.ref_id, a.source_type, a.source_locator, a.content_digest) <
           std::tie(b.ref_id, b.source_type, b.source_locator, b.content_digest);
  });
  Json::Array array;
  for (const Record& record : records) {
    array.push_back(json_of(record));
    envelope.refs_.push_back(record.ref_id);
  }
  envelope.refs_ = text_set(envelope.refs_, false);
  const std::string digest = Json(std::move(array)).digest().hex();
  const std::string given = lowered(trimmed(envelope.set_digest_));
  if (!given.empty() && given != digest) return refused("context_set_digest mismatch").at("context_set_digest");
  envelope.set_digest_ = digest;
  envelope.oldest_ = created_at;
  if (!records.empty()) {
    envelope.oldest_ = std::min_element(records.begin(), records.end(), [](const Record& a, const Record& b) {
                         return a.retrieved_at < b.retrieved_at;
                       })->retrieved_at;
  }
  return envelope;
}

std::int64_t ContextEnvelope::age_seconds(UtcTime now) const {
  if (now <= oldest_) return 0;
  const bool partial = now.nanoseconds() < oldest_.nanoseconds();
  return now.unix_seconds() - oldest_.unix_seconds() - (partial ? 1 : 0);
}

}  // namespace countersign::gate
