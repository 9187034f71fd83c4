#include "keymgmt/public_key.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>

#include "common/armour.h"
#include "common/digest.h"
#include "common/text.h"
#include "keymgmt/ed25519_point.h"

namespace countersign::keymgmt {
namespace {

// Everything of a SubjectPublicKeyInfo before the key itself (RFC 8410 §4, RFC 5480 §2).
constexpr std::array<std::uint8_t, 12> kEd25519Spki = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                                       0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
constexpr std::array<std::uint8_t, 26> kP256Spki = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                                    0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                                    0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
constexpr std::size_t kEd25519Size = 32;
constexpr std::size_t kP256Size = 65;
constexpr std::string_view kPemLabel = "PUBLIC KEY";

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct FreeContext {
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
struct FreeSignature {
  void operator()(ECDSA_SIG* signature) const { ECDSA_SIG_free(signature); }
};

ByteView spki_prefix(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::Ed25519:
      return kEd25519Spki;
    case Algorithm::P256:
      return kP256Spki;
  }
  __builtin_unreachable();
}

Bytes joined(ByteView a, ByteView b) {
  Bytes out(a.begin(), a.end());
  out.insert(out.end(), b.begin(), b.end());
  return out;
}

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

Error unverified() {
  return Error{ErrorCode::VerificationFailed, "the signature does not verify", "signature_invalid"};
}

// RFC 7638 §3.2: the required members in lexical order, nothing else.
Json thumbprint_members(Algorithm algorithm, ByteView raw) {
  switch (algorithm) {
    case Algorithm::Ed25519:
      return Json::object({{"crv", "Ed25519"}, {"kty", "OKP"}, {"x", to_base64url(raw)}});
    case Algorithm::P256:
      return Json::object({{"crv", "P-256"},
                           {"kty", "EC"},
                           {"x", to_base64url(raw.subspan(1, 32))},
                           {"y", to_base64url(raw.subspan(33, 32))}});
  }
  __builtin_unreachable();
}

void append_ssh_string(Bytes& out, ByteView text) {
  const auto size = static_cast<std::uint32_t>(text.size());
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::uint8_t>(size >> shift));
  out.insert(out.end(), text.begin(), text.end());
}

std::string_view ssh_type(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::Ed25519:
      return "ssh-ed25519";
    case Algorithm::P256:
      return "ecdsa-sha2-nistp256";
  }
  __builtin_unreachable();
}

// RFC 4253 §6.6, RFC 8709 §4, RFC 5656 §3.1.
Bytes ssh_blob(Algorithm algorithm, ByteView raw) {
  Bytes out;
  append_ssh_string(out, view_of(ssh_type(algorithm)));
  if (algorithm == Algorithm::P256) append_ssh_string(out, view_of("nistp256"));
  append_ssh_string(out, raw);
  return out;
}

// The id of python-tuf and securesystemslib: SHA-256 over OLPC canonical JSON, which leaves line breaks as they are.
std::string tuf_key_id(Algorithm algorithm, ByteView raw, std::string_view pem) {
  std::string text = "{\"keytype\":\"";
  text += algorithm == Algorithm::Ed25519 ? "ed25519" : "ecdsa";
  text += "\",\"keyval\":{\"public\":\"";
  text += algorithm == Algorithm::Ed25519 ? to_hex(raw) : std::string(pem);
  text += "\"},\"scheme\":\"";
  text += algorithm == Algorithm::Ed25519 ? "ed25519" : "ecdsa-sha2-nistp256";
  text += "\"}";
  return sha256(text).hex();
}

}  // namespace

struct PublicKey::Parts {
  Algorithm algorithm;
  Bytes raw;
  std::unique_ptr<EVP_PKEY, FreeKey> key;
  std::string kid;
  std::string gait_key_id;
};

