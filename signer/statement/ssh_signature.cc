// OpenSSH's detached signatures: PROTOCOL.sshsig, PROTOCOL.u2f, RFC 4253, 5656, 8332, 8709.
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/sha.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "common/armour.h"
#include "common/text.h"
#include "keymgmt/public_key.h"
#include "signer/statement/approval_proof.h"
#include "signer/statement/ssh_wire.h"

namespace countersign::statement {
namespace {

constexpr std::string_view kMagic = "SSHSIG";
constexpr std::size_t kLongestArmour = 16384;
constexpr std::uint8_t kUserPresent = 0x01;  // WebAuthn's flag UP
constexpr std::size_t kShortestRsa = 256;    // bytes of the modulus: 2048 bits
constexpr std::size_t kLongestRsa = 1024;

struct FreeOpenssl {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(OSSL_PARAM_BLD* builder) const { OSSL_PARAM_BLD_free(builder); }
  void operator()(OSSL_PARAM* parameters) const { OSSL_PARAM_free(parameters); }
  void operator()(BIGNUM* number) const { BN_free(number); }
};
template <typename T>
using Owned = std::unique_ptr<T, FreeOpenssl>;

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, "SSH: " + std::move(detail)};
}

Error unverified(std::string detail) {
  return Error{ErrorCode::VerificationFailed, "SSH signature: " + std::move(detail), "signature_invalid"};
}

enum class KeyType { Ed25519, Ecdsa, Rsa, SkEd25519, SkEcdsa };
struct KeyTypeRow {
  KeyType type;
  std::string_view name;
};
constexpr KeyTypeRow kKeyTypes[] = {{KeyType::Ed25519, "ssh-ed25519"},
                                    {KeyType::Ecdsa, "ecdsa-sha2-nistp256"},
                                    {KeyType::Rsa, "ssh-rsa"},
                                    {KeyType::SkEd25519, "sk-ssh-ed25519@openssh.com"},
                                    {KeyType::SkEcdsa, "sk-ecdsa-sha2-nistp256@openssh.com"}};

const KeyTypeRow* key_type_named(std::string_view name) {
  const auto at = std::find_if(std::begin(kKeyTypes), std::end(kKeyTypes),
                               [name](const KeyTypeRow& row) { return row.name == name; });
  return at == std::end(kKeyTypes) ? nullptr : at;
}

struct SshKey {
  const KeyTypeRow* row;
  Bytes blob;
  std::optional<keymgmt::PublicKey> curve_key;  // of all but RSA
  std::string application;                      // of security keys
  Bytes modulus, exponent;                      // of RSA
};

Result<keymgmt::PublicKey> read_ed25519(SshReader& reader) {
  ASSIGN_OR_RETURN(const ByteView raw, reader.string());
  return keymgmt::PublicKey::from_raw(keymgmt::Algorithm::Ed25519, raw);
}

Result<keymgmt::PublicKey> read_p256(SshReader& reader) {
  ASSIGN_OR_RETURN(const std::string_view curve, reader.text());
  if (curve != "nistp256") return invalid("a curve that is not nistp256");
  ASSIGN_OR_RETURN(const ByteView raw, reader.string());
  return keymgmt::PublicKey::from_raw(keymgmt::Algorithm::P256, raw);
}

Result<SshKey> read_key(Bytes blob) {
  SshReader reader(blob);
  ASSIGN_OR_RETURN(const std::string_view name, reader.text());
  SshKey key{.row = key_type_named(name)};
  if (key.row == nullptr) return invalid("unknown key type " + std::string(name.substr(0, 64)));
  switch (key.row->type) {
    case KeyType::Ed25519: {
      ASSIGN_OR_RETURN(key.curve_key, read_ed25519(reader));
      break;
    }
    case KeyType::Ecdsa: {
      ASSIGN_OR_RETURN(key.curve_key, read_p256(reader));
      break;
    }
    case KeyType::Rsa: {
      ASSIGN_OR_RETURN(key.exponent, reader.positive(0));
      ASSIGN_OR_RETURN(key.modulus, reader.positive(0));
      if (key.modulus.size() < kShortestRsa || (key.modulus.size() == kShortestRsa && key.modulus[0] < 0x80)) {
        return invalid("an RSA key below 2048 bits");
      }
      if (key.modulus.size() > kLongestRsa) return invalid("an RSA key above 8192 bits");
      break;
    }
    case KeyType::SkEd25519:
    case KeyType::SkEcdsa: {
      auto inner = key.row->type == KeyType::SkEd25519 ? read_ed25519(reader) : read_p256(reader);
      if (!inner) return std::move(inner).error();
      key.curve_key = *std::move(inner);
      ASSIGN_OR_RETURN(key.application, reader.text());
      break;
    }
  }
  RETURN_IF_ERROR(reader.finish());
  key.blob = std::move(blob);
  return key;
}

