#include "keymgmt/tuf/signed_document.h"

#include "common/digest.h"
#include "common/json_fields.h"
#include "common/text.h"
#include "keymgmt/tuf/canonical.h"

namespace countersign::tuf {
namespace {

using keymgmt::Algorithm;
using keymgmt::PublicKey;

// As PublicKey::verify takes it; nothing where the text is no signature of the key's kind.
Result<Bytes> raw_signature(const PublicKey& key, const std::string& hex) {
  ASSIGN_OR_RETURN(Bytes bytes, from_hex(hex));
  if (key.algorithm() == Algorithm::Ed25519) return bytes;
  return keymgmt::ecdsa_r_and_s(bytes);
}

}  // namespace

Json key_json(const PublicKey& key) {
  const bool edwards = key.algorithm() == Algorithm::Ed25519;
  const std::string pem = key.pem();
  return Json::object({{"keytype", edwards ? "ed25519" : "ecdsa"},
                       {"keyval", Json::object({{"public", edwards ? to_hex(key.raw()) : std::string(trimmed(pem))}})},
                       {"scheme", edwards ? "ed25519" : "ecdsa-sha2-nistp256"}});
}

std::string key_id(const PublicKey& key) {
  const Result<std::string> text = canonical(key_json(key));
  return text ? sha256(*text).hex() : std::string();
}

Result<SignedDocument> SignedDocument::of(Json signed_part) {
  if (!signed_part.is_object()) return Error{ErrorCode::Invalid, "signed: must be an object"};
  ASSIGN_OR_RETURN(std::string message, canonical(signed_part));
  return SignedDocument(std::move(signed_part), std::move(message));
}

Result<SignedDocument> SignedDocument::parse(std::string_view text) {
  ASSIGN_OR_RETURN(const Json json, Json::parse(text));
  JsonFields fields(json, "");
  ASSIGN_OR_RETURN(const Json::Array* signatures, fields.array("signatures"));
  ASSIGN_OR_RETURN(const Json* signed_part, fields.required("signed"));
  RETURN_IF_ERROR(fields.finish());
  ASSIGN_OR_RETURN(SignedDocument document, of(*signed_part));
  if (signatures->size() > kMostSignatures) return fields.wrong("signatures", "holds more than 64");
  for (const Json& entry : *signatures) {
    // Other members than these are other people's (TUF specification §4.2.2).
    if (!entry.is_object() || entry.text("keyid").empty() || entry.find("sig") == nullptr) {
      return fields.wrong("signatures", "holds what is not {keyid, sig}");
    }
    if (!document.signatures_.emplace(entry.text("keyid"), entry.text("sig")).second) {
      return fields.wrong("signatures", "holds two of one key");
    }
  }
  return document;
}

Status SignedDocument::add(const PublicKey& key, ByteView signature) {
  RETURN_IF_ERROR(key.verify(view_of(message_), signature));
  Bytes written(signature.begin(), signature.end());
  if (key.algorithm() == Algorithm::P256) {
    ASSIGN_OR_RETURN(written, keymgmt::ecdsa_der(signature));
  }
  signatures_.insert_or_assign(key_id(key), to_hex(written));
  return ok();
}

std::string SignedDocument::text() const {
  Json::Array signatures;
  for (const auto& [id, hex] : signatures_) {
    signatures.push_back(Json::object({{"keyid", id}, {"sig", hex}}));
  }
  // Compact, not canonical: a PEM's line ends must be escaped in a file.
  return Json::object({{"signatures", std::move(signatures)}, {"signed", signed_}}).compact();
}

std::vector<std::string> SignedDocument::key_ids() const {
  std::vector<std::string> ids;
  ids.reserve(signatures_.size());
  for (const auto& [id, hex] : signatures_) ids.push_back(id);
  return ids;
}

std::set<std::string> SignedDocument::good_signers(const KeyTable& keys, const Signers& signers) const {
  std::set<std::string> good;
  std::set<std::string> kids;  // one key under two ids is one person
  for (const std::string& id : signers.key_ids) {
    const auto key = keys.find(id);
    const auto signature = signatures_.find(id);
    if (key == keys.end() || signature == signatures_.end()) continue;
    const Result<Bytes> raw = raw_signature(key->second, signature->second);
    if (!raw || !key->second.verify(view_of(message_), *raw)) continue;
    if (kids.insert(key->second.kid()).second) good.insert(id);
  }
  return good;
}

Status SignedDocument::verify(const KeyTable& keys, const Signers& signers, std::string_view what) const {
  const std::size_t good = good_signers(keys, signers).size();
  if (signers.threshold >= 1 && good >= static_cast<std::size_t>(signers.threshold)) return ok();
  return Error{ErrorCode::VerificationFailed,
               std::string(what) + " carries " + std::to_string(good) + " good signatures of the " +
                   std::to_string(signers.threshold) + " that it needs",
               "under_signed"};
}

}  // namespace countersign::tuf
