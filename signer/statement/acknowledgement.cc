#include "signer/statement/acknowledgement.h"

#include <algorithm>

#include "common/json_fields.h"
#include "keymgmt/public_key.h"
#include "signer/statement/approval_proof.h"

namespace countersign::statement {
namespace {

constexpr std::string_view kSchemaId = "countersign.acknowledgement";
constexpr std::size_t kNonceDigits = 32;
constexpr std::int64_t kLargest = (std::int64_t{1} << 53) - 1;

Error invalid_signature() {
  return Error{ErrorCode::VerificationFailed, "the acknowledgement is not signed by the verifier's key of the roster",
               "acknowledgement_invalid"};
}

}  // namespace

Json Acknowledgement::document() const {
  return Json::object({{"schema_id", kSchemaId},
                       {"verifier", verifier},
                       {"keyset_sha256", keyset.hex()},
                       {"targets_version", targets_version},
                       {"timestamp_version", timestamp_version},
                       {"at", at.rfc3339()},
                       {"nonce", nonce}});
}

Result<Acknowledgement> Acknowledgement::parse(const Json& document) {
  JsonFields fields(document, "acknowledgement");
  Acknowledgement out;
  ASSIGN_OR_RETURN(const std::string schema, fields.text("schema_id"));
  if (schema != kSchemaId) return fields.wrong("schema_id", "is not countersign.acknowledgement");
  ASSIGN_OR_RETURN(out.verifier, fields.text("verifier"));
  ASSIGN_OR_RETURN(const std::string digest, fields.text("keyset_sha256"));
  ASSIGN_OR_RETURN(out.keyset, Digest::parse(digest));
  ASSIGN_OR_RETURN(const std::int64_t targets, fields.integer("targets_version", 1, kLargest));
  ASSIGN_OR_RETURN(const std::int64_t timestamp, fields.integer("timestamp_version", 1, kLargest));
  out.targets_version = static_cast<std::uint64_t>(targets);
  out.timestamp_version = static_cast<std::uint64_t>(timestamp);
  ASSIGN_OR_RETURN(const std::string at, fields.text("at"));
  ASSIGN_OR_RETURN(out.at, UtcTime::parse(at));
  ASSIGN_OR_RETURN(out.nonce, fields.text("nonce"));
  if (out.nonce.size() != kNonceDigits || !from_hex(out.nonce)) return fields.wrong("nonce", "must be 32 hex digits");
  RETURN_IF_ERROR(fields.finish());
  return out;
}

Status verify(const Acknowledgement& acknowledgement, const Json& signature, std::string_view ssh_key,
              std::string_view pem) {
  JsonFields fields(signature, "signature");
  ASSIGN_OR_RETURN(const std::string kind, fields.text("kind"));
  ASSIGN_OR_RETURN(const std::string text, fields.text("signature"));
  RETURN_IF_ERROR(fields.finish());
  const std::string message = acknowledgement.message();
  if (kind == "ssh" && !ssh_key.empty()) {
    if (!verify_ssh_signature(text, message, kAcknowledgementNamespace, ssh_key)) return invalid_signature();
    return ok();
  }
  if (kind == "key" && !pem.empty()) {
    ASSIGN_OR_RETURN(const keymgmt::PublicKey key, keymgmt::PublicKey::from_pem(pem));
    ASSIGN_OR_RETURN(Bytes bytes, from_base64(text));
    if (key.algorithm() == keymgmt::Algorithm::P256) {
      const Result<Bytes> raw = keymgmt::ecdsa_r_and_s(bytes);
      if (!raw) return invalid_signature();
      bytes = *raw;
    }
    if (!key.verify(view_of(message), bytes)) return invalid_signature();
    return ok();
  }
  if (kind != "ssh" && kind != "key") return fields.wrong("kind", "must be ssh or key");
  return invalid_signature();
}

}  // namespace countersign::statement
