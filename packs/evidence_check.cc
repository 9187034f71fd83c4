#include "packs/evidence_check.h"

#include <limits>
#include <map>
#include <utility>

#include "common/json_fields.h"
#include "signer/log/record_proof.h"

namespace countersign::packs {
namespace {

using statement::StatementType;
using statement::VerifiedDocument;

constexpr EvidenceKind kKinds[] = {
    {StatementType::Trace, "trace"},
    {StatementType::ApprovalAudit, "approval_audit"},
    {StatementType::DelegationAudit, "delegation_audit"},
    {StatementType::CredentialEvidence, "credential_evidence"},
    {StatementType::ApprovalToken, "approval_token"},
    {StatementType::DelegationToken, "delegation_token"},
};

// What a leaf of the log must say of a document that was signed, or of a permit that was used.
struct Expected {
  std::string path;
  Digest signature_digest;
  std::string kid;
  std::optional<std::int64_t> executed{};  // the record of the execution; none: a signature
  bool logged = false;

  bool is(const log::LoggedRecord& record, const Digest& body_digest) const {
    if (!executed) return record.is_of(body_digest, signature_digest, kid).has_value();
    const Json* index = record.leaf().find("index");
    return record.leaf().text("kind") == "executed" && index != nullptr && index->is_integer() &&
           index->as_integer() == *executed;
  }
};

class Check {
 public:
  Check(const keymgmt::KeySet& keys, const std::optional<log::CheckpointTrust>& trust, LogProofs proofs)
      : keys_(keys), trust_(trust), required_(proofs == LogProofs::Required) {}

  void add(StatementType type, const EvidencePack::Document& each) { note(each.path, document(type, each)); }
  void add_execution(const EvidencePack::Document& each) { note(each.path, execution(each)); }
  void add_proof(const EvidencePack::Document& each) {
    proven_ = true;
    note(each.path, proof(each.json));
  }
  void fail(const std::string& path, const Error& error) {
    out_.failures.push_back({path, error.wire_code(), error.detail});
  }

  EvidenceCheck finished(std::size_t unverified) && {
    out_.unverified = static_cast<std::int64_t>(unverified);
    for (const auto& [digest, each] : expected_) {
      if (!each.executed) ++out_.documents;
      if (each.logged) {
        if (!each.executed) ++out_.logged;
      } else if (proven_ || required_) {
        fail(each.path,
             Error{ErrorCode::VerificationFailed, "the pack has no proof that it stands in the log", "not_in_log"});
      }
    }
    if (required_ && expected_.empty()) out_.failures.push_back(no_log_proof("it holds no signed document"));
    return std::move(out_);
  }

 private:
  void note(const std::string& path, const Status& status) {
    if (!status) fail(path, status.error());
  }

  Status document(StatementType type, const EvidencePack::Document& each) {
    ASSIGN_OR_RETURN(const VerifiedDocument verified, VerifiedDocument::verify(type, each.json, keys_));
    const Json* signature = verified.document().find("signature");
    ASSIGN_OR_RETURN(const Bytes bytes, from_base64(signature == nullptr ? "" : signature->text("sig")));
    expected_.emplace(verified.signed_digest(), Expected{each.path, sha256(bytes), verified.key().key.kid()});
    return ok();
  }

  Status execution(const EvidencePack::Document& each) {
    JsonFields fields(each.json, "");
    ASSIGN_OR_RETURN(const std::string trace, fields.text("trace"));
    ASSIGN_OR_RETURN(const std::int64_t index, fields.integer("index", 0, std::numeric_limits<std::int64_t>::max()));
    // What the signer records of an execution.
    const Digest body = sha256(Json::object({{"trace", trace}}).compact());
    expected_.emplace(body, Expected{each.path, Digest(), "", index});
    return ok();
  }

  Status proof(const Json& json) {
    ASSIGN_OR_RETURN(const log::RecordProof proof, log::RecordProof::parse(json));
    ASSIGN_OR_RETURN(const log::CheckpointTrust trust,
                     trust_ ? Result<log::CheckpointTrust>(*trust_) : log::trust_in(keys_, proof.checkpoint));
    ASSIGN_OR_RETURN(const log::LoggedRecord record, log::LoggedRecord::verify(proof, trust));
    if (const Result<Digest> digest = Digest::parse(record.leaf().text("body_digest"))) {
      const auto [first, last] = expected_.equal_range(*digest);
      for (auto each = first; each != last; ++each) {
        if (!each->second.is(record, *digest)) continue;
        each->second.logged = true;
        return ok();
      }
    }
    return Error{ErrorCode::VerificationFailed, "it proves a record that is none of the pack's documents",
                 "proof_of_nothing"};
  }

  const keymgmt::KeySet& keys_;
  const std::optional<log::CheckpointTrust>& trust_;
  const bool required_;
  std::multimap<Digest, Expected> expected_;
  bool proven_ = false;
  EvidenceCheck out_;
};

}  // namespace

std::span<const EvidenceKind> evidence_kinds() {
  return kKinds;
}

EvidenceFailure no_log_proof(std::string_view why) {
  return {"log_proof", "not_in_log", "the pack proves no place in the log: " + std::string(why)};
}

EvidenceCheck check_evidence(const EvidencePack& pack, const keymgmt::KeySet& keys,
                             const std::optional<log::CheckpointTrust>& trust, LogProofs proofs) {
  Check check(keys, trust, proofs);
  const auto each_of = [&pack, &check](std::string_view stem, const auto& take) -> std::size_t {
    const auto documents = pack.documents(stem);
    if (!documents) {
      check.fail(std::string(stem), documents.error());
      return 0;
    }
    for (const EvidencePack::Document& each : *documents) take(each);
    return documents->size();
  };
  for (const EvidenceKind& kind : kKinds) {
    each_of(kind.stem, [&](const EvidencePack::Document& each) { check.add(kind.type, each); });
  }
  each_of("execution", [&](const EvidencePack::Document& each) { check.add_execution(each); });
  each_of("log_proof", [&](const EvidencePack::Document& each) { check.add_proof(each); });
  const std::size_t unverified = each_of("unverified", [](const EvidencePack::Document&) {});
  return std::move(check).finished(unverified);
}

}  // namespace countersign::packs
