#include "keymgmt/custodian_key.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "common/durable_file.h"

namespace countersign::keymgmt {
namespace {

constexpr std::string_view kProtected = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
constexpr std::string_view kBare = "PRIVATE KEY-----";
constexpr std::size_t kLongestPem = 16384;

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(BIO* bio) const { BIO_free_all(bio); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

// Gives OpenSSL the passphrase; never asks on a terminal of its own.
int give_passphrase(char* buffer, int size, int, void* secret) {
  const auto passphrase = static_cast<const SecretBytes*>(secret)->reveal();
  if (size < 0 || passphrase.size() > static_cast<std::size_t>(size)) return -1;
  std::memcpy(buffer, passphrase.data(), passphrase.size());
  return static_cast<int>(passphrase.size());
}

Result<PublicKey> public_half(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  if (size <= 0) return Error{ErrorCode::Invalid, "a custodian's key without a public half"};
  const Bytes bytes(der, der + size);
  OPENSSL_free(der);
  return PublicKey::from_spki(bytes);
}

}  // namespace

struct CustodianKey::Secret {
  std::unique_ptr<EVP_PKEY, Free> key;
};

Result<CustodianKey> CustodianKey::from_pem(std::string_view pem, const SecretBytes& passphrase) {
  if (pem.find(kProtected) == std::string_view::npos) {
    if (pem.find(kBare) == std::string_view::npos) {
      return Error{ErrorCode::Invalid, "a custodian's key file that is no PEM with an encrypted private key"};
    }
    return Error{ErrorCode::Refused, "a custodian's key file has no passphrase", "key_unprotected",
                 "openssl pkcs8 -topk8 -v2 aes-256-cbc -in KEY -out PROTECTED"};
  }
  const std::unique_ptr<BIO, Free> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (!bio) std::abort();
  auto secret = std::make_shared<Secret>();
  secret->key.reset(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, give_passphrase, const_cast<SecretBytes*>(&passphrase)));
  if (!secret->key) {
    return Error{ErrorCode::Refused, "the passphrase does not open the custodian's key", "passphrase_wrong"};
  }
  ASSIGN_OR_RETURN(PublicKey half, public_half(secret->key.get()));
  return CustodianKey(std::move(secret), std::move(half));
}

Result<CustodianKey> CustodianKey::from_file(const std::string& path, const SecretBytes& passphrase) {
  ASSIGN_OR_RETURN(const int descriptor, open_private_file(path));
  std::string pem(kLongestPem, '\0');
  std::size_t length = 0;
  ssize_t got = 0;
  while (length < pem.size() && (got = read(descriptor, pem.data() + length, pem.size() - length)) > 0) {
    length += static_cast<std::size_t>(got);
  }
  close(descriptor);
  if (got < 0 || length == pem.size()) return Error{ErrorCode::Invalid, "the key file " + path + " cannot be read"};
  Result<CustodianKey> key = from_pem(std::string_view(pem).substr(0, length), passphrase);
  if (key) return key;
  Error error = std::move(key).error();
  error.detail = path + ": " + error.detail;
  return error;
}

CustodianKey CustodianKey::generate(Algorithm algorithm) {
  auto secret = std::make_shared<Secret>();
  secret->key.reset(algorithm == Algorithm::Ed25519 ? EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")
                                                    : EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  if (!secret->key) std::abort();
  Result<PublicKey> half = public_half(secret->key.get());
  if (!half) std::abort();
  return CustodianKey(std::move(secret), *std::move(half));
}

Result<Bytes> CustodianKey::sign(ByteView message) const {
  const bool edwards = public_.algorithm() == Algorithm::Ed25519;
  const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
  std::size_t size = 128;
  Bytes signature(size);
  if (!context ||
      EVP_DigestSignInit(context.get(), nullptr, edwards ? nullptr : EVP_sha256(), nullptr, secret_->key.get()) != 1 ||
      EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) != 1) {
    return Error{ErrorCode::Internal, "a custodian's key does not sign"};
  }
  signature.resize(size);
  if (edwards) return signature;
  return ecdsa_r_and_s(signature);
}

Result<std::string> CustodianKey::encrypted_pem(const SecretBytes& passphrase) const {
  const std::unique_ptr<BIO, Free> bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_PKCS8PrivateKey(bio.get(), secret_->key.get(), EVP_aes_256_cbc(), nullptr, 0,
                                            give_passphrase, const_cast<SecretBytes*>(&passphrase)) != 1) {
    return Error{ErrorCode::Internal, "a custodian's key cannot be written"};
  }
  const char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<std::size_t>(size));
}

}  // namespace countersign::keymgmt
