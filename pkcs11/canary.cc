#include "pkcs11/canary.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#include <memory>

#include "common/digest.h"

namespace countersign::pkcs11 {
namespace {

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using EvpKey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using EvpKeyContext = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using EvpDigestContext = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using EcdsaSignature = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>>;

EvpKey p256_key(const Bytes& point) {
  char group[] = "P-256";
  OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group - 1),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, const_cast<std::uint8_t*>(point.data()), point.size()),
      OSSL_PARAM_construct_end()};
  const EvpKeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* key = nullptr;
  if (context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params) != 1) {
    return nullptr;
  }
  return EvpKey(key);
}

Bytes der_of(const Bytes& r_and_s) {
  const EcdsaSignature pair(ECDSA_SIG_new());
  const int half = static_cast<int>(r_and_s.size() / 2);
  BIGNUM* r = BN_bin2bn(r_and_s.data(), half, nullptr);
  BIGNUM* s = BN_bin2bn(r_and_s.data() + half, half, nullptr);
  if (pair == nullptr || ECDSA_SIG_set0(pair.get(), r, s) != 1) return {};
  unsigned char* encoded = nullptr;
  const int size = i2d_ECDSA_SIG(pair.get(), &encoded);
  const Bytes der(encoded, encoded + std::max(size, 0));
  OPENSSL_free(encoded);
  return der;
}

bool verifies(const KeyPair& key, ByteView message, const Bytes& signature) {
  const bool edwards = key.spec().kind == KeyKind::Ed25519;
  const Bytes& raw = key.public_key();
  const EvpKey evp =
      edwards ? EvpKey(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, raw.data(), raw.size())) : p256_key(raw);
  const EvpDigestContext context(EVP_MD_CTX_new());
  const Bytes encoded = edwards ? signature : der_of(signature);
  const bool good =
      evp != nullptr && context != nullptr &&
      EVP_DigestVerifyInit(context.get(), nullptr, edwards ? nullptr : EVP_sha256(), nullptr, evp.get()) == 1 &&
      EVP_DigestVerify(context.get(), encoded.data(), encoded.size(), message.data(), message.size()) == 1;
  ERR_clear_error();
  return good;
}

}  // namespace

Status check_canary(const KeyPair& key) {
  Bytes text;
  constexpr std::string_view kPrefix = "countersign canary\n";
  text.assign(kPrefix.begin(), kPrefix.end());
  const Bytes random = random_bytes(32);
  text.insert(text.end(), random.begin(), random.end());
  ASSIGN_OR_RETURN(const Bytes signature, key.sign(text));
  if (verifies(key, text, signature)) return ok();
  return Error{ErrorCode::Refused,
               "the private key " + key.spec().label + " does not belong to the public key beside it in the token",
               std::string(kKeyMismatch)};
}

}  // namespace countersign::pkcs11
