#include "signer/daemon/mint_rules.h"

#include <algorithm>
#include <functional>

#include "common/text.h"
#include "signer/config/approval_limits.h"
#include "signer/daemon/permit_rules.h"

namespace countersign::daemon {
namespace {

using config::Event;
using statement::ApprovalProof;

constexpr std::string_view kDestructiveScope = "destructive:apply";

// A standing one of these means that nobody has seen what the approval would rest on.
constexpr std::string_view kContextReasons[] = {"context_evidence_missing", "context_set_digest_missing",
                                                "context_evidence_mode_mismatch", "context_freshness_exceeded"};

Refusal refused(std::string reason, std::string detail, std::string hint, std::optional<Event> event) {
  return Refusal{Error{ErrorCode::Refused, std::move(detail), std::move(reason), std::move(hint)}, {}, event};
}

std::optional<Refusal> used_up(Nonces& nonces, const ApprovalProof& proof, UtcTime now) {
  if (proof.kind == ApprovalProof::Kind::UnixUser || nonces.use(proof.nonce, now)) return std::nullopt;
  return refused("nonce_unknown", "the proof's nonce was used a moment ago", "Sign a new challenge (GET /v1/nonce).",
                 Event::ApprovalProofInvalid);
}

// Who proved it, and how: for the record.
Json proof_facts(std::string_view part, const config::ApproverConfig& person, const ApprovalProof& proof,
                 const Caller& caller) {
  const bool by_user = proof.kind == ApprovalProof::Kind::UnixUser;
  Json facts{Json::Object{}};
  facts.set(part, person.identity);
  facts.set("kind", by_user ? "unix_user" : "ssh");
  facts.set("peer_uid", std::int64_t{caller.uid});
  if (!by_user) facts.set("key", config::ssh_credential(person));
  return facts;
}

std::string credential(const config::ApproverConfig& person, const ApprovalProof& proof, const Caller& caller) {
  return proof.kind == ApprovalProof::Kind::UnixUser ? config::unix_credential(caller.uid)
                                                     : config::ssh_credential(person);
}

bool has_scope(const std::vector<std::string>& scopes, std::string_view scope) {
  return std::find(scopes.begin(), scopes.end(), scope) != scopes.end();
}

}  // namespace

ApprovalTimes approval_times(const config::ApprovalsConfig& approvals, const config::ApproverConfig& approver,
                             std::vector<std::string> scopes, bool destructive) {
  if (destructive && !has_scope(scopes, kDestructiveScope)) scopes.emplace_back(kDestructiveScope);
  ApprovalTimes times{approvals.default_ttl, config::longest_ttl(approvals, approver, scopes), "approvals.max_ttl"};
  if (approver.max_ttl && *approver.max_ttl == times.most) times.limit = "the approver's max_ttl";
  if (has_scope(scopes, kDestructiveScope)) {
    times.usual = approvals.high_risk_default_ttl;
    if (times.most == std::chrono::minutes(30)) times.limit = "the limit of a destructive change";
  }
  for (const config::HighRiskScope& each : approvals.high_risk) {
    if (!has_scope(scopes, each.scope)) continue;
    times.usual = approvals.high_risk_default_ttl;
    if (each.max_ttl == times.most) times.limit = "approvals.high_risk of " + each.scope;
  }
  times.usual = std::min(times.usual, times.most);
  return times;
}

struct MintRules::Subject {
  const std::string& identity;
  std::string_view unknown;  // the refusal's reason where the identity is not on the roster
  std::string_view name_space;
  std::function<std::string(std::string_view nonce, UtcTime expires_at)> message;
};

std::optional<Refusal> MintRules::unproven(const Subject& subject, const config::ApproverConfig& approver,
                                           const ApprovalProof& proof, const Caller& caller, UtcTime now) const {
  if (proof.kind == ApprovalProof::Kind::UnixUser) {
    if (approver.unix_uid && *approver.unix_uid == caller.uid) return std::nullopt;
    return refused("approval_proof_invalid",
                   "uid " + std::to_string(caller.uid) + " is not the unix user of " + approver.identity,
                   "Run approve as that user, or sign with the approver's SSH key.", Event::ApprovalProofInvalid);
  }
  if (approver.ssh_key.empty()) {
    return refused("approval_proof_invalid", approver.identity + " has no SSH key on the roster",
                   "Run approve as the approver's unix user.", Event::ApprovalProofInvalid);
  }
  if (now >= proof.expires_at || proof.expires_at > now + Nonces::kLifetime + config_.limits.clock_step) {
    return refused("approval_proof_expired", "the proof's expires_at is past, or more than five minutes ahead",
                   "Sign a new challenge (GET /v1/nonce).", std::nullopt);
  }
  if (!nonces_.knows(proof.nonce, now)) {
    return refused("nonce_unknown", "the proof's nonce was not given out, is used, or has expired",
                   "Sign a new challenge (GET /v1/nonce).", Event::ApprovalProofInvalid);
  }
  const Status verified = statement::verify_ssh_signature(
      proof.signature, subject.message(proof.nonce, proof.expires_at), subject.name_space, approver.ssh_key);
  if (verified) return std::nullopt;
  return refused("approval_proof_invalid",
                 "the SSH signature is not by the key of " + approver.identity + " over this request",
                 "Sign exactly what is asked for, with the key on the roster.", Event::ApprovalProofInvalid);
}

std::optional<Refusal> MintRules::not_pending(const statement::ApprovalTokenFields& token,
                                              const config::ApproverConfig& approver,
                                              const std::optional<ledger::Decision>& decision, UtcTime now) const {
  if (!decision || decision->verdict != statement::Verdict::RequireApproval || now - decision->at > kRequirementLasts) {
    return refused("no_pending_request",
                   "the latest recorded decision on this intent and policy is no require_approval of the last 24 hours",
                   "Evaluate the intent first (countersign gate eval).", std::nullopt);
  }
  for (const std::string_view reason : kContextReasons) {
    if (!has_scope(decision->facts.reason_codes, reason)) continue;
    return refused("context_not_satisfied", "the recorded decision stands with " + std::string(reason),
                   "Evaluate the intent again with its context evidence.", Event::ContextMissingForApproval);
  }
  std::vector<std::string> scopes = token.scope;
  scopes.insert(scopes.end(), decision->facts.required_scopes.begin(), decision->facts.required_scopes.end());
  const ApprovalTimes times =
      approval_times(config_.approvals, approver, std::move(scopes), decision->facts.destructive);
  if (token.ttl <= times.most) return std::nullopt;
  return refused("ttl_over_limit",
                 "a ttl of " + duration_text(token.ttl) + " exceeds " + duration_text(times.most) + ", " + times.limit,
                 "Ask for " + duration_text(times.most) + " or less.", Event::TtlOverLimit);
}

std::variant<MintRules::Proven, Refusal> MintRules::proven(const Subject& subject, const std::optional<Json>& proof,
                                                           const Caller& caller, UtcTime now) const {
  Result<std::string> key = identity_key(subject.identity);
  const config::ApproverConfig* approver = key ? config_.approver(*key) : nullptr;
  if (approver == nullptr) {
    return refused(std::string(subject.unknown), subject.identity + " is not on the list of approvers",
                   "Approvers stand under `approvers` in the configuration.", Event::ApproverUnknown);
  }
  if (!proof) {
    return refused("approval_proof_missing", "a token needs the proof of the person who gives it",
                   "Sign the challenge of GET /v1/nonce with that person's SSH key.", Event::ApprovalProofInvalid);
  }
  Result<ApprovalProof> read = ApprovalProof::parse(*proof);
  if (!read) return Refusal{read.error()};
  if (std::optional<Refusal> refusal = unproven(subject, *approver, *read, caller, now)) return *std::move(refusal);
  return Proven{*approver, *std::move(key), *std::move(read)};
}

std::variant<MintGrant, Refusal> MintRules::judge(const statement::ApprovalTokenFields& token,
                                                  const std::optional<Json>& proof, const Caller& caller,
                                                  UtcTime now) const {
  const Subject subject{token.approver_identity, "approver_not_in_roster", statement::kApprovalNamespace,
                        [&token](std::string_view nonce, UtcTime expires_at) {
                          return statement::approval_message(token, nonce, expires_at);
                        }};
  std::variant<Proven, Refusal> known = proven(subject, proof, caller, now);
  if (Refusal* refusal = std::get_if<Refusal>(&known)) return std::move(*refusal);
  const auto& [approver, key, read] = std::get<Proven>(known);

  const Result<std::optional<ledger::Decision>> decision =
      store_.latest_decision(token.intent_digest, token.policy_digest);
  if (!decision) return Refusal{decision.error()};
  if (std::optional<Refusal> refusal = not_pending(token, approver, *decision, now)) return *std::move(refusal);
  const Result<std::string> requester = identity_key((*decision)->facts.requester);
  if (!requester || *requester == key) {
    return refused("requester_is_approver", "the requester cannot approve their own request",
                   "Another approver must approve it.", Event::RequesterIsApprover);
  }
  const bool same_uid = (*decision)->peer_uid == caller.uid;
  const bool by_user = read.kind == ApprovalProof::Kind::UnixUser;
  if (same_uid && (by_user || config_.approvals.distinct_uid)) {
    return refused("same_uid_refused",
                   "uid " + std::to_string(caller.uid) + " recorded the request and cannot approve it as well",
                   by_user ? "Prove the approver with an SSH key, or approve as another unix user."
                           : "approvals.distinct_uid demands another unix user.",
                   Event::RequesterIsApprover);
  }
  for (const std::string& scope : token.scope) {
    if (config::may_grant(approver, scope)) continue;
    return refused("approver_scope_refused", approver.identity + " may not grant " + scope,
                   "Their scopes stand under `approvers` in the configuration.", Event::ApproverNotAuthorised);
  }
  if (std::optional<Refusal> refusal = used_up(nonces_, read, now)) return *std::move(refusal);
  Json facts = proof_facts("approver", approver, read, caller);
  facts.set("same_uid", same_uid);
  return MintGrant{key, now - kRequirementLasts, credential(approver, read, caller), std::move(facts)};
}

std::variant<MintGrant, Refusal> MintRules::judge(const statement::DelegationTokenFields& token,
                                                  const std::optional<Json>& proof, const Caller& caller,
                                                  UtcTime now) const {
  const Subject subject{token.delegator_identity, "delegator_not_in_roster", statement::kDelegationNamespace,
                        [&token](std::string_view nonce, UtcTime expires_at) {
                          return statement::delegation_message(token, nonce, expires_at);
                        }};
  std::variant<Proven, Refusal> known = proven(subject, proof, caller, now);
  if (Refusal* refusal = std::get_if<Refusal>(&known)) return std::move(*refusal);
  const auto& [delegator, key, read] = std::get<Proven>(known);

  if (const std::optional<std::string> word = config::refused_word(delegator, token)) {
    return refused("delegation_scope_refused", delegator.identity + " may not delegate " + *word,
                   "The roster entry needs the scope delegate:" + *word + ".", Event::ApproverNotAuthorised);
  }
  const std::chrono::nanoseconds longest = config::longest_ttl(config_.approvals, delegator, token.scope);
  if (token.ttl > longest) {
    return refused("ttl_over_limit",
                   "a ttl of " + duration_text(token.ttl) + " exceeds " + duration_text(longest) +
                       ", the limit of approvals.max_ttl and the delegator's max_ttl",
                   "Ask for " + duration_text(longest) + " or less.", Event::TtlOverLimit);
  }
  if (std::optional<Refusal> refusal = used_up(nonces_, read, now)) return *std::move(refusal);
  return MintGrant{key, UtcTime(), {}, proof_facts("delegator", delegator, read, caller)};
}

std::variant<MintGrant, Refusal> MintRules::judge(const statement::ApprovedScriptFields& script,
                                                  const std::optional<Json>& proof, const Caller& caller,
                                                  UtcTime now) const {
  const Subject subject{script.approver_identity, "approver_not_in_roster", statement::kScriptNamespace,
                        [&script](std::string_view nonce, UtcTime expires_at) {
                          return statement::approved_script_message(script, nonce, expires_at);
                        }};
  std::variant<Proven, Refusal> known = proven(subject, proof, caller, now);
  if (Refusal* refusal = std::get_if<Refusal>(&known)) return std::move(*refusal);
  const auto& [approver, key, read] = std::get<Proven>(known);

  if (const std::optional<std::string> tool = config::refused_tool(approver, script)) {
    return refused("script_tool_refused", approver.identity + " may not approve scripts that call " + *tool,
                   "The roster entry needs the scope script:" + *tool + ".", Event::ApproverNotAuthorised);
  }
  const std::chrono::nanoseconds longest = config::longest_ttl(config_.approvals, approver, script.scope);
  if (script.ttl > longest) {
    return refused("ttl_over_limit",
                   "a ttl of " + duration_text(script.ttl) + " exceeds " + duration_text(longest) +
                       ", the limit of approvals.max_ttl and the approver's max_ttl",
                   "Ask for " + duration_text(longest) + " or less.", Event::TtlOverLimit);
  }
  if (std::optional<Refusal> refusal = used_up(nonces_, read, now)) return *std::move(refusal);
  return MintGrant{key, UtcTime(), {}, proof_facts("approver", approver, read, caller)};
}

}  // namespace countersign::daemon
