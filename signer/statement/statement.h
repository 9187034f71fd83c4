// What may be signed, and by which role: the closed set of statement types. The caller gives typed fields; only
// `rebuild` turns them into the document that is signed, and it alone sets times, ids and sequence.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/digest.h"
#include "common/json_tree.h"
#include "common/result.h"
#include "keymgmt/key_set.h"
#include "keymgmt/role.h"

namespace countersign::statement {

// The numbers travel between front and holder: new types go to the end.
enum class StatementType {
  ApprovalToken,
  Trace,
  ApprovalAudit,
  EvidencePack,
  DelegationToken,
  DelegationAudit,
  CredentialEvidence,
  StateAttestation,
  ApprovedScript,
  TufTimestamp,
  TufSnapshot,
  TufRevoked,
  LogCheckpoint,
  Release,
  SayToken,
};

// What a document of the type is to those who read it: gait's JSON with its envelope, a file of TUF metadata, or a C2SP
// signed note (both asked for by the front alone; no peer may), or the files of a release.
enum class Format { Gait, Tuf, Note, Release };
std::string_view name_of(Format format);

struct StatementRow {
  StatementType type;
  std::string_view name;       // in the API and in `peers.may` as sign:<role>
  std::string_view schema_id;  // gait's, or the specification's word
  keymgmt::Role role;
  bool p256;  // whether a P-256 key may sign it (gait itself verifies Ed25519 only)
  Format format = Format::Gait;
};
// The table role → statement types → formats → algorithms; docs/statements.md is printed from it.
const StatementRow& row_of(StatementType type);
std::span<const StatementRow> statement_rows();
std::optional<StatementType> statement_type_named(std::string_view name);

enum class Verdict { Allow, DryRun, RequireApproval, Block };  // in order of restriction
std::string_view name_of(Verdict verdict);
std::optional<Verdict> verdict_named(std::string_view name);

// The member `countersign` of a trace, which gait drops before hashing; its JCS digest stands in
// relationship.related_entity_ids as "countersign:<hex>", which gait hashes.
struct DecisionFacts {
  std::string requester;                  // context.identity of the intent
  std::vector<std::string> reason_codes;  // sorted
  std::string matched_rule;
  std::int64_t required_approvals = 0;
  bool distinct_approvers = false;
  std::vector<std::string> required_scopes;
  bool destructive = false;
  std::string context_source;   // "", "envelope" or "claim"
  std::string approved_script;  // pattern id of a cited entry; empty for none
};
// As a caller gives it in the member `countersign`: empty texts left out.
Json to_json(const DecisionFacts& facts);

// What a trace says that rules and the ledger look at.
struct TraceClaims {
  DecisionFacts facts;
  Digest intent_digest;
  Digest policy_digest;
  Verdict verdict = Verdict::Block;
};

// A trace to be signed, as its author makes it. `fields` are gait's trace members (gait-formats §16.1) in file order
// without those the holder sets (schema_id, schema_version, observed_at, producer_version, trace_id, event_id,
// signature) and without `countersign`.
struct TraceFields {
  Json fields;
  DecisionFacts facts;
  Digest intent_digest;
  Digest policy_digest;
  Verdict verdict = Verdict::Block;
};

struct ApprovalTokenFields {
  Digest intent_digest;
  Digest policy_digest;
  std::optional<Digest> delegation_binding_digest;
  std::string approver_identity;
  std::string reason_code;
  std::vector<std::string> scope;  // lower-cased set, each "kind:name", never a wildcard
  std::chrono::nanoseconds ttl{};  // whole seconds, > 0
  std::int64_t max_targets = 0;    // 0: no limit
  std::int64_t max_ops = 0;
};

struct DelegationTokenFields {
  std::string delegator_identity;
  std::string delegate_identity;   // another one
  std::vector<std::string> scope;  // lower-cased set, never a wildcard
  std::string scope_class;         // "": none
  std::optional<Digest> intent_digest;
  std::optional<Digest> policy_digest;
  std::chrono::nanoseconds ttl{};  // whole seconds, > 0
};

struct ApprovedScriptFields {
  std::string pattern_id;
  Digest policy_digest;
  Digest script_hash;
  std::vector<std::string> tool_sequence;  // lower-cased set
  std::vector<std::string> scope;          // lower-cased set, never a wildcard; empty: always
  std::string approver_identity;
  std::chrono::nanoseconds ttl{};  // whole seconds, > 0
};

// What an agent may say in one turn of a call (docs/voice.md). No number is negative, and call_seq is at least 1.
struct SayTokenFields {
  std::string commitment_class;  // one of commitment_classes()
  Digest intent_digest;
  Digest policy_digest;
  std::string call_id;
  std::int64_t turn_index = 0;
  std::int64_t call_seq = 0;
  std::string currency;              // "": none
  std::int64_t quote_min_cents = 0;  // 0: no bound
  std::int64_t quote_max_cents = 0;
  std::int64_t refund_ceiling_cents = 0;
  std::chrono::nanoseconds ttl{};  // > 0; whole seconds where the signer mints
};

struct EvidencePackFields {
  // gait-formats §16.2 in file order without schema_id, schema_version, producer_version, pack_id and generated_at,
  // which the holder sets.
  Json fields;
};

// The name of the manifest in a pack, which it does not list, and the id of a pack with these contents.
inline constexpr std::string_view kPackManifestName = "pack_manifest.json";
std::string evidence_pack_id(std::string_view run_id, const Json& contents);

// What the holder alone decides.
struct Stamp {
  UtcTime now;
  std::uint64_t sequence = 0;  // reserved by the front; goes into a trace's `countersign`
  std::string token_id;        // 24 random hex digits; for a token
  keymgmt::Algorithm algorithm = keymgmt::Algorithm::Ed25519;  // of the key that signs; for a release
};

// A document ready to be signed: only Statement::rebuild makes one.
class UnsignedDocument {
 public:
  const JsonTree& document() const { return document_; }  // gait's file order, without `signature`
  const Digest& signed_digest() const { return signed_digest_; }
  // What the key signs: the 32 bytes of the digest, or what the digest is of (TUF, a note).
  ByteView message() const { return message_.empty() ? ByteView(signed_digest_.bytes()) : view_of(message_); }
  // What the key signs after `so_far` (64 bytes a signature); nothing when it has signed all. A release has several
  // signatures, everything else one.
  std::optional<Bytes> further_message(ByteView so_far) const;
  // Adds gait's envelope (gait-formats §4), to a pack as a list of one. `signature` as the token made it (Ed25519 64
  // bytes; P-256 r||s, carried as DER under alg "ecdsa-p256-sha256"). Of TUF and a note: the file as it is published;
  // of a release: its files, `signature` being all of them, one after another.
  Result<JsonTree> seal(const keymgmt::PublicKey& key, ByteView signature) &&;

