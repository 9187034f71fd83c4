#include "gate/keyfile/private_key.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <array>
#include <cstdlib>

#include "gate/keyfile/go_base64.h"
#include "signer/statement/envelope.h"

namespace countersign::keyfile {
namespace {

constexpr std::size_t kSeedSize = 32;
constexpr std::size_t kPublicSize = 32;
constexpr std::size_t kSignatureSize = 64;

Error invalid(std::string detail, std::string reason = {}) {
  return Error{ErrorCode::Invalid, std::move(detail), std::move(reason)};
}

// gait trims exactly these.
std::string_view trimmed_line(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

Result<Bytes> decoded(std::string_view text, const std::string& what, std::size_t size) {
  Result<Bytes> bytes = from_go_base64(trimmed_line(text));
  if (!bytes) return invalid("decode " + what + ": " + bytes.error().detail);
  if (bytes->size() != size) return invalid("invalid " + what + " length: " + std::to_string(bytes->size()));
  return bytes;
}

}  // namespace

struct PrivateKey::Secret {
  explicit Secret(EVP_PKEY* made) : key(made, EVP_PKEY_free) {
    if (!key) std::abort();  // Ed25519 is in every OpenSSL 3
  }
  std::array<std::uint8_t, kPublicSize> public_half() const {
    std::array<std::uint8_t, kPublicSize> out{};
    std::size_t size = out.size();
    if (EVP_PKEY_get_raw_public_key(key.get(), out.data(), &size) != 1) std::abort();
    return out;
  }
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key;
};

PrivateKey PrivateKey::generate() {
  auto secret = std::make_shared<const Secret>(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  Result<keymgmt::PublicKey> half = keymgmt::PublicKey::from_raw(keymgmt::Algorithm::Ed25519, secret->public_half());
  if (!half) std::abort();
  return PrivateKey(std::move(secret), *std::move(half));
}

Result<PrivateKey> PrivateKey::parse(std::string&& text) {
  Result<Bytes> bytes = decoded(text, "private key", kSeedSize + kPublicSize);
  OPENSSL_cleanse(text.data(), text.size());
  if (!bytes) return std::move(bytes).error();
  auto secret =
      std::make_shared<const Secret>(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, bytes->data(), kSeedSize));
  OPENSSL_cleanse(bytes->data(), kSeedSize);
  const ByteView given = ByteView(*bytes).subspan(kSeedSize);
  const auto half = secret->public_half();
  if (!std::equal(given.begin(), given.end(), half.begin())) {
    return invalid("private key: its public half belongs to another key", "key_halves_mismatch");
  }
  ASSIGN_OR_RETURN(keymgmt::PublicKey key, keymgmt::PublicKey::from_raw(keymgmt::Algorithm::Ed25519, half));
  return PrivateKey(std::move(secret), std::move(key));
}

std::string PrivateKey::gait_text() const {
  std::array<std::uint8_t, kSeedSize + kPublicSize> bytes{};
  std::size_t size = kSeedSize;
  if (EVP_PKEY_get_raw_private_key(secret_->key.get(), bytes.data(), &size) != 1) std::abort();
  const auto half = secret_->public_half();
  std::copy(half.begin(), half.end(), bytes.begin() + kSeedSize);
  std::string text = to_base64(bytes);
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return text;
}

Bytes PrivateKey::signature(ByteView message) const {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  Bytes signature(kSignatureSize);
  std::size_t size = signature.size();
  if (EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, secret_->key.get()) != 1 ||
      EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) != 1) {
    std::abort();  // out of memory: nothing is signed
  }
  return signature;
}

Json PrivateKey::envelope(const Digest& digest) const {
  Result<Json> sealed = statement::sealed_envelope(public_key_, signature(digest.bytes()), digest);
  if (!sealed) std::abort();
  return *std::move(sealed);
}

Json PrivateKey::sealed(Json document) const {
  Json signature = envelope(document.digest());
  document.set("signature", std::move(signature));
  return document;
}

Result<keymgmt::PublicKey> parse_public_key(std::string_view text) {
  ASSIGN_OR_RETURN(const Bytes bytes, decoded(text, "public key", kPublicSize));
  return keymgmt::PublicKey::from_raw(keymgmt::Algorithm::Ed25519, bytes);
}

}  // namespace countersign::keyfile