// "type base64 [comment]", one line, without options.
Result<SshKey> read_key_line(std::string_view line) {
  line = trimmed(line);
  if (line.find('\n') != std::string_view::npos) return invalid("a public key is one line");
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return invalid("a public key line is: type base64 [comment]");
  const std::string_view type = line.substr(0, space);
  std::string_view body = line.substr(space + 1);
  body = body.substr(0, body.find_first_of(" \t"));
  ASSIGN_OR_RETURN(Bytes blob, from_base64(body));
  ASSIGN_OR_RETURN(SshKey key, read_key(std::move(blob)));
  if (key.row->name != type) return invalid("a public key line whose two types differ");
  return key;
}

Result<Bytes> read_armour(std::string_view armoured) {
  if (armoured.size() > kLongestArmour) return invalid("a signature over 16 KiB");
  return from_armour(armoured, "SSH SIGNATURE");
}

Status verify_curve(const SshKey& key, SshReader& signature, ByteView message) {
  ASSIGN_OR_RETURN(const ByteView value, signature.string());
  if (key.curve_key->algorithm() == keymgmt::Algorithm::Ed25519) return key.curve_key->verify(message, value);
  SshReader numbers(value);
  ASSIGN_OR_RETURN(Bytes r_and_s, numbers.positive(32));
  ASSIGN_OR_RETURN(const Bytes s, numbers.positive(32));
  RETURN_IF_ERROR(numbers.finish());
  r_and_s.insert(r_and_s.end(), s.begin(), s.end());
  return key.curve_key->verify(message, r_and_s);
}

// The token signs SHA-256(application) || flags || counter || SHA-256(message).
Status verify_security_key(const SshKey& key, SshReader& signature, ByteView message) {
  ASSIGN_OR_RETURN(const ByteView value, signature.string());
  ASSIGN_OR_RETURN(const std::uint8_t flags, signature.byte());
  ASSIGN_OR_RETURN(const std::uint32_t counter, signature.number());
  if ((flags & kUserPresent) == 0) return unverified("nobody touched the security key");
  const Digest application = sha256(key.application);
  const Digest digest = sha256(message);
  Bytes signed_bytes(application.bytes().begin(), application.bytes().end());
  signed_bytes.push_back(flags);
  append_ssh_number(signed_bytes, counter);
  signed_bytes.insert(signed_bytes.end(), digest.bytes().begin(), digest.bytes().end());
  Bytes as_string;
  append_ssh_string(as_string, value);
  SshReader again(as_string);
  return verify_curve(key, again, signed_bytes);
}

