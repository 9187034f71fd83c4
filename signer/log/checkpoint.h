// What the log says of itself (C2SP tlog-checkpoint): its origin, how many leaves it has, and the root over them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/digest.h"
#include "common/result.h"
#include "keymgmt/key_set.h"
#include "signer/log/signed_note.h"

namespace countersign::log {

struct Checkpoint {
  std::string origin;  // names the log, and its key in notes
  std::uint64_t size = 0;
  Digest root;
  std::vector<std::string> extensions{};  // lines below; ours has none
  bool operator==(const Checkpoint&) const = default;

  // The note's text: origin, decimal size, base64 root, extensions, a line each.
  std::string text() const;
  // Fails with Invalid on anything that text() does not make, an empty extension and a size beyond 2^63 - 1.
  static Result<Checkpoint> parse(std::string_view text);
};

// Who must have signed a checkpoint before it is believed.
struct CheckpointTrust {
  std::vector<NoteKey> log_keys;   // any one: the log's key may have been rotated
  std::vector<NoteKey> witnesses;  // cosigners by name; two entries of one key count once
  std::size_t required = 0;        // of the witnesses
};

// The keys of role `log` in `keys`, less those that were compromised, under the origin that `note` claims; no
// witnesses. Fails with Invalid where `note` is no checkpoint.
Result<CheckpointTrust> trust_in(const keymgmt::KeySet& keys, std::string_view note);

// A checkpoint whose signatures were checked: only open makes one.
class TrustedCheckpoint {
 public:
  // Fails with Invalid (no checkpoint), and with VerificationFailed: reason signature_missing or signature_invalid (no
  // log key, or the wrong one; a bad signature under a trusted name), origin_mismatch (the note is signed by the key of
  // another origin), witness_missing (fewer cosigners than required).
  static Result<TrustedCheckpoint> open(std::string_view note, const CheckpointTrust& trust);

  const Checkpoint& checkpoint() const { return checkpoint_; }
  const SignedNote& note() const { return note_; }
  const NoteKey& signer() const { return signer_; }
  const std::vector<std::string>& cosigners() const { return cosigners_; }  // names, of the trusted ones

 private:
  TrustedCheckpoint(Checkpoint checkpoint, SignedNote note, NoteKey signer, std::vector<std::string> cosigners)
      : checkpoint_(std::move(checkpoint)),
        note_(std::move(note)),
        signer_(std::move(signer)),
        cosigners_(std::move(cosigners)) {}
  Checkpoint checkpoint_;
  SignedNote note_;
  NoteKey signer_;
  std::vector<std::string> cosigners_;
};

}  // namespace countersign::log
