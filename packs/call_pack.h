// A call pack: what was said in one call and why it was allowed, in one archive, each file with its digest
// (docs/voice.md, "Call pack"; gait's pack format of the type `call`).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "common/result.h"
#include "keymgmt/key_set.h"
#include "packs/call_record.h"
#include "packs/content_check.h"
#include "packs/proof_records.h"
#include "packs/runpack.h"

namespace countersign::packs {

inline constexpr std::string_view kCallType = "call";

struct BuiltCallPack {
  std::string archive;
  Json manifest;
};

// `runpack` is the archive that `run` was read from. Precondition: it is verified. `signer` may be null.
BuiltCallPack build_call_pack(const CallRecord& record, const Runpack& run, const std::string& runpack,
                              const PackSigner* signer);

class CallPack {
 public:
  // Reads what the archive says; check() tells whether it is true. Fails with Invalid on what is no archive or no pack,
  // with VerificationFailed where its manifest is none of a call pack's or its pack_id is another's.
  static Result<CallPack> parse(std::string_view archive);

  const Json& manifest() const { return manifest_; }
  std::string_view pack_id() const { return manifest_.text("pack_id"); }
  std::string_view source_ref() const { return manifest_.text("source_ref"); }
  std::size_t signatures() const;
  const ContentCheck& contents() const { return contents_; }
  const std::vector<ZipFile>& files() const { return files_; }
  // call_payload.json, as it stands; nothing where it cannot be read.
  std::optional<Json> payload() const;

  struct Check {
    std::int64_t proof_records = 0;
    std::string signature_status;  // missing, skipped, verified, failed
    std::vector<std::string> signature_errors;
    std::int64_t signatures_valid = 0;
  };
  // The proof records, where the files are those that the manifest lists what they say of the call, and the signatures:
  // of the manifest, and with `require_signature` of each proof record, by `key`, null for none. Fails with
  // VerificationFailed, in gait's words, where the pack contradicts itself.
  Result<Check> check(const keymgmt::PublicKey* key, bool require_signature) const;

 private:
  CallPack() = default;
  void check_signatures(const keymgmt::PublicKey* key, bool require_signature, Check& out) const;
  std::vector<ZipFile> files_;
  Json manifest_;
  ContentCheck contents_;
};

// gait's object gait.pack.diff about two packs: which files one has and the other has not, or has otherwise.
Json pack_difference(const CallPack& left, const CallPack& right);

}  // namespace countersign::packs