 private:
  friend class Statement;
  UnsignedDocument(JsonTree document, const Digest& digest, StatementType type, std::string message = {})
      : document_(std::move(document)), signed_digest_(digest), type_(type), message_(std::move(message)) {}
  JsonTree document_;
  Digest signed_digest_;
  StatementType type_;
  std::string message_;
  struct Further {
    std::string message;
    bool after_previous;  // the signature before it stands in front of `message`
  };
  std::vector<Further> further_;  // of a release
};

class Statement {
 public:
  // Takes the nodes of `fields` over; what they view must outlive the statement and all that is made of it.
  // Strict: unknown, missing, mistyped or oversized members fail with Invalid naming the member; a wildcard scope with
  // Refused, reason "scope_wildcard".
  static Result<Statement> parse(StatementType type, JsonTree fields);

  StatementType type() const { return type_; }
  keymgmt::Role role() const { return row_of(type_).role; }
  // Null unless the type matches.
  const TraceClaims* trace() const { return facts_ == nullptr ? nullptr : &claims_; }
  const ApprovalTokenFields* approval_token() const { return token_ ? &*token_ : nullptr; }
  const DelegationTokenFields* delegation_token() const { return delegation_ ? &*delegation_ : nullptr; }
  const ApprovedScriptFields* approved_script() const { return script_ ? &*script_ : nullptr; }
  const SayTokenFields* say_token() const { return say_token_ ? &*say_token_ : nullptr; }
  const Json* release() const { return type_ == StatementType::Release ? &online_ : nullptr; }  // its fields
  // Of TUF metadata: how long it is to be believed. Otherwise zero.
  std::chrono::nanoseconds lifetime() const;

  // Fails with Invalid only where the stamp does not fit (an empty token id for a token).
  Result<UnsignedDocument> rebuild(const Stamp& stamp) const;

 private:
  Statement(StatementType type, JsonTree fields) : type_(type), fields_(std::move(fields)) {}
  StatementType type_;
  JsonTree fields_;                  // normalised
  TraceClaims claims_;               // of a trace
  const JsonNode* facts_ = nullptr;  // of a trace: its member `countersign`, normalised, taken out of `fields_`
  std::optional<ApprovalTokenFields> token_;
  std::optional<DelegationTokenFields> delegation_;
  std::optional<ApprovedScriptFields> script_;
  std::optional<SayTokenFields> say_token_;
  std::optional<EvidencePackFields> pack_;
  Json online_;  // the fields of TUF metadata, of a checkpoint or of a release
};

// A signed document whose signature, digests and key were checked. Only verify makes one.
class VerifiedDocument {
 public:
  // Exactly what was verified: known members in file order, normalised as gait does, then `countersign` (bound by its
  // digest) and `signature`. Unsigned members of the given document are gone.
  const Json& document() const { return document_; }
  const keymgmt::PublishedKey& key() const { return key_; }
  const Digest& signed_digest() const { return signed_digest_; }
  // The moment the signature claims: created_at of a token, observed_at of all else, generated_at of a
  // pack.
  UtcTime signed_at() const { return signed_at_; }

  // Checks in gait's order (gait-formats §4): digest present and equal over the normalised known members, alg, key id,
  // signature; then ours: the key's role is the type's, it counts at signed_at(), and a `countersign` member matches
  // the digest in related_entity_ids. Fails with VerificationFailed, `reason` one of signature_missing,
  // signed_digest_mismatch, unknown_key, wrong_role, key_not_valid_then, signature_invalid, countersign_mismatch; with
  // Invalid if it is no such document, and for TUF metadata and checkpoints, which have verifiers of their own.
  static Result<VerifiedDocument> verify(StatementType type, const Json& document, const keymgmt::KeySet& keys);

 private:
  VerifiedDocument(Json document, keymgmt::PublishedKey key, const Digest& digest, UtcTime at)
      : document_(std::move(document)), key_(std::move(key)), signed_digest_(digest), signed_at_(at) {}
  Json document_;
  keymgmt::PublishedKey key_;
  Digest signed_digest_;
  UtcTime signed_at_;
};

// The digest gait signs and checks: JCS over the known members of `document`, normalised as gait does, without
// signature.
Result<Digest> gait_signed_digest(StatementType type, const Json& document);

// gait's ids: first 24 hex digits of SHA-256 of the parts joined by ':'.
std::string trace_id(const Digest& policy_digest, const Digest& intent_digest, Verdict verdict);

}  // namespace countersign::statement
