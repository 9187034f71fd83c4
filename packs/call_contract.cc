#include "packs/call_contract.h"

#include <algorithm>

#include "common/text.h"
#include "gate/document/optional_members.h"
#include "packs/content_check.h"
#include "packs/runpack.h"

namespace countersign::packs {
namespace {

using gate::FirstError;
using gate::GaitFields;

constexpr std::string_view kPayload = "call_payload.json";
constexpr std::string_view kManifest = "callpack_manifest.json";
constexpr std::string_view kEvents = "call_events.jsonl";
constexpr std::string_view kCommitments = "commitments.jsonl";
constexpr std::string_view kDecisions = "gate_decisions.jsonl";
constexpr std::string_view kReceipts = "speak_receipts.jsonl";
constexpr std::string_view kReferences = "reference_digests.json";
constexpr std::string_view kRunpack = "source/runpack.zip";
constexpr std::string_view kVersion = "1.0.0";

Error contradiction(std::string detail) {
  return Error{ErrorCode::VerificationFailed, std::move(detail), "pack_contradicts_itself"};
}

// A failure of reading becomes one of verification.
Error unverified(Error error) {
  error.code = ErrorCode::VerificationFailed;
  return error;
}

// The two files that count what the others hold.
struct SummaryKind {
  std::string_view file;
  std::string_view name;  // in gait's words
  std::string_view schema_id;
  bool has_producer;
  bool has_run;
};
constexpr SummaryKind kPayloadKind = {kPayload, "call payload", "gait.pack.call", false, true};
constexpr SummaryKind kManifestKind = {kManifest, "callpack manifest", "gait.voice.callpack_manifest", true, false};

struct Summary {
  std::string schema_id;
  std::string schema_version;
  UtcTime created_at;
  std::string producer_version;
  std::string call_id;
  std::string run_id;
  std::string privacy_mode;
  std::string environment_fingerprint;
  std::int64_t counts[5] = {};
};
struct Count {
  std::string_view member;
  std::string_view of;
};
constexpr Count kCounts[] = {{"event_count", "call_events"},
                             {"commitment_count", "commitments"},
                             {"decision_count", "gate_decisions"},
                             {"speak_receipt_count", "speak_receipts"},
                             {"reference_digest_count", "reference_digests"}};

Json summary_json(const SummaryKind& kind, const CallRecord& record, const std::string& run_id) {
  Json out = Json::object(
      {{"schema_id", kind.schema_id}, {"schema_version", kVersion}, {"created_at", record.created_at.rfc3339()}});
  if (kind.has_producer) out.set("producer_version", record.producer_version);
  out.set("call_id", record.call_id);
  if (kind.has_run) gate::put(out, "run_id", run_id);
  out.set("privacy_mode", record.privacy_mode);
  const CallParts& parts = record.parts;
  const std::size_t counts[] = {parts.events.size(), parts.commitments.size(), parts.decisions.size(),
                                parts.receipts.size(), parts.references.size()};
  for (std::size_t i = 0; i < std::size(kCounts); ++i) {
    out.set(kCounts[i].member, static_cast<std::int64_t>(counts[i]));
  }
  gate::put(out, "environment_fingerprint", record.environment_fingerprint);
  return out;
}

Status check_summary(const SummaryKind& kind, const Summary& summary) {
  const std::string name(kind.name);
  if (summary.schema_id != kind.schema_id) {
    return contradiction(name + " schema_id must be " + std::string(kind.schema_id));
  }
  if (summary.schema_version != kVersion) return contradiction(name + " schema_version must be 1.0.0");
  if (summary.created_at.is_zero()) return contradiction(name + " created_at is required");
  if (kind.has_producer && trimmed(summary.producer_version).empty()) {
    return contradiction(name + " producer_version is required");
  }
  if (trimmed(summary.call_id).empty()) return contradiction(name + " call_id is required");
  if (!is_privacy_mode(summary.privacy_mode)) {
    return contradiction(name + " privacy_mode must be hash_only or dispute_encrypted");
  }
  if (std::ranges::any_of(summary.counts, [](std::int64_t count) { return count < 0; })) {
    return contradiction(name + " counts must be >= 0");
  }
  return ok();
}

Result<const std::string*> file_named(const std::vector<ZipFile>& files, std::string_view name) {
  const std::string* content = content_named(files, name);
  if (content == nullptr) return contradiction("missing " + std::string(name));
  return content;
}

Result<Json> document(const std::vector<ZipFile>& files, std::string_view name) {
  ASSIGN_OR_RETURN(const std::string* content, file_named(files, name));
  Result<Json> json = Json::parse(*content, {.bytes = ZipLimits{}.content, .gait = true});
  if (!json) return contradiction("parse " + std::string(name) + ": " + json.error().detail);
  return json;
}

Result<Summary> read_summary(const std::vector<ZipFile>& files, const SummaryKind& kind) {
  ASSIGN_OR_RETURN(const Json json, document(files, kind.file));
  const std::string parse = "parse " + std::string(kind.file) + ": ";
  if (!json.is_object()) return contradiction(parse + "it is no JSON object");
  FirstError error(parse);
  GaitFields fields(json, kind.file, error);
  Summary out;
  fields.text("schema_id", out.schema_id);
  fields.text("schema_version", out.schema_version);
  fields.time("created_at", out.created_at);
  if (kind.has_producer) fields.text("producer_version", out.producer_version);
  fields.text("call_id", out.call_id);
  if (kind.has_run) fields.text("run_id", out.run_id);
  fields.text("privacy_mode", out.privacy_mode);
  for (std::size_t i = 0; i < std::size(kCounts); ++i) fields.integer(kCounts[i].member, out.counts[i], "int");
  fields.text("environment_fingerprint", out.environment_fingerprint);
  fields.refuse_unknown();
  if (const Status read = error.status(); !read) return unverified(read.error());
  RETURN_IF_ERROR(check_summary(kind, out));
  return out;
}

// `read` makes a row of one line; its errors begin with `context`.
template <typename Row, typename Read>
Result<std::vector<Row>> rows_of(const std::vector<ZipFile>& files, std::string_view name, const Read& read) {
  ASSIGN_OR_RETURN(const std::string* content, file_named(files, name));
  std::vector<Row> out;
  std::size_t line = 0;
  for (const std::string_view whole : lines_of(*content)) {
    const std::string_view text = trimmed(whole);
    ++line;
    if (text.empty()) continue;
    const std::string context = "parse " + std::string(name) + " line " + std::to_string(line) + ": ";
    const Result<Json> json = Json::parse(text, {.gait = true});
    if (!json) return contradiction(context + json.error().detail);
    if (!json->is_object()) return contradiction(context + "it is no JSON object");
    FirstError error(context);
    GaitFields fields(*json, name, error);
    Result<Row> row = read(fields, error);
    if (const Status status = error.status(); !status) return unverified(status.error());
    if (!row) return unverified(std::move(row).error());
    out.push_back(*std::move(row));
  }
  return out;
}

// Rows that are normalised on their own, in the call `call_id`.
template <typename Row>
Result<std::vector<Row>> normal_rows(const std::vector<ZipFile>& files, std::string_view name, std::string_view call_id,
                                     Row (*read)(GaitFields&)) {
  return rows_of<Row>(files, name, [&](GaitFields& fields, const FirstError& error) -> Result<Row> {
    Row row = read(fields);
    RETURN_IF_ERROR(error.status());
    RETURN_IF_ERROR(normalise(row, call_id, gate::DocumentPlace()));
    return row;
  });
}

Result<std::vector<CallReference>> references_of(const std::vector<ZipFile>& files) {
  ASSIGN_OR_RETURN(const Json json, document(files, kReferences));
  const std::string parse = "parse " + std::string(kReferences) + ": ";
  std::vector<CallReference> out;
  if (json.is_null()) return out;
  if (!json.is_array()) return contradiction(parse + "it is no list");
  FirstError error(parse);
  for (const Json& each : json.as_array()) {
    if (!each.is_object()) return contradiction(parse + "it lists what is no JSON object");
    GaitFields fields(each, kReferences, error);
    out.push_back(read_reference(fields));
  }
  if (const Status read = error.status(); !read) return unverified(read.error());
  return normalised(std::move(out));
}

Status check_counts(const Summary& payload, const CallParts& parts) {
  const std::size_t held[] = {parts.events.size(), parts.commitments.size(), parts.decisions.size(),
                              parts.receipts.size(), parts.references.size()};
  for (std::size_t i = 0; i < std::size(kCounts); ++i) {
    if (payload.counts[i] == static_cast<std::int64_t>(held[i])) continue;
    return contradiction("call payload " + std::string(kCounts[i].member) + " does not match " +
                         std::string(kCounts[i].of));
  }
  return ok();
}

Status check_agreement(const Summary& payload, const Summary& manifest) {
  const auto differs = [](std::string_view member) {
    return contradiction("callpack manifest " + std::string(member) + " does not match call payload");
  };
  if (!std::ranges::equal(payload.counts, manifest.counts)) {
    return contradiction("callpack manifest counts do not match call payload");
  }
  if (payload.privacy_mode != manifest.privacy_mode) return differs("privacy_mode");
  if (trimmed(payload.environment_fingerprint) != trimmed(manifest.environment_fingerprint)) {
    return differs("environment_fingerprint");
  }
  if (payload.created_at != manifest.created_at) return differs("created_at");
  return ok();
}

// gait looks at the run once, when the pack is made.
Status check_run(const std::vector<ZipFile>& files, std::string_view run_id) {
  ASSIGN_OR_RETURN(const std::string* archive, file_named(files, kRunpack));
  const Result<Runpack> run = Runpack::parse(*archive);
  if (!run) return unverified(run.error());
  if (!run->verified()) return contradiction("source runpack failed integrity checks");
  if (run->run_id() != run_id) return contradiction("call payload run_id does not match source runpack");
  return ok();
}

template <typename Row>
std::string lines(const std::vector<Row>& rows) {
  std::string out;
  for (const Row& row : rows) out += row.json().canonical() + "\n";
  return out;
}

}  // namespace

std::vector<ZipFile> call_files(const CallRecord& record, const std::string& run_id, const std::string& runpack) {
  Json references;  // null where there are none, as Go writes an empty list that nobody made
  if (!record.parts.references.empty()) {
    references = Json(Json::Array{});
    for (const CallReference& each : record.parts.references) references.as_array().push_back(each.json());
  }
  std::vector<ZipFile> files = {
      {std::string(kPayload), summary_json(kPayloadKind, record, run_id).canonical()},
      {std::string(kManifest), summary_json(kManifestKind, record, run_id).canonical()},
      {std::string(kEvents), lines(record.parts.events)},
      {std::string(kCommitments), lines(record.parts.commitments)},
      {std::string(kDecisions), lines(record.parts.decisions)},
      {std::string(kReceipts), lines(record.parts.receipts)},
      {std::string(kReferences), references.canonical()},
      {std::string(kRunpack), runpack},
  };
  std::ranges::sort(files, {}, &ZipFile::name);
  return files;
}

Status check_call_files(const std::vector<ZipFile>& files, std::string_view source_ref) {
  for (const std::string_view name :
       {kPayload, kManifest, kEvents, kCommitments, kDecisions, kReceipts, kReferences, kRunpack}) {
    RETURN_IF_ERROR(file_named(files, name));
  }
  ASSIGN_OR_RETURN(const Summary payload, read_summary(files, kPayloadKind));
  if (payload.call_id != trimmed(source_ref)) {
    return contradiction("call payload call_id does not match manifest source_ref");
  }
  ASSIGN_OR_RETURN(const Summary manifest, read_summary(files, kManifestKind));
  if (manifest.call_id != payload.call_id) {
    return contradiction("callpack manifest call_id does not match call payload");
  }
  CallParts parts;
  ASSIGN_OR_RETURN(parts.events, normal_rows<CallEvent>(files, kEvents, payload.call_id, read_event));
  if (const Status events = check_events(parts.events); !events) return unverified(events.error());
  ASSIGN_OR_RETURN(parts.commitments,
                   rows_of<gate::Commitment>(files, kCommitments, [](GaitFields& fields, const FirstError& error) {
                     return gate::Commitment::of(fields, error, gate::UnknownMembers::Refused);
                   }));
  ASSIGN_OR_RETURN(parts.decisions, normal_rows<CallDecision>(files, kDecisions, payload.call_id, read_decision));
  ASSIGN_OR_RETURN(parts.receipts, normal_rows<SpeakReceipt>(files, kReceipts, payload.call_id, read_receipt));
  ASSIGN_OR_RETURN(parts.references, references_of(files));
  for (const gate::Commitment& each : parts.commitments) {
    if (each.fields().call_id != payload.call_id) return contradiction("commitment call_id does not match payload");
  }
  if (const Status speech = check_speech(parts); !speech) return unverified(speech.error());
  RETURN_IF_ERROR(check_counts(payload, parts));
  RETURN_IF_ERROR(check_agreement(payload, manifest));
  return check_run(files, payload.run_id);
}

}  // namespace countersign::packs
