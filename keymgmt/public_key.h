// A public key: what it verifies, its names, and the formats people already have tools for.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/bytes.h"
#include "common/json.h"
#include "common/result.h"
#include "keymgmt/role.h"

namespace countersign::keymgmt {

class PublicKey {
 public:
  // Ed25519: 32 bytes (RFC 8032 §5.1.2). P256: 65 bytes, uncompressed point on the curve (SEC 1 §2.3.3).
  // Fail with Invalid on any other length, a point off the curve, or another key type.
  static Result<PublicKey> from_raw(Algorithm algorithm, ByteView raw);
  static Result<PublicKey> from_spki(ByteView der);  // RFC 5280 SubjectPublicKeyInfo
  static Result<PublicKey> from_pem(std::string_view pem);
  static Result<PublicKey> from_gait(std::string_view text);  // gait-formats §4: base64 of 32 bytes, Ed25519

  Algorithm algorithm() const;
  const Bytes& raw() const;

  // Ed25519: 64 bytes over `message`. P256: `signature` is r||s, 64 bytes, over SHA-256(`message`).
  // Fails with VerificationFailed. Never calls a token.
  Status verify(ByteView message, ByteView signature) const;

  // RFC 7638 thumbprint, base64url: the name of the key in our API, files and log.
  const std::string& kid() const;
  // gait's name: lower-case hex SHA-256 of raw().
  const std::string& gait_key_id() const;
  // Every other name by which a tool may ask for the key (OpenSSL's SHA-1 and SHA-256 of the SPKI, TUF, SSH SHA256:…,
  // minisign key number): key-lifecycle.md §3.1.
  std::vector<std::pair<std::string, std::string>> aliases() const;

  Bytes spki() const;
  std::string pem() const;
  Json jwk(Role role) const;                                  // RFC 8037 / RFC 7518, with kid, alg, use
  std::string ssh_line(std::string_view comment) const;       // OpenSSH authorized_keys form
  std::string gait_text() const;                              // base64 of raw, one line; Ed25519 only, else empty
  std::string minisign_text(std::string_view comment) const;  // minisign.pub; Ed25519 only, else empty

 private:
  struct Parts;
  explicit PublicKey(std::shared_ptr<const Parts> parts) : parts_(std::move(parts)) {}
  std::shared_ptr<const Parts> parts_;
};

// ECDSA signatures as tokens make them (r||s) and as X.509, gait-style envelopes and OpenSSL carry them (DER).
// Fail with Invalid on a wrong length or non-canonical DER.
Result<Bytes> ecdsa_der(ByteView r_and_s);
Result<Bytes> ecdsa_r_and_s(ByteView der);

}  // namespace countersign::keymgmt
