#include "signer/statement/envelope.h"

#include "signer/statement/trace_fields.h"

namespace countersign::statement {
namespace {

constexpr std::size_t kSignatureSize = 64;

Error unverified(std::string detail) {
  return Error{ErrorCode::VerificationFailed, std::move(detail), "signature_invalid"};
}

// The signature's bytes as the member `sig` has them.
Result<std::string> signature_text(const keymgmt::PublicKey& key, ByteView signature) {
  if (signature.size() != kSignatureSize) {
    return Error{ErrorCode::Invalid, "a signature of " + std::to_string(signature.size()) + " bytes instead of 64"};
  }
  if (key.algorithm() == keymgmt::Algorithm::Ed25519) return to_base64(signature);
  ASSIGN_OR_RETURN(const Bytes der, keymgmt::ecdsa_der(signature));
  return to_base64(der);
}

}  // namespace

std::string_view envelope_algorithm(keymgmt::Algorithm algorithm) {
  switch (algorithm) {
    case keymgmt::Algorithm::Ed25519:
      return "ed25519";
    case keymgmt::Algorithm::P256:
      return "ecdsa-p256-sha256";
  }
  __builtin_unreachable();
}

Result<Json> sealed_envelope(const keymgmt::PublicKey& key, ByteView signature, const Digest& signed_digest) {
  ASSIGN_OR_RETURN(std::string text, signature_text(key, signature));
  Json::Object out;
  out.reserve(4);
  out.emplace_back("alg", envelope_algorithm(key.algorithm()));
  out.emplace_back("key_id", key.gait_key_id());
  out.emplace_back("sig", std::move(text));
  out.emplace_back("signed_digest", signed_digest.hex());
  return Json(std::move(out));
}

Result<JsonNode*> sealed_envelope(const JsonTree& tree, const keymgmt::PublicKey& key, ByteView signature,
                                  const Digest& signed_digest) {
  ASSIGN_OR_RETURN(const std::string text, signature_text(key, signature));
  JsonNode& out = tree.make(JsonNode::Kind::Object);
  add_text(tree, out, "alg", envelope_algorithm(key.algorithm()));
  add_text(tree, out, "key_id", tree.keep(key.gait_key_id()));
  add_text(tree, out, "sig", tree.keep(text));
  add_text(tree, out, "signed_digest", tree.keep(signed_digest.hex()));
  return &out;
}

Status verify_envelope(const Json& envelope, const keymgmt::PublicKey& key, const Digest& digest) {
  if (envelope.text("alg") != envelope_algorithm(key.algorithm())) {
    return unverified("the envelope's alg is not the algorithm of its key");
  }
  if (envelope.text("key_id") != key.gait_key_id()) return unverified("the envelope names another key");
  auto signature = from_base64(envelope.text("sig"));
  if (!signature) return unverified("the envelope's sig is not base64");
  if (key.algorithm() == keymgmt::Algorithm::P256) {
    signature = keymgmt::ecdsa_r_and_s(*signature);
    if (!signature) return unverified("the envelope's sig is no DER form of a P-256 signature");
  }
  if (!key.verify(digest.bytes(), *signature)) return unverified("the signature does not verify under its key");
  return ok();
}

}  // namespace countersign::statement