Result<PublicKey> PublicKey::from_raw(Algorithm algorithm, ByteView raw) {
  const std::size_t size = algorithm == Algorithm::Ed25519 ? kEd25519Size : kP256Size;
  if (raw.size() != size) {
    return invalid("a public key of " + std::to_string(raw.size()) + " bytes; " + std::string(name_of(algorithm)) +
                   " has " + std::to_string(size));
  }
  if (algorithm == Algorithm::P256 && raw[0] != 0x04) return invalid("a P-256 point that is not uncompressed");
  if (algorithm == Algorithm::Ed25519 && !is_sound_ed25519_point(raw)) {
    return invalid("32 bytes that are no point of Ed25519, or one of small order");
  }
  const Bytes der = joined(spki_prefix(algorithm), raw);
  const unsigned char* at = der.data();
  auto parts = std::make_shared<Parts>();
  // Refuses a P-256 point off the curve.
  parts->key.reset(d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())));
  if (!parts->key) return invalid("a point that is not on the curve of " + std::string(name_of(algorithm)));
  parts->algorithm = algorithm;
  parts->raw.assign(raw.begin(), raw.end());
  parts->kid = to_base64url(thumbprint_members(algorithm, raw).digest().bytes());
  parts->gait_key_id = sha256(raw).hex();
  return PublicKey(std::move(parts));
}

Result<PublicKey> PublicKey::from_spki(ByteView der) {
  for (const Algorithm algorithm : kAlgorithms) {
    const ByteView prefix = spki_prefix(algorithm);
    if (der.size() > prefix.size() && std::equal(prefix.begin(), prefix.end(), der.begin())) {
      return from_raw(algorithm, der.subspan(prefix.size()));
    }
  }
  return invalid("a SubjectPublicKeyInfo that is neither Ed25519 nor an uncompressed key on the named curve P-256");
}

Result<PublicKey> PublicKey::from_pem(std::string_view pem) {
  ASSIGN_OR_RETURN(const Bytes der, from_armour(pem, kPemLabel));
  return from_spki(der);
}

Result<PublicKey> PublicKey::from_gait(std::string_view text) {
  std::string body;
  const std::string_view inner = trimmed(text);
  std::copy_if(inner.begin(), inner.end(), std::back_inserter(body), [](char c) { return c != '\n' && c != '\r'; });
  ASSIGN_OR_RETURN(const Bytes raw, from_base64(body));
  return from_raw(Algorithm::Ed25519, raw);
}

Algorithm PublicKey::algorithm() const {
  return parts_->algorithm;
}

const Bytes& PublicKey::raw() const {
  return parts_->raw;
}

Status PublicKey::verify(ByteView message, ByteView signature) const {
  if (signature.size() != 64) return unverified();
  switch (parts_->algorithm) {
    case Algorithm::Ed25519: {
      const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
      // OpenSSL wants a pointer even where the message is empty.
      static constexpr unsigned char kNothing = 0;
      if (!context || EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, parts_->key.get()) != 1 ||
          EVP_DigestVerify(context.get(), signature.data(), signature.size(),
                           message.empty() ? &kNothing : message.data(), message.size()) != 1) {
        return unverified();
      }
      return ok();
    }
    case Algorithm::P256: {
      const auto der = ecdsa_der(signature);
      if (!der) return unverified();
      const Digest digest = sha256(message);
      const std::unique_ptr<EVP_PKEY_CTX, FreeContext> context(EVP_PKEY_CTX_new(parts_->key.get(), nullptr));
      if (!context || EVP_PKEY_verify_init(context.get()) != 1 ||
          EVP_PKEY_verify(context.get(), der->data(), der->size(), digest.bytes().data(), Digest::kSize) != 1) {
        return unverified();
      }
      return ok();
    }
  }
  __builtin_unreachable();
}

const std::string& PublicKey::kid() const {
  return parts_->kid;
}

const std::string& PublicKey::gait_key_id() const {
  return parts_->gait_key_id;
}

