#include "packs/run_pack.h"

#include <algorithm>

#include "packs/pack_manifest.h"
#include "signer/statement/envelope.h"
#include "signer/statement/statement.h"

namespace countersign::packs {
namespace {

using statement::kPackManifestName;

constexpr std::string_view kRunType = "run";
constexpr std::string_view kRunPayloadName = "run_payload.json";
constexpr std::string_view kSourceRunpackName = "source/runpack.zip";

Json payload_of(const Runpack& run) {
  return Json::object({{"schema_id", "gait.pack.run"},
                       {"schema_version", kPackVersion},
                       {"created_at", run.created_at().rfc3339()},
                       {"run_id", run.run_id()},
                       {"capture_mode", run.capture_mode()},
                       {"manifest_digest", run.manifest_digest()},
                       {"intents_count", run.intents()},
                       {"results_count", run.results()},
                       {"refs_count", static_cast<std::int64_t>(run.receipts().size())}});
}

}  // namespace

Result<RunPackDraft> draft_run_pack(std::string_view runpack, const PackSigner& signer) {
  ASSIGN_OR_RETURN(const Runpack run, Runpack::parse(runpack));
  if (!run.verified()) return Error{ErrorCode::VerificationFailed, "the runpack is not what its manifest says"};
  RunPackDraft draft{run.run_id(),
                     {{std::string(kRunPayloadName), payload_of(run).canonical()},
                      {std::string(kSourceRunpackName), std::string(runpack)}}};
  std::string records = proof_records(draft.files, {std::string(kRunType), run.run_id(), COUNTERSIGN_VERSION}, &signer);
  draft.files.push_back({std::string(kProofRecordsName), std::move(records)});
  std::ranges::sort(draft.files, {}, &ZipFile::name);
  return draft;
}

Json gait_manifest(const RunPackDraft& draft) {
  return pack_manifest(draft.files, {std::string(kRunType), draft.run_id, COUNTERSIGN_VERSION});
}

std::string sealed_pack(RunPackDraft draft, const Json& manifest) {
  draft.files.push_back({std::string(kPackManifestName), manifest.canonical()});
  std::ranges::sort(draft.files, {}, &ZipFile::name);
  return zip_archive(draft.files);
}

Result<RunPack> RunPack::parse(std::string_view archive) {
  RunPack out;
  ASSIGN_OR_RETURN(out.files_, read_zip(archive));
  ASSIGN_OR_RETURN(out.manifest_, read_pack_manifest(out.files_));
  const Json* signatures = out.manifest_.find("signatures");
  out.signatures_ = signatures != nullptr && signatures->is_array() ? signatures->as_array().size() : 0;
  out.contents_ = check_contents(out.files_, *out.manifest_.find("contents"), kPackManifestName);
  out.pack_id_is_right_ = out.pack_id() == pack_id_of(out.manifest_);
  if (out.contents_.passed()) {
    out.check_run();
    const Result<ProofCheck> records = out.check_records(nullptr);
    if (records) {
      out.records_ = records->records;
    } else {
      out.faults_.push_back(records.error().detail);
    }
  }
  return out;
}

void RunPack::check_run() {
  const std::string* payload = content_named(files_, kRunPayloadName);
  const std::string* source = content_named(files_, kSourceRunpackName);
  if (manifest_.text("pack_type") != kRunType || payload == nullptr || source == nullptr) {
    faults_.emplace_back("it is no pack of a run");
    return;
  }
  const Result<Runpack> run = Runpack::parse(*source);
  if (!run || !run->verified()) {
    faults_.push_back(std::string(kSourceRunpackName) + " is not what it says");
    return;
  }
  if (run->run_id() != run_id()) faults_.push_back(std::string(kSourceRunpackName) + " is of another run");
  const Result<Json> said = Json::parse(*payload, {.gait = true});
  const Json expected = payload_of(*run);
  for (const auto& [name, value] : expected.as_object()) {
    const Json* member = said ? said->find(name) : nullptr;
    if (member == nullptr || *member != value) {
      faults_.push_back(std::string(kRunPayloadName) + " says otherwise than the runpack: " + name);
    }
  }
}

Result<ProofCheck> RunPack::check_records(const keymgmt::PublicKey* key) const {
  const std::string* text = content_named(files_, kProofRecordsName);
  if (text == nullptr) return ProofCheck{};
  return check_proof_records(*text, proven_files(files_),
                             {std::string(manifest_.text("pack_type")), std::string(run_id()),
                              std::string(manifest_.text("producer_version"))},
                             key);
}

std::vector<std::string> RunPack::unsigned_by(const keymgmt::PublicKey& key) const {
  Json known = manifest_;
  known.erase("signatures");
  const Digest digest = known.digest();
  bool found = false;
  if (signatures_ > 0) {
    for (const Json& envelope : manifest_.find("signatures")->as_array()) {
      found =
          found || (envelope.text("key_id") == key.gait_key_id() && envelope.text("signed_digest") == digest.hex() &&
                    statement::verify_envelope(envelope, key, digest));
    }
  }
  if (!found) return {"signature verification failed"};
  const Result<ProofCheck> records = check_records(&key);
  return records ? records->signature_errors : std::vector<std::string>{records.error().detail};
}

}  // namespace countersign::packs
