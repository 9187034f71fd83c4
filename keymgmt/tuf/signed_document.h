// A file of TUF metadata: what is signed, and by whom (TUF specification 1.0, §4.2).
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/bytes.h"
#include "common/json.h"
#include "common/result.h"
#include "keymgmt/public_key.h"

namespace countersign::tuf {

// By key id.
using KeyTable = std::map<std::string, keymgmt::PublicKey, std::less<>>;

// Whose signatures make a role's metadata good: at least `threshold` of these, each counted once.
struct Signers {
  std::vector<std::string> key_ids;  // sorted
  int threshold = 1;
  bool operator==(const Signers&) const = default;
};

// SHA-256 over the canonical form of key_json(); PublicKey::aliases() lists it as "tuf".
std::string key_id(const keymgmt::PublicKey& key);
// {"keytype","scheme","keyval":{"public"}}: ed25519 with hex, ecdsa (ecdsa-sha2-nistp256) with PEM.
Json key_json(const keymgmt::PublicKey& key);

inline constexpr std::size_t kMostSignatures = 64;

class SignedDocument {
 public:
  // Nobody has signed it. Fails with Invalid as canonical() does.
  static Result<SignedDocument> of(Json signed_part);
  // Strict but for the members of `signed`. Fails with Invalid; two signatures of one key id are refused.
  static Result<SignedDocument> parse(std::string_view text);

  const Json& signed_part() const { return signed_; }
  // What each signature is over: the canonical form of the signed part.
  const std::string& message() const { return message_; }
  // `signature` as PublicKey::verify takes it (P-256: r||s; written as DER). Replaces one of the same key.
  // Fails with VerificationFailed where it does not verify.
  Status add(const keymgmt::PublicKey& key, ByteView signature);
  // What stands in the file: canonical, without a line end.
  std::string text() const;

  std::vector<std::string> key_ids() const;  // of the signatures, as they say
  // The key ids among `signers` whose signature verifies. Two ids of one key are one signer.
  std::set<std::string> good_signers(const KeyTable& keys, const Signers& signers) const;
  // Fails with VerificationFailed, reason "under_signed", naming how many of how many are there. `what` is the file.
  Status verify(const KeyTable& keys, const Signers& signers, std::string_view what) const;

 private:
  SignedDocument(Json signed_part, std::string message)
      : signed_(std::move(signed_part)), message_(std::move(message)) {}
  Json signed_;
  std::string message_;
  std::map<std::string, std::string> signatures_;  // key id → hex
};

}  // namespace countersign::tuf
