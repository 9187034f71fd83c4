// A private key in memory that signs as a token does. Test-only. Programs that include this link OpenSSL::Crypto.
#pragma once

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <cstdlib>
#include <memory>

#include "keymgmt/public_key.h"

namespace countersign::test {

class SoftwareKey {
 public:
  // A fresh key.
  explicit SoftwareKey(keymgmt::Algorithm algorithm)
      : algorithm_(algorithm),
        key_(algorithm == keymgmt::Algorithm::Ed25519 ? EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")
                                                      : EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"),
             EVP_PKEY_free) {
    if (!key_) std::abort();
  }

  // The same Ed25519 key every time: 32 bytes of `seed`.
  explicit SoftwareKey(std::uint8_t seed) : algorithm_(keymgmt::Algorithm::Ed25519), key_(nullptr, EVP_PKEY_free) {
    const Bytes bytes(32, seed);
    key_.reset(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, bytes.data(), bytes.size()));
    if (!key_) std::abort();
  }

  keymgmt::PublicKey public_key() const {
    unsigned char* der = nullptr;
    const int size = i2d_PUBKEY(key_.get(), &der);
    const Bytes bytes(der, der + size);
    OPENSSL_free(der);
    return *keymgmt::PublicKey::from_spki(bytes);
  }

  // Ed25519: 64 bytes over `message`. P-256: r||s over SHA-256(message).
  Bytes sign(ByteView message) const {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    const EVP_MD* hash = algorithm_ == keymgmt::Algorithm::Ed25519 ? nullptr : EVP_sha256();
    Bytes out(128);
    std::size_t size = out.size();
    if (EVP_DigestSignInit(context.get(), nullptr, hash, nullptr, key_.get()) != 1 ||
        EVP_DigestSign(context.get(), out.data(), &size, message.data(), message.size()) != 1) {
      std::abort();
    }
    out.resize(size);
    return algorithm_ == keymgmt::Algorithm::Ed25519 ? out : *keymgmt::ecdsa_r_and_s(out);
  }

 private:
  keymgmt::Algorithm algorithm_;
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
};

}  // namespace countersign::test
