#include "packs/proof_records.h"

#include "common/bytes.h"
#include "common/digest.h"
#include "common/text.h"

namespace countersign::packs {
namespace {

constexpr std::string_view kTimestamp = "1980-01-01T00:00:00Z";
constexpr std::int64_t kPermissions = 0644;
constexpr std::size_t kIdDigits = 8;
constexpr std::string_view kSignaturePrefix = "base64:";

Error unproven(std::size_t line, const std::string& what) {
  return Error{ErrorCode::VerificationFailed,
               std::string(kProofRecordsName) + ": line " + std::to_string(line) + " " + what, "proof_record_mismatch"};
}

// What the id of a record covers.
Json record_head(const ZipFile& file, const PackNames& names) {
  Json event = Json::object({{"pack_type", names.pack_type},
                             {"source_ref", names.source_ref},
                             {"producer_version", names.producer_version},
                             {"entry_path", file.name},
                             {"entry_type", entry_type(file.name)},
                             {"entry_sha256", sha256(file.content).hex()},
                             {"entry_size_bytes", static_cast<std::int64_t>(file.content.size())},
                             {"entry_permissions", kPermissions}});
  return Json::object({{"timestamp", kTimestamp},
                       {"source", "gait.pack"},
                       {"source_product", "gait"},
                       {"agent_id", "gait"},
                       {"record_type", "tool_invocation"},
                       {"event", std::move(event)}});
}

// The record without signature. The hash covers the member previous_record_hash even where it is empty and not written.
Json record_of(const ZipFile& file, const PackNames& names, const std::string& previous) {
  Json record = record_head(file, names);
  const std::string id = record.digest().hex().substr(0, kIdDigits);
  record.set("record_id", "prf-" + std::string(kTimestamp) + "-" + id);
  record.set("record_version", "1.0");
  record.set("controls", Json::object({{"permissions_enforced", false}}));
  record.set("metadata", Json::object({{"artifact_kind", "gait.pack.entry"}}));
  record.set("integrity", Json::object({{"previous_record_hash", previous}}));
  Json integrity = Json::object({{"record_hash", "sha256:" + record.digest().hex()}});
  if (!previous.empty()) integrity.set("previous_record_hash", previous);
  record.set("integrity", std::move(integrity));
  return record;
}

std::string hash_of(const Json& record) {
  return std::string(record.find("integrity")->text("record_hash"));
}

std::vector<std::string_view> filled_lines(std::string_view text) {
  std::vector<std::string_view> out;
  for (const std::string_view whole : lines_of(text)) {
    if (const std::string_view line = trimmed(whole); !line.empty()) out.push_back(line);
  }
  return out;
}

// Empty where the record carries a signature of `key` over its hash.
std::string signature_fault(const Json& integrity, const std::string& hash, const keymgmt::PublicKey& key) {
  const std::string_view signature = integrity.text("signature");
  if (signature.empty()) return "missing signature";
  if (integrity.text("signing_key_id").empty()) return "missing signing_key_id";
  if (integrity.text("signing_key_id") != key.gait_key_id()) return "signature verification: key id mismatch";
  if (!signature.starts_with(kSignaturePrefix)) return "unsupported signature prefix";
  const Result<Bytes> bytes = from_base64(signature.substr(kSignaturePrefix.size()));
  if (!bytes || !key.verify(view_of(hash), *bytes)) return "signature verification failed";
  return "";
}

}  // namespace

std::string_view entry_type(std::string_view path) {
  for (const std::string_view type : {"json", "jsonl", "zip"}) {
    if (path.ends_with("." + std::string(type))) return type;
  }
  return "blob";
}

std::string proof_records(const std::vector<ZipFile>& files, const PackNames& names, const PackSigner* signer) {
  std::string out, previous;
  for (const ZipFile& file : files) {
    Json record = record_of(file, names, previous);
    previous = hash_of(record);
    if (signer != nullptr) {
      Json& integrity = *record.find("integrity");
      integrity.set("signing_key_id", signer->key_id);
      integrity.set("signature", std::string(kSignaturePrefix) + signer->text_signature(previous));
    }
    out += (out.empty() ? "" : "\n") + record.canonical();
  }
  return out;
}

Result<ProofCheck> check_proof_records(std::string_view text, const std::vector<ZipFile>& files, const PackNames& names,
                                       const keymgmt::PublicKey* key) {
  ProofCheck check;
  std::string previous;
  const std::vector<std::string_view> lines = filled_lines(text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    Result<Json> record = Json::parse(lines[i], {.gait = true});
    if (!record || !record->is_object()) return unproven(i + 1, "is no JSON object");
    if (i >= files.size()) return unproven(i + 1, "is of no file");
    Json* integrity = record->find("integrity");
    if (integrity == nullptr || !integrity->is_object()) return unproven(i + 1, "has no integrity");
    const Json signed_integrity = *integrity;
    integrity->erase("signing_key_id");
    integrity->erase("signature");
    const Json expected = record_of(files[i], names, previous);
    if (record->canonical() != expected.canonical()) return unproven(i + 1, "is not the record of " + files[i].name);
    previous = hash_of(expected);
    ++check.records;
    if (key == nullptr) continue;
    if (const std::string fault = signature_fault(signed_integrity, previous, *key); !fault.empty()) {
      check.signature_errors.push_back("proof_records line " + std::to_string(i + 1) + " " + fault);
    }
  }
  if (lines.size() < files.size()) return unproven(lines.size() + 1, "is missing: " + files[lines.size()].name);
  return check;
}

}  // namespace countersign::packs