Status verify_rsa(const SshKey& key, std::string_view signature_type, SshReader& signature, ByteView message) {
  ASSIGN_OR_RETURN(const ByteView given, signature.string());
  if (given.size() > key.modulus.size()) return unverified("longer than its RSA key");
  Bytes value(key.modulus.size() - given.size(), 0);  // OpenSSH may leave leading zeros out
  value.insert(value.end(), given.begin(), given.end());

  const Owned<BIGNUM> n(BN_bin2bn(key.modulus.data(), static_cast<int>(key.modulus.size()), nullptr));
  const Owned<BIGNUM> e(BN_bin2bn(key.exponent.data(), static_cast<int>(key.exponent.size()), nullptr));
  const Owned<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  if (!n || !e || !builder || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    return unverified("OpenSSL cannot hold the RSA key");
  }
  const Owned<OSSL_PARAM> parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  const Owned<EVP_PKEY_CTX> maker(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* made = nullptr;
  if (!parameters || !maker || EVP_PKEY_fromdata_init(maker.get()) != 1 ||
      EVP_PKEY_fromdata(maker.get(), &made, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
    return unverified("OpenSSL cannot hold the RSA key");
  }
  const Owned<EVP_PKEY> rsa(made);
  const EVP_MD* hash = signature_type == "rsa-sha2-512" ? EVP_sha512() : EVP_sha256();
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  if (!context || EVP_DigestVerifyInit(context.get(), nullptr, hash, nullptr, rsa.get()) != 1 ||
      EVP_DigestVerify(context.get(), value.data(), value.size(), message.data(), message.size()) != 1) {
    return unverified("it does not verify");
  }
  return ok();
}

bool fits(const SshKey& key, std::string_view signature_type) {
  if (key.row->type == KeyType::Rsa) {
    return signature_type == "rsa-sha2-256" || signature_type == "rsa-sha2-512";  // never SHA-1
  }
  return signature_type == key.row->name;
}

Status verify_value(const SshKey& key, ByteView value, ByteView message) {
  SshReader reader(value);
  ASSIGN_OR_RETURN(const std::string_view type, reader.text());
  if (!fits(key, type)) return unverified("its type does not fit its key");
  Status verified = ok();
  switch (key.row->type) {
    case KeyType::Ed25519:
    case KeyType::Ecdsa:
      verified = verify_curve(key, reader, message);
      break;
    case KeyType::Rsa:
      verified = verify_rsa(key, type, reader, message);
      break;
    case KeyType::SkEd25519:
    case KeyType::SkEcdsa:
      verified = verify_security_key(key, reader, message);
      break;
  }
  RETURN_IF_ERROR(verified);
  return reader.finish();
}

Result<Bytes> hashed(std::string_view algorithm, std::string_view message) {
  if (algorithm == "sha256") {
    const Digest digest = sha256(message);
    return Bytes(digest.bytes().begin(), digest.bytes().end());
  }
  if (algorithm == "sha512") {
    Bytes out(SHA512_DIGEST_LENGTH);
    SHA512(reinterpret_cast<const unsigned char*>(message.data()), message.size(), out.data());
    return out;
  }
  return invalid("a hash that is neither sha256 nor sha512");
}

}  // namespace

Status verify_ssh_signature(std::string_view armoured, std::string_view message, std::string_view name_space,
                            std::string_view public_key_line) {
  ASSIGN_OR_RETURN(const SshKey key, read_key_line(public_key_line));
  ASSIGN_OR_RETURN(const Bytes blob, read_armour(armoured));
  if (!text_of(blob).starts_with(kMagic)) return invalid("a signature without SSHSIG at its start");
  SshReader reader(ByteView(blob).subspan(kMagic.size()));
  ASSIGN_OR_RETURN(const std::uint32_t version, reader.number());
  ASSIGN_OR_RETURN(const ByteView signer, reader.string());
  ASSIGN_OR_RETURN(const std::string_view given_space, reader.text());
  ASSIGN_OR_RETURN(const std::string_view reserved, reader.text());
  ASSIGN_OR_RETURN(const std::string_view hash, reader.text());
  ASSIGN_OR_RETURN(const ByteView value, reader.string());
  RETURN_IF_ERROR(reader.finish());
  if (version != 1) return invalid("a signature version other than 1");
  if (!reserved.empty()) return invalid("a signature whose reserved part is not empty");
  if (!std::equal(signer.begin(), signer.end(), key.blob.begin(), key.blob.end())) {
    return unverified("it was made by another key");
  }
  if (given_space != name_space) {
    return unverified("its namespace is \"" + std::string(given_space.substr(0, 64)) + "\" instead of \"" +
                      std::string(name_space) + "\"");
  }
  ASSIGN_OR_RETURN(const Bytes digest, hashed(hash, message));
  Bytes signed_bytes(kMagic.begin(), kMagic.end());
  append_ssh_string(signed_bytes, view_of(given_space));
  append_ssh_string(signed_bytes, view_of(reserved));
  append_ssh_string(signed_bytes, view_of(hash));
  append_ssh_string(signed_bytes, digest);
  return verify_value(key, value, signed_bytes);
}

Result<std::string> ssh_fingerprint(std::string_view public_key_line) {
  ASSIGN_OR_RETURN(const SshKey key, read_key_line(public_key_line));
  std::string text = to_base64(sha256(ByteView(key.blob)).bytes());
  while (text.ends_with('=')) text.pop_back();
  return "SHA256:" + text;
}

}  // namespace countersign::statement
