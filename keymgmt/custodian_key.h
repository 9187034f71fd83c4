// A custodian's own root key, from a passphrase-protected PEM: for trying out and for custodians without a token. It
// signs TUF metadata (keymgmt/tuf) and nothing else; the appliance never holds one.
#pragma once

#include <memory>
#include <string>

#include "common/bytes.h"
#include "common/result.h"
#include "common/secret_bytes.h"
#include "keymgmt/public_key.h"

namespace countersign::keymgmt {

class CustodianKey {
 public:
  // PKCS#8 PEM, encrypted ("ENCRYPTED PRIVATE KEY"), Ed25519 or P-256. Fails with Refused, reason "passphrase_wrong"
  // or, for a PEM without a passphrase, "key_unprotected"; with Invalid on anything else.
  static Result<CustodianKey> from_pem(std::string_view pem, const SecretBytes& passphrase);
  // Reads the file, which is its owner's alone (open_private_file).
  static Result<CustodianKey> from_file(const std::string& path, const SecretBytes& passphrase);
  static CustodianKey generate(Algorithm algorithm);

  const PublicKey& public_key() const { return public_; }
  // As PublicKey::verify takes it.
  Result<Bytes> sign(ByteView message) const;
  // PKCS#8 under AES-256-CBC and PBKDF2 with SHA-256 (RFC 8018).
  Result<std::string> encrypted_pem(const SecretBytes& passphrase) const;

 private:
  struct Secret;
  CustodianKey(std::shared_ptr<const Secret> secret, PublicKey key)
      : secret_(std::move(secret)), public_(std::move(key)) {}
  std::shared_ptr<const Secret> secret_;
  PublicKey public_;
};

}  // namespace countersign::keymgmt
