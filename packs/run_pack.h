// A run pack (gait's PackSpec, type run): a runpack with what it comes to, in an archive whose manifest is signed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "common/result.h"
#include "keymgmt/public_key.h"
#include "packs/content_check.h"
#include "packs/proof_records.h"
#include "packs/runpack.h"
#include "packs/zip_archive.h"

namespace countersign::packs {

// Everything but the signatures.
struct RunPackDraft {
  std::string run_id;
  std::vector<ZipFile> files;  // sorted, without the manifest
};

// With proof records that `signer` signs. Fails with Invalid where the runpack cannot be read, and with
// VerificationFailed where it is not what it says.
Result<RunPackDraft> draft_run_pack(std::string_view runpack, const PackSigner& signer);

// The manifest without its signatures: always of 1980, so that equal runs give equal packs.
Json gait_manifest(const RunPackDraft& draft);

// The archive of a draft and its signed manifest.
std::string sealed_pack(RunPackDraft draft, const Json& manifest);

class RunPack {
 public:
  // Reads what the archive says. Fails with Invalid on anything unreadable, and with TooLarge.
  static Result<RunPack> parse(std::string_view archive);

  const Json& manifest() const { return manifest_; }
  std::string_view pack_id() const { return manifest_.text("pack_id"); }
  std::string_view run_id() const { return manifest_.text("source_ref"); }
  std::size_t signatures() const { return signatures_; }
  const ContentCheck& contents() const { return contents_; }
  bool pack_id_is_right() const { return pack_id_is_right_; }
  std::int64_t proof_records() const { return records_; }

  // What else is wrong: the runpack within is not what it says, or not of this run; the payload says otherwise than it;
  // proof records are not chained, or not of these files. Empty where all is well.
  const std::vector<std::string>& faults() const { return faults_; }
  // What the key did not sign, though it should have: the manifest, proof records by their line. Empty where all is
  // well.
  std::vector<std::string> unsigned_by(const keymgmt::PublicKey& key) const;

 private:
  RunPack() = default;
  void check_run();
  Result<ProofCheck> check_records(const keymgmt::PublicKey* key) const;
  std::vector<ZipFile> files_;
  Json manifest_;
  std::size_t signatures_ = 0;
  ContentCheck contents_;
  bool pack_id_is_right_ = false;
  std::int64_t records_ = 0;
  std::vector<std::string> faults_;
};

}  // namespace countersign::packs
