// proof_records.jsonl of a pack: a record for each of its files, each with the hash of the one before (docs/voice.md,
// "Call pack").
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "common/result.h"
#include "keymgmt/public_key.h"
#include "packs/zip_archive.h"

namespace countersign::packs {

inline constexpr std::string_view kProofRecordsName = "proof_records.jsonl";

// What every record of a pack repeats.
struct PackNames {
  std::string pack_type;
  std::string source_ref;
  std::string producer_version;
};

// Who signs a pack: manifests by an envelope over their digest, records by a signature over the text of their hash.
struct PackSigner {
  std::string key_id;
  std::function<Json(const Digest&)> envelope;
  std::function<std::string(std::string_view)> text_signature;  // base64
};

// "json", "jsonl", "zip" or "blob", by the name of a file.
std::string_view entry_type(std::string_view path);

// The lines, without a line break at the end. `files` are sorted by name, without the manifest and without these
// records; `signer` may be null.
std::string proof_records(const std::vector<ZipFile>& files, const PackNames& names, const PackSigner* signer);

struct ProofCheck {
  std::int64_t records = 0;
  std::vector<std::string> signature_errors;  // where a key is given: a line without a signature of it
};
// Whether `text` is the records of these files, whoever signed them. Fails with VerificationFailed, naming the line.
// `key`: null to look at no signature.
Result<ProofCheck> check_proof_records(std::string_view text, const std::vector<ZipFile>& files, const PackNames& names,
                                       const keymgmt::PublicKey* key);

}  // namespace countersign::packs
