// That a record stands in the log: everything a stranger needs to check it offline but the log's key.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/digest.h"
#include "common/json.h"
#include "common/result.h"
#include "signer/log/checkpoint.h"

namespace countersign::log {

struct RecordProof {
  std::uint64_t index = 0;
  std::uint64_t size = 0;      // of the checkpoint's tree
  std::string leaf;            // the record's bytes in the tree: canonical JSON
  std::vector<Digest> hashes;  // RFC 6962 §2.1.1
  std::string checkpoint;      // signed note

  // {"index","size","leaf","hashes" (base64),"checkpoint"}.
  Json to_json() const;
  // Strict. Fails with Invalid.
  static Result<RecordProof> parse(const Json& json);
};

// A record whose place in a trusted log was proven: only verify makes one.
class LoggedRecord {
 public:
  // Fails as TrustedCheckpoint::open does, and with VerificationFailed, reason "not_in_log", where the proof does not
  // lead to the checkpoint's root, or the leaf says another index.
  static Result<LoggedRecord> verify(const RecordProof& proof, const CheckpointTrust& trust);

  const Json& leaf() const { return leaf_; }  // ledger/leaf.h
  const TrustedCheckpoint& checkpoint() const { return checkpoint_; }

  // Whether it is the record of this signature: kind "signed", these digests, this key. Fails with VerificationFailed,
  // reason "log_record_mismatch".
  Status is_of(const Digest& signed_digest, const Digest& signature_digest, std::string_view kid) const;

 private:
  LoggedRecord(Json leaf, TrustedCheckpoint checkpoint) : leaf_(std::move(leaf)), checkpoint_(std::move(checkpoint)) {}
  Json leaf_;
  TrustedCheckpoint checkpoint_;
};

}  // namespace countersign::log
