#include "signer/log/record_proof.h"

#include "common/json_fields.h"
#include "signer/log/merkle_tree.h"

namespace countersign::log {
namespace {

constexpr std::size_t kMostHashes = 64;

Error invalid(const char* what) {
  return Error{ErrorCode::Invalid, std::string("the proof's ") + what, "proof_invalid"};
}

Error mismatch(const char* what) {
  return Error{ErrorCode::VerificationFailed, std::string("the log's record is of another ") + what,
               "log_record_mismatch"};
}

}  // namespace

Json RecordProof::to_json() const {
  Json::Array texts;
  for (const Digest& hash : hashes) texts.push_back(to_base64(hash.bytes()));
  return Json::object(
      {{"index", index}, {"size", size}, {"leaf", leaf}, {"hashes", std::move(texts)}, {"checkpoint", checkpoint}});
}

Result<RecordProof> RecordProof::parse(const Json& json) {
  constexpr std::int64_t kMost = INT64_MAX;
  JsonFields fields(json, "");
  RecordProof proof;
  ASSIGN_OR_RETURN(const std::int64_t index, fields.integer("index", 0, kMost));
  ASSIGN_OR_RETURN(const std::int64_t size, fields.integer("size", 0, kMost));
  proof.index = static_cast<std::uint64_t>(index);
  proof.size = static_cast<std::uint64_t>(size);
  ASSIGN_OR_RETURN(proof.leaf, fields.text("leaf"));
  ASSIGN_OR_RETURN(proof.checkpoint, fields.text("checkpoint"));
  ASSIGN_OR_RETURN(const Json* hashes, fields.required("hashes"));
  RETURN_IF_ERROR(fields.finish());
  if (!hashes->is_array() || hashes->as_array().size() > kMostHashes) return invalid("hashes are a list of at most 64");
  for (const Json& each : hashes->as_array()) {
    const Result<Bytes> bytes = from_base64(each.is_string() ? each.as_string() : "");
    if (!bytes || bytes->size() != Digest::kSize) return invalid("hashes are base64 of 32 bytes each");
    proof.hashes.push_back(*Digest::from_bytes(*bytes));
  }
  return proof;
}

Result<LoggedRecord> LoggedRecord::verify(const RecordProof& proof, const CheckpointTrust& trust) {
  ASSIGN_OR_RETURN(TrustedCheckpoint checkpoint, TrustedCheckpoint::open(proof.checkpoint, trust));
  const Error not_in_log{ErrorCode::VerificationFailed,
                         "the proof of record " + std::to_string(proof.index) + " does not lead to the checkpoint",
                         "not_in_log"};
  if (checkpoint.checkpoint().size != proof.size) return not_in_log;
  if (!verify_inclusion(leaf_hash(view_of(proof.leaf)), proof.index, proof.size, proof.hashes,
                        checkpoint.checkpoint().root)) {
    return not_in_log;
  }
  ASSIGN_OR_RETURN(Json leaf, Json::parse(proof.leaf));
  const Json* index = leaf.find("index");
  if (index == nullptr || *index != Json(proof.index)) return not_in_log;
  return LoggedRecord(std::move(leaf), std::move(checkpoint));
}

Status LoggedRecord::is_of(const Digest& signed_digest, const Digest& signature_digest, std::string_view kid) const {
  if (leaf_.text("kind") != "signed") return mismatch("kind than a signature");
  if (leaf_.text("body_digest") != signed_digest.hex()) return mismatch("statement");
  if (leaf_.text("signature_digest") != signature_digest.hex()) return mismatch("signature");
  if (leaf_.text("kid") != kid) return mismatch("key");
  return ok();
}

}  // namespace countersign::log
