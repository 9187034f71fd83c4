#include "packs/call_record.h"

#include <algorithm>
#include <tuple>

#include "common/text.h"

namespace countersign::packs {
namespace {

using gate::DocumentPlace;
using gate::FirstError;
using gate::GaitFields;

constexpr std::string_view kSchemaId = "gait.voice.call_record";
constexpr std::string_view kVersion = "1.0.0";
constexpr std::string_view kUnknownProducer = "0.0.0-dev";
constexpr std::string_view kPrivacyModes[] = {"hash_only", "dispute_encrypted"};

Error wrong(std::string detail, std::string_view field) {
  return Error{ErrorCode::Invalid, std::move(detail)}.at(std::string(field));
}

// The rows of one list, read one after another.
template <typename Row>
std::vector<Row> rows_of(GaitFields& record, std::string_view name, Row (*read)(GaitFields&)) {
  std::vector<Row> out;
  for (const Json* element : record.structures(name)) {
    GaitFields fields(*element, record, name, out.size());
    out.push_back(read(fields));
  }
  return out;
}

template <typename Row>
Status normalise_rows(std::vector<Row>& rows, std::string_view call_id, std::string_view name) {
  const DocumentPlace record;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    RETURN_IF_ERROR(normalise(rows[i], call_id, DocumentPlace(record, name, i)));
  }
  return ok();
}

Result<std::vector<gate::Commitment>> commitments_of(GaitFields& record, const FirstError& error) {
  std::vector<gate::Commitment> out;
  for (const Json* element : record.structures("commitments")) {
    GaitFields fields(*element, record, "commitments", out.size());
    Result<gate::Commitment> commitment = gate::Commitment::of(fields, error, gate::UnknownMembers::Refused);
    RETURN_IF_ERROR(error.status());
    if (!commitment) {
      Error refused = std::move(commitment).error();
      refused.detail = "normalize commitment: " + refused.detail;
      refused.field = fields.place().of(refused.field);
      return refused;
    }
    out.push_back(*std::move(commitment));
  }
  return out;
}

struct Header {
  std::string schema_id;
  std::string schema_version;
};

Status normalise_header(Header& header, CallRecord& record) {
  if (trimmed(header.schema_id).empty()) header.schema_id = kSchemaId;
  if (header.schema_id != kSchemaId)
    return wrong("unsupported call record schema_id: " + header.schema_id, "schema_id");
  if (trimmed(header.schema_version).empty()) header.schema_version = kVersion;
  if (header.schema_version != kVersion) {
    return wrong("unsupported call record schema_version: " + header.schema_version, "schema_version");
  }
  if (record.created_at.is_zero()) return wrong("call record created_at is required", "created_at");
  record.producer_version = std::string(trimmed(record.producer_version));
  if (record.producer_version.empty()) record.producer_version = kUnknownProducer;
  record.call_id = std::string(trimmed(record.call_id));
  if (record.call_id.empty()) return wrong("call record call_id is required", "call_id");
  record.runpack_path = std::string(trimmed(record.runpack_path));
  if (record.runpack_path.empty()) return wrong("call record runpack_path is required", "runpack_path");
  record.privacy_mode = lowered(trimmed(record.privacy_mode));
  if (record.privacy_mode.empty()) record.privacy_mode = kPrivacyModes[0];
  if (!is_privacy_mode(record.privacy_mode)) {
    return wrong("call record privacy_mode must be hash_only or dispute_encrypted", "privacy_mode");
  }
  record.environment_fingerprint = std::string(trimmed(record.environment_fingerprint));
  return ok();
}

template <typename Row, typename Key>
void sort_by(std::vector<Row>& rows, Key key) {
  std::ranges::stable_sort(rows, {}, key);
}

}  // namespace

bool is_privacy_mode(std::string_view text) {
  return std::ranges::find(kPrivacyModes, text) != std::end(kPrivacyModes);
}

Result<CallRecord> CallRecord::parse(const Json& document) {
  FirstError error("parse call record: ");
  GaitFields fields(document, "voiceCallRecord", error);
  CallRecord out;
  Header header;
  fields.text("schema_id", header.schema_id);
  fields.text("schema_version", header.schema_version);
  fields.time("created_at", out.created_at);
  fields.text("producer_version", out.producer_version);
  fields.text("call_id", out.call_id);
  fields.text("runpack_path", out.runpack_path);
  fields.text("privacy_mode", out.privacy_mode);
  fields.text("environment_fingerprint", out.environment_fingerprint);
  CallParts& parts = out.parts;
  parts.events = rows_of(fields, "events", read_event);
  parts.decisions = rows_of(fields, "gate_decisions", read_decision);
  parts.receipts = rows_of(fields, "speak_receipts", read_receipt);
  parts.references = rows_of(fields, "reference_digests", read_reference);
  fields.structures("commitments");
  fields.refuse_unknown();
  RETURN_IF_ERROR(error.status());

  RETURN_IF_ERROR(normalise_header(header, out));
  RETURN_IF_ERROR(normalise_rows(parts.events, out.call_id, "events"));
  sort_by(parts.events, [](const CallEvent& each) { return std::tie(each.at.call_seq, each.event_type); });
  RETURN_IF_ERROR(check_events(parts.events));
  ASSIGN_OR_RETURN(parts.commitments, commitments_of(fields, error));
  for (const gate::Commitment& each : parts.commitments) {
    if (each.fields().call_id == out.call_id) continue;
    return wrong("commitment call_id does not match call record", "commitments");
  }
  sort_by(parts.commitments, [](const gate::Commitment& each) {
    return std::tie(each.fields().call_seq, each.fields().commitment_class);
  });
  const auto place = [](const auto& each) { return std::tie(each.at.call_seq, each.at.commitment_class); };
  RETURN_IF_ERROR(normalise_rows(parts.decisions, out.call_id, "gate_decisions"));
  sort_by(parts.decisions, place);
  RETURN_IF_ERROR(normalise_rows(parts.receipts, out.call_id, "speak_receipts"));
  sort_by(parts.receipts, place);
  RETURN_IF_ERROR(check_speech(parts));
  parts.references = normalised(std::move(parts.references));
  return out;
}

}  // namespace countersign::packs
