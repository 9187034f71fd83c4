// Key pairs that never leave their token: made from one fixed template, and used only after every attribute that keeps
// them there was read back, and after a canary signature verified under the public half (the table is in
// key_profile.cc).
#pragma once

#include <p11-kit/pkcs11.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/bytes.h"
#include "common/result.h"
#include "pkcs11/token.h"

namespace countersign::pkcs11 {

enum class KeyKind { Ed25519, P256 };
std::string_view name_of(KeyKind kind);  // "ed25519", "p256"

// CKA_ID: 16 random bytes, fixed before the key exists (a thumbprint would need the key).
using KeyId = std::array<std::uint8_t, 16>;
KeyId random_key_id();

struct KeySpec {
  KeyKind kind = KeyKind::Ed25519;
  KeyId id{};
  std::string label;  // "<role>-<yyyymmdd>-<n>"
};

// A private key whose attributes were read back and found as strong as the profile, with its public half.
// Holds its session; not thread-safe.
class KeyPair {
 public:
  const KeySpec& spec() const { return spec_; }
  // Ed25519: 32 bytes. P256: 65 bytes, 0x04 || X || Y.
  const Bytes& public_key() const { return public_key_; }

  // Ed25519: 64 bytes over the message. P256: r||s, 64 bytes, over our SHA-256 of the message. The message may be
  // empty. No search per signature. A failed call never leaves the session stuck. Fails with Unavailable: reason
  // token_gone means that only a new process helps.
  Result<Bytes> sign(ByteView message) const;

 private:
  friend class KeyReader;
  KeyPair(std::shared_ptr<Session> session, KeySpec spec, Bytes public_key, CK_OBJECT_HANDLE private_key)
      : session_(std::move(session)),
        spec_(std::move(spec)),
        public_key_(std::move(public_key)),
        private_key_(private_key) {}
  std::shared_ptr<Session> session_;
  KeySpec spec_;
  Bytes public_key_;
  CK_OBJECT_HANDLE private_key_;
};

// Makes a pair and reads it back. The caller syncs the token's store before anybody learns the key: use
// TokenSession::generate_key_pair, which does. Fails with Conflict if the id is taken; a pair that does not read back
// as strong as the profile is destroyed and refused (key_too_weak).
Result<KeyPair> generate_key_pair(const std::shared_ptr<Session>& session, const KeySpec& spec);

// The pair with that id: exactly one private and one public object. Fails with NotFound, with Refused (key_ambiguous)
// for two, with Refused (key_too_weak) naming the attribute.
Result<KeyPair> find_key_pair(const std::shared_ptr<Session>& session, const KeyId& id);

// Destroys every object with that id, private half first, and looks that none is left. That there was none is no error:
// a destruction that was interrupted is asked for again. Fails as the module does, with Refused (key_not_destroyed).
Status destroy_key_pair(const Session& session, const KeyId& id);

// Every private key whose label starts with `prefix`, unchecked, sorted by label: what a ceremony or `status` shows.
struct KeyListing {
  KeyId id{};
  std::string label;
};
Result<std::vector<KeyListing>> list_key_pairs(const Session& session, std::string_view prefix);

}  // namespace countersign::pkcs11
