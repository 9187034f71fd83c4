#include "signer/statement/statement.h"

#include "signer/statement/approval_token_fields.h"
#include "signer/statement/approved_script_fields.h"
#include "signer/statement/delegation_token_fields.h"
#include "signer/statement/envelope.h"
#include "signer/statement/evidence_pack_fields.h"
#include "signer/statement/record_fields.h"
#include "signer/statement/trace_fields.h"

namespace countersign::statement {
namespace {

// The table role → statement types → formats → algorithms. P-256 serves tokens that have no Ed25519; gait itself
// verifies what is signed with Ed25519 only.
constexpr StatementRow kRows[] = {
    {StatementType::ApprovalToken, "approval_token", "gait.gate.approval_token", keymgmt::Role::Approval, true},
    {StatementType::Trace, "trace", "gait.gate.trace", keymgmt::Role::Trace, true},
    {StatementType::ApprovalAudit, "approval_audit", "gait.gate.approval_audit_record", keymgmt::Role::Trace, true},
    {StatementType::EvidencePack, "evidence_pack", "gait.guard.pack_manifest", keymgmt::Role::Trace, true},
    {StatementType::DelegationToken, "delegation_token", "gait.gate.delegation_token", keymgmt::Role::Approval, true},
    {StatementType::DelegationAudit, "delegation_audit", "gait.gate.delegation_audit_record", keymgmt::Role::Trace,
     true},
    {StatementType::CredentialEvidence, "credential_evidence", "gait.gate.broker_credential_record",
     keymgmt::Role::Trace, true},
    {StatementType::StateAttestation, "state_attestation", "countersign.state_attestation", keymgmt::Role::Trace, true},
    {StatementType::ApprovedScript, "approved_script", "gait.gate.approved_script_entry", keymgmt::Role::Approval,
     true},
};

struct VerdictRow {
  Verdict verdict;
  std::string_view name;
};
constexpr VerdictRow kVerdicts[] = {{Verdict::Allow, "allow"},
                                    {Verdict::DryRun, "dry_run"},
                                    {Verdict::RequireApproval, "require_approval"},
                                    {Verdict::Block, "block"}};

constexpr std::size_t kShortId = 24;

}  // namespace

const StatementRow& row_of(StatementType type) {
  for (const StatementRow& row : kRows) {
    if (row.type == type) return row;
  }
  __builtin_unreachable();
}

std::span<const StatementRow> statement_rows() {
  return kRows;
}

std::optional<StatementType> statement_type_named(std::string_view name) {
  for (const StatementRow& row : kRows) {
    if (row.name == name) return row.type;
  }
  return std::nullopt;
}

std::string_view name_of(Verdict verdict) {
  for (const VerdictRow& row : kVerdicts) {
    if (row.verdict == verdict) return row.name;
  }
  __builtin_unreachable();
}

std::optional<Verdict> verdict_named(std::string_view name) {
  for (const VerdictRow& row : kVerdicts) {
    if (row.name == name) return row.verdict;
  }
  return std::nullopt;
}

std::string short_id(std::string_view text) {
  std::string id = sha256(text).hex();
  id.resize(kShortId);
  return id;
}

std::string trace_id(const Digest& policy_digest, const Digest& intent_digest, Verdict verdict) {
  std::string text = policy_digest.hex();
  text += ':';
  text += intent_digest.hex();
  text += ':';
  text += name_of(verdict);
  return short_id(text);
}

Result<Statement> Statement::parse(StatementType type, JsonTree fields) {
  if (!fields.root().is(JsonNode::Kind::Object)) return Error{ErrorCode::Invalid, "a statement must be an object"};
  Statement out(type, std::move(fields));
  switch (type) {
    case StatementType::Trace: {
      ASSIGN_OR_RETURN(TraceReading trace, read_trace(out.fields_));
      out.claims_ = std::move(trace.claims);
      out.facts_ = trace.facts;
      break;
    }
    case StatementType::ApprovalToken: {
      ASSIGN_OR_RETURN(out.token_, read_approval_token_fields(out.fields_));
      break;
    }
    case StatementType::DelegationToken: {
      ASSIGN_OR_RETURN(out.delegation_, read_delegation_token_fields(out.fields_));
      break;
    }
    case StatementType::ApprovedScript: {
      ASSIGN_OR_RETURN(out.script_, read_approved_script_fields(out.fields_));
      break;
    }
    case StatementType::ApprovalAudit:
    case StatementType::DelegationAudit:
    case StatementType::CredentialEvidence:
    case StatementType::StateAttestation:
      RETURN_IF_ERROR(check_record_fields(type, out.fields_));
      break;
    case StatementType::EvidencePack: {
      ASSIGN_OR_RETURN(out.pack_, read_evidence_pack_fields(out.fields_));
      break;
    }
  }
  return out;
}

Result<UnsignedDocument> Statement::rebuild(const Stamp& stamp) const {
  switch (type_) {
    case StatementType::Trace: {
      StampedDocument made = stamped_trace(fields_, claims_, *facts_, stamp);
      return UnsignedDocument(std::move(made.document), made.signed_digest, type_);
    }
    case StatementType::ApprovalToken: {
      ASSIGN_OR_RETURN(StampedDocument made, stamped(*token_, stamp));
      return UnsignedDocument(std::move(made.document), made.signed_digest, type_);
    }
    case StatementType::DelegationToken: {
      ASSIGN_OR_RETURN(StampedDocument made, stamped(*delegation_, stamp));
      return UnsignedDocument(std::move(made.document), made.signed_digest, type_);
    }
    case StatementType::ApprovedScript: {
      StampedDocument made = stamped(*script_, stamp);
      return UnsignedDocument(std::move(made.document), made.signed_digest, type_);
    }
    case StatementType::ApprovalAudit:
    case StatementType::DelegationAudit:
    case StatementType::CredentialEvidence:
    case StatementType::StateAttestation: {
      StampedDocument made = stamped_record(type_, fields_, stamp);
      return UnsignedDocument(std::move(made.document), made.signed_digest, type_);
    }
    case StatementType::EvidencePack: {
      StampedDocument made = stamped(*pack_, stamp);
      return UnsignedDocument(std::move(made.document), made.signed_digest, type_);
    }
  }
  __builtin_unreachable();
}

Result<JsonTree> UnsignedDocument::seal(const keymgmt::PublicKey& key, ByteView signature) && {
  ASSIGN_OR_RETURN(JsonNode * member, sealed_envelope(document_, key, signature, signed_digest_));
  const bool is_pack = type_ == StatementType::EvidencePack;
  if (is_pack) {
    JsonNode& list = document_.make(JsonNode::Kind::Array);
    list.append(*member);
    member = &list;
  }
  member->name = is_pack ? "signatures" : "signature";
  document_.root().append(*member);
  return std::move(document_);
}

}  // namespace countersign::statement