std::vector<std::pair<std::string, std::string>> PublicKey::aliases() const {
  const Bytes der = spki();
  std::array<std::uint8_t, SHA_DIGEST_LENGTH> sha1;
  SHA1(der.data(), der.size(), sha1.data());
  std::string ssh = to_base64(sha256(ByteView(ssh_blob(algorithm(), raw()))).bytes());
  while (ssh.ends_with('=')) ssh.pop_back();
  std::vector<std::pair<std::string, std::string>> out = {
      {"gait", gait_key_id()},
      {"spki_sha1", to_hex(sha1)},
      {"spki_sha256", sha256(ByteView(der)).hex()},
      {"ssh", "SHA256:" + ssh},
      {"tuf", tuf_key_id(algorithm(), raw(), trimmed(pem()))},
  };
  if (algorithm() == Algorithm::Ed25519) {
    // minisign prints the key number as one little-endian integer.
    Bytes number(8);
    const Digest digest = sha256(ByteView(raw()));
    const ByteView first = digest.bytes().first(8);
    std::reverse_copy(first.begin(), first.end(), number.begin());
    std::string text = to_hex(number);
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c; });
    out.emplace_back("minisign", text);
  }
  return out;
}

Bytes PublicKey::spki() const {
  return joined(spki_prefix(algorithm()), raw());
}

std::string PublicKey::pem() const {
  return to_armour(spki(), kPemLabel);
}

Json PublicKey::jwk(Role role) const {
  Json out = thumbprint_members(algorithm(), raw());
  out.set("kid", kid());
  out.set("alg", algorithm() == Algorithm::Ed25519 ? "EdDSA" : "ES256");
  out.set("use", "sig");
  out.set("role", name_of(role));
  return out;
}

std::string PublicKey::ssh_line(std::string_view comment) const {
  std::string line = std::string(ssh_type(algorithm())) + " " + to_base64(ssh_blob(algorithm(), raw()));
  if (!comment.empty()) line += " " + std::string(comment);
  return line;
}

std::string PublicKey::gait_text() const {
  return algorithm() == Algorithm::Ed25519 ? to_base64(raw()) : std::string();
}

std::string PublicKey::minisign_text(std::string_view comment) const {
  if (algorithm() != Algorithm::Ed25519) return {};
  // "Ed", the key number (ours is the start of gait's key id), the key.
  const Digest digest = sha256(ByteView(raw()));
  Bytes line = {'E', 'd'};
  line.insert(line.end(), digest.bytes().begin(), digest.bytes().begin() + 8);
  line.insert(line.end(), raw().begin(), raw().end());
  return "untrusted comment: " + std::string(comment) + "\n" + to_base64(line) + "\n";
}

Result<Bytes> ecdsa_der(ByteView r_and_s) {
  if (r_and_s.size() != 64) return invalid("an ECDSA signature that is not r||s in 64 bytes");
  // SEQUENCE of two INTEGERs (X.690 §8.3, §8.9): each as short as it can be, with a zero byte before a set sign bit. By
  // hand, since OpenSSL's encoder takes longer than all the rest that is done with a signature.
  constexpr std::uint8_t kInteger = 0x02;
  constexpr std::uint8_t kSequence = 0x30;
  constexpr std::size_t kLongest = 72;
  Bytes out;
  out.reserve(kLongest);
  out.assign({kSequence, 0});
  for (ByteView number : {r_and_s.first(32), r_and_s.last(32)}) {
    while (number.size() > 1 && number.front() == 0) number = number.subspan(1);
    const bool padded = number.front() >= 0x80;
    out.push_back(kInteger);
    out.push_back(static_cast<std::uint8_t>(number.size() + (padded ? 1 : 0)));
    if (padded) out.push_back(0);
    out.insert(out.end(), number.begin(), number.end());
  }
  out[1] = static_cast<std::uint8_t>(out.size() - 2);
  return out;
}

Result<Bytes> ecdsa_r_and_s(ByteView der) {
  const unsigned char* at = der.data();
  const std::unique_ptr<ECDSA_SIG, FreeSignature> signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  Bytes out(64);
  if (!signature || BN_is_negative(ECDSA_SIG_get0_r(signature.get())) ||
      BN_is_negative(ECDSA_SIG_get0_s(signature.get())) ||
      BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), out.data(), 32) != 32 ||
      BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), out.data() + 32, 32) != 32) {
    return invalid("no DER form of a P-256 signature");
  }
  // One signature has one DER form: what does not encode back to itself has a long length, padding or a tail.
  const auto again = ecdsa_der(out);
  if (!again || !std::equal(again->begin(), again->end(), der.begin(), der.end())) {
    return invalid("an ECDSA signature in non-canonical DER");
  }
  return out;
}

}  // namespace countersign::keymgmt
