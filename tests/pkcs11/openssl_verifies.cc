#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "tests/pkcs11/pkcs11_fixture.h"

namespace countersign::pkcs11 {

bool openssl_verifies(KeyKind kind, const Bytes& public_key, ByteView message, const Bytes& signature) {
  const bool edwards = kind == KeyKind::Ed25519;
  // SubjectPublicKeyInfo up to the key's bytes: RFC 8410 §4, RFC 5480 §2.
  Bytes spki = *from_hex(edwards ? "302a300506032b6570032100" : "3059301306072a8648ce3d020106082a8648ce3d030107034200");
  spki.insert(spki.end(), public_key.begin(), public_key.end());
  const unsigned char* at = spki.data();
  EVP_PKEY* key = d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size()));
  if (key == nullptr || signature.size() != 64) return false;

  Bytes encoded = signature;
  if (!edwards) {
    ECDSA_SIG* pair = ECDSA_SIG_new();
    ECDSA_SIG_set0(pair, BN_bin2bn(signature.data(), 32, nullptr), BN_bin2bn(signature.data() + 32, 32, nullptr));
    unsigned char* der = nullptr;
    const int size = i2d_ECDSA_SIG(pair, &der);
    encoded.assign(der, der + size);
    OPENSSL_free(der);
    ECDSA_SIG_free(pair);
  }
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  const bool good = EVP_DigestVerifyInit(context, nullptr, edwards ? nullptr : EVP_sha256(), nullptr, key) == 1 &&
                    EVP_DigestVerify(context, encoded.data(), encoded.size(), message.data(), message.size()) == 1;
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(key);
  return good;
}

}  // namespace countersign::pkcs11
