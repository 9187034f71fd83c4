#include "packs/call_pack.h"

#include <algorithm>

#include "common/text.h"
#include "gate/document/optional_members.h"
#include "packs/call_contract.h"
#include "packs/pack_manifest.h"
#include "signer/statement/envelope.h"
#include "signer/statement/statement.h"

namespace countersign::packs {
namespace {

// Empty where the envelope is a signature by `key` over the manifest.
std::string envelope_fault(const Json& envelope, const keymgmt::PublicKey& key, const Digest& digest) {
  if (envelope.text("signed_digest").empty()) return "missing signed_digest";
  if (envelope.text("signed_digest") != digest.hex()) return "signed_digest mismatch";
  if (envelope.text("key_id") != key.gait_key_id()) return "key id mismatch";
  const Status verified = statement::verify_envelope(envelope, key, digest);
  return verified ? "" : verified.error().detail;
}

}  // namespace

BuiltCallPack build_call_pack(const CallRecord& record, const Runpack& run, const std::string& runpack,
                              const PackSigner* signer) {
  const PackNames names{std::string(kCallType), record.call_id, COUNTERSIGN_VERSION};
  std::vector<ZipFile> files = call_files(record, run.run_id(), runpack);
  files.push_back({std::string(kProofRecordsName), proof_records(files, names, signer)});
  std::ranges::sort(files, {}, &ZipFile::name);
  Json manifest = pack_manifest(files, names);
  if (signer != nullptr) manifest.set("signatures", Json::Array{signer->envelope(manifest.digest())});
  files.push_back({std::string(statement::kPackManifestName), manifest.canonical()});
  std::ranges::sort(files, {}, &ZipFile::name);
  return {zip_archive(files), std::move(manifest)};
}

Result<CallPack> CallPack::parse(std::string_view archive) {
  CallPack out;
  ASSIGN_OR_RETURN(out.files_, read_zip(archive));
  ASSIGN_OR_RETURN(out.manifest_, read_pack_manifest(out.files_));
  if (out.manifest_.text("pack_type") != kCallType) {
    return Error{
        ErrorCode::VerificationFailed,
        "parse manifest: it is of a pack of type \"" + std::string(out.manifest_.text("pack_type")) + "\", not call",
        "bad_manifest"};
  }
  const std::string expected = pack_id_of(out.manifest_);
  if (lowered(out.pack_id()) != expected) {
    return Error{ErrorCode::VerificationFailed,
                 "pack_id mismatch: expected=" + expected + " actual=" + std::string(out.pack_id()),
                 "pack_id_mismatch"};
  }
  out.contents_ = check_contents(out.files_, *out.manifest_.find("contents"), statement::kPackManifestName);
  return out;
}

std::size_t CallPack::signatures() const {
  const Json* list = manifest_.find("signatures");
  return list == nullptr ? 0 : list->as_array().size();
}

std::optional<Json> CallPack::payload() const {
  const std::string* content = content_named(files_, "call_payload.json");
  if (content == nullptr) return std::nullopt;
  Result<Json> json = Json::parse(*content, {.gait = true});
  if (!json || !json->is_object()) return std::nullopt;
  return *std::move(json);
}

Result<CallPack::Check> CallPack::check(const keymgmt::PublicKey* key, bool require_signature) const {
  Check out;
  if (!contents_.passed()) {
    check_signatures(key, require_signature, out);
    return out;
  }
  const std::string* records = content_named(files_, kProofRecordsName);
  std::vector<std::string> faults;
  if (records != nullptr) {
    const PackNames names{std::string(manifest_.text("pack_type")), std::string(trimmed(source_ref())),
                          std::string(manifest_.text("producer_version"))};
    ASSIGN_OR_RETURN(ProofCheck proofs,
                     check_proof_records(*records, proven_files(files_), names, require_signature ? key : nullptr));
    out.proof_records = proofs.records;
    faults = std::move(proofs.signature_errors);
  }
  RETURN_IF_ERROR(check_call_files(files_, source_ref()));
  check_signatures(key, require_signature, out);
  if (!faults.empty()) {
    out.signature_status = "failed";
    out.signature_errors.insert(out.signature_errors.end(), faults.begin(), faults.end());
  }
  std::ranges::sort(out.signature_errors);
  return out;
}

void CallPack::check_signatures(const keymgmt::PublicKey* key, bool require_signature, Check& out) const {
  if (signatures() == 0) {
    out.signature_status = "missing";
    if (require_signature) out.signature_errors.emplace_back("manifest has no signatures");
    return;
  }
  if (key == nullptr) {
    out.signature_status = "skipped";
    out.signature_errors.emplace_back("public key not configured");
    return;
  }
  Json covered = manifest_;
  covered.erase("signatures");
  const Digest digest = covered.digest();
  for (const Json& envelope : manifest_.find("signatures")->as_array()) {
    std::string fault = envelope_fault(envelope, *key, digest);
    if (fault.empty()) {
      ++out.signatures_valid;
    } else {
      out.signature_errors.push_back(std::move(fault));
    }
  }
  out.signature_status = out.signatures_valid > 0 ? "verified" : "failed";
  if (out.signatures_valid == 0) out.signature_errors.emplace_back("signature verification failed");
}

Json pack_difference(const CallPack& left, const CallPack& right) {
  const auto digest_in = [](const CallPack& pack, std::string_view path) {
    for (const Json& row : pack.manifest().find("contents")->as_array()) {
      if (row.text("path") == path) return std::string(row.text("sha256"));
    }
    return std::string();
  };
  const auto paths_of = [](const CallPack& pack) {
    std::vector<std::string> out;
    for (const Json& row : pack.manifest().find("contents")->as_array()) out.emplace_back(row.text("path"));
    return text_set(out, false);
  };
  std::vector<std::string> added, removed, changed;
  for (const std::string& path : paths_of(right)) {
    if (digest_in(left, path).empty()) added.push_back(path);
  }
  for (const std::string& path : paths_of(left)) {
    const std::string other = digest_in(right, path);
    if (other.empty()) removed.push_back(path);
    if (!other.empty() && other != digest_in(left, path)) changed.push_back(path);
  }
  const bool other_manifest = left.manifest().digest() != right.manifest().digest();
  Json summary = Json::object({{"changed", other_manifest || !added.empty() || !removed.empty() || !changed.empty()}});
  gate::put(summary, "added_files", added);
  gate::put(summary, "removed_files", removed);
  gate::put(summary, "changed_files", changed);
  summary.set("manifest_delta", other_manifest);
  summary.set("context_drift_classification", "none");
  return Json::object({{"schema_id", "gait.pack.diff"},
                       {"schema_version", kPackVersion},
                       {"created_at", kPackCreatedAt},
                       {"left_pack_id", left.pack_id()},
                       {"right_pack_id", right.pack_id()},
                       {"left_pack_type", kCallType},
                       {"right_pack_type", kCallType},
                       {"summary", std::move(summary)}});
}

}  // namespace countersign::packs
