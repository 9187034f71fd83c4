#include "signer/statement/statement.h"

#include "signer/statement/approval_token_fields.h"
#include "signer/statement/approved_script_fields.h"
#include "signer/statement/checkpoint_fields.h"
#include "signer/statement/delegation_token_fields.h"
#include "signer/statement/envelope.h"
#include "signer/statement/evidence_pack_fields.h"
#include "signer/statement/publication_fields.h"
#include "signer/statement/record_fields.h"
#include "signer/statement/release_files.h"
#include "signer/statement/say_token_fields.h"
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
    {StatementType::ApprovedScript, "approved_script", "gait.gate.approved_script_entry", keymgmt::Role::Approval, true,
     Format::Gait},
    {StatementType::TufTimestamp, "tuf_timestamp", "timestamp", keymgmt::Role::Publication, true, Format::Tuf},
    {StatementType::TufSnapshot, "tuf_snapshot", "snapshot", keymgmt::Role::Publication, true, Format::Tuf},
    {StatementType::TufRevoked, "tuf_revoked", "targets", keymgmt::Role::Publication, true, Format::Tuf},
    {StatementType::LogCheckpoint, "log_checkpoint", "tlog-checkpoint", keymgmt::Role::Log, false, Format::Note},
    {StatementType::Release, "release", "countersign.release", keymgmt::Role::Release, true, Format::Release},
    {StatementType::SayToken, "say_token", "gait.voice.say_token", keymgmt::Role::Trace, true},
};

struct FormatRow {
  Format format;
  std::string_view name;
};
constexpr FormatRow kFormats[] = {{Format::Gait, "gait"},
                                  {Format::Tuf, "TUF 1.0"},
                                  {Format::Note, "signed note"},
                                  {Format::Release, "release files"}};

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

std::string_view name_of(Format format) {
  for (const FormatRow& row : kFormats) {
    if (row.format == format) return row.name;
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
    case StatementType::SayToken: {
      ASSIGN_OR_RETURN(out.say_token_, read_say_token_fields(out.fields_));
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
    case StatementType::TufTimestamp:
    case StatementType::TufSnapshot:
    case StatementType::TufRevoked: {
      ASSIGN_OR_RETURN(out.online_, read_publication_fields(type, out.fields_));
      break;
    }
    case StatementType::LogCheckpoint: {
      ASSIGN_OR_RETURN(out.online_, read_checkpoint_fields(out.fields_));
      break;
    }
    case StatementType::Release: {
      ASSIGN_OR_RETURN(out.online_, read_release_fields(out.fields_));
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
    case StatementType::SayToken: {
      ASSIGN_OR_RETURN(StampedDocument made, stamped(*say_token_, stamp));
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
    case StatementType::TufTimestamp:
    case StatementType::TufSnapshot:
    case StatementType::TufRevoked: {
      ASSIGN_OR_RETURN(OnlineDocument made, stamped_publication(type_, online_, stamp));
      const Digest digest = sha256(made.message);
      return UnsignedDocument(JsonTree(made.document), digest, type_, std::move(made.message));
    }
    case StatementType::Release: {
      Json document = stamped_release(online_, stamp);
      ASSIGN_OR_RETURN(std::vector<ReleasePart> parts, release_parts(document, stamp.algorithm));
      const Digest digest = document.digest();
      UnsignedDocument out(JsonTree(document), digest, type_, std::move(parts.front().message));
      for (std::size_t i = 1; i < parts.size(); ++i) {
        out.further_.push_back({std::move(parts[i].message), parts[i].after_previous});
      }
      return out;
    }
    case StatementType::LogCheckpoint: {
      OnlineDocument made = stamped_checkpoint(online_);
      const Digest digest = sha256(made.message);
      return UnsignedDocument(JsonTree(made.document), digest, type_, std::move(made.message));
    }
  }
  __builtin_unreachable();
}

std::chrono::nanoseconds Statement::lifetime() const {
  return row_of(type_).format == Format::Tuf ? lifetime_of(online_) : std::chrono::nanoseconds(0);
}

std::optional<Bytes> UnsignedDocument::further_message(ByteView so_far) const {
  constexpr std::size_t kSignature = 64;
  const std::size_t made = so_far.size() / kSignature;
  if (made == 0 || made > further_.size()) return std::nullopt;
  const Further& next = further_[made - 1];
  Bytes message;
  if (next.after_previous) message.assign(so_far.end() - kSignature, so_far.end());
  const ByteView own = view_of(next.message);
  message.insert(message.end(), own.begin(), own.end());
  return message;
}

Result<JsonTree> UnsignedDocument::seal(const keymgmt::PublicKey& key, ByteView signature) && {
  switch (row_of(type_).format) {
    case Format::Tuf: {
      ASSIGN_OR_RETURN(const Json file, sealed_publication(document_.root().json(), key, signature));
      return JsonTree(file);
    }
    case Format::Note: {
      ASSIGN_OR_RETURN(const Json file, sealed_checkpoint(document_.root().json(), key, signature));
      return JsonTree(file);
    }
    case Format::Release: {
      ASSIGN_OR_RETURN(const Json files, sealed_release(document_.root().json(), key, signature));
      return JsonTree(files);
    }
    case Format::Gait:
      break;
  }
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
