// A private key in a file, as gait keeps them (gait-formats §4): one line of base64 over seed and public half. Only
// commands that reproduce gait read one; the services do not link this.
#pragma once

#include <memory>
#include <string>

#include "common/digest.h"
#include "common/json.h"
#include "common/result.h"
#include "keymgmt/public_key.h"

namespace countersign::keyfile {

class PrivateKey {
 public:
  // A fresh Ed25519 key.
  static PrivateKey generate();
  // Takes the text over and wipes it. Fails with Invalid in gait's words ("decode private key: illegal base64 data at
  // input byte 0", "invalid private key length: 32"), and with reason "key_halves_mismatch" where the public half is
  // not the seed's: gait signs with such a key, and nothing it signs verifies.
  static Result<PrivateKey> parse(std::string&& text);

  const keymgmt::PublicKey& public_key() const { return public_key_; }
  // The line of a private key file, without the line break. A secret.
  std::string gait_text() const;

  // Ed25519 over `message`: 64 bytes.
  Bytes signature(ByteView message) const;
  // gait's envelope over the 32 bytes of `digest`: {alg, key_id, sig, signed_digest}.
  Json envelope(const Digest& digest) const;
  // `document`, which has no member `signature` yet, with the envelope over its RFC 8785 digest as the last member.
  Json sealed(Json document) const;

 private:
  struct Secret;
  PrivateKey(std::shared_ptr<const Secret> secret, keymgmt::PublicKey public_key)
      : secret_(std::move(secret)), public_key_(std::move(public_key)) {}
  std::shared_ptr<const Secret> secret_;
  keymgmt::PublicKey public_key_;
};

// A public key file's text: base64 of 32 bytes. Fails with Invalid in gait's words ("decode public key: …", "invalid
// public key length: 64").
Result<keymgmt::PublicKey> parse_public_key(std::string_view text);

}  // namespace countersign::keyfile
