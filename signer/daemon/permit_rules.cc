#include "signer/daemon/permit_rules.h"

#include <algorithm>
#include <map>

#include "common/text.h"
#include "signer/config/approval_limits.h"

namespace countersign::daemon {
namespace {

using config::Event;

// What a token says of itself, once its signature is verified.
struct Token {
  std::string id;
  Digest digest;
  std::string intent_digest;
  std::string policy_digest;
  std::string approver_key;
  std::vector<std::string> scope;
  UtcTime created_at;
  UtcTime expires_at;
};

struct Judgement {
  std::string code;  // empty: it counts
  std::optional<Event> event{};
};

std::string id_of(const Json& token) {
  return std::string(trimmed(token.text("token_id")));
}

std::string hex_of(const Json& document, std::string_view name) {
  return lowered(trimmed(document.text(name)));
}

std::optional<Token> read(const statement::VerifiedDocument& verified) {
  const Json& document = verified.document();
  const Result<std::string> approver = identity_key(document.text("approver_identity"));
  const Result<UtcTime> created = UtcTime::parse(trimmed(document.text("created_at")));
  const Result<UtcTime> expires = UtcTime::parse(trimmed(document.text("expires_at")));
  const Json* scope = document.find("scope");
  if (!approver || !created || !expires || scope == nullptr || !scope->is_array()) return std::nullopt;
  Token token{id_of(document),
              verified.signed_digest(),
              hex_of(document, "intent_digest"),
              hex_of(document, "policy_digest"),
              *approver,
              {},
              *created,
              *expires};
  std::vector<std::string> scopes;
  for (const Json& each : scope->as_array()) {
    if (!each.is_string()) return std::nullopt;
    scopes.push_back(each.as_string());
  }
  token.scope = text_set(scopes, true);
  if (token.id.empty()) return std::nullopt;
  return token;
}

Judgement unverified(const Error& error) {
  if (error.code == ErrorCode::Invalid) return {"approval_token_invalid"};
  if (error.reason == "signature_missing") return {"approval_token_signature_missing"};
  return {"approval_token_signature_invalid", Event::TokenForeign};
}

bool covers(const std::vector<std::string>& scope, const std::vector<std::string>& required) {
  return std::all_of(required.begin(), required.end(), [&](const std::string& each) {
    return std::find(scope.begin(), scope.end(), each) != scope.end();
  });
}

}  // namespace

std::variant<Permit, Refusal> PermitRules::judge(const statement::TraceClaims& trace, const std::vector<Json>& tokens,
                                                 const keymgmt::KeySet& keys, const TokensInUse& in_use,
                                                 UtcTime now) const {
  const statement::DecisionFacts& facts = trace.facts;
  if (facts.context_source == "claim" && !config_.context_claims) {
    return Refusal{Error{ErrorCode::Refused, "the context rests on the intent's own claims", "context_claim_refused",
                         "Give a context envelope, or set gate.context_evidence: intent for signer and gate."},
                   {},
                   Event::ContextMissingForApproval};
  }
  const std::int64_t required =
      std::max<std::int64_t>(facts.required_approvals, config_.min_approvals(trace.policy_digest));
  if (tokens.empty()) {
    if (required == 0) return Permit{{}, now - kRequirementLasts};
    return Refusal{Error{ErrorCode::ApprovalRequired,
                         "an allow for this policy needs " + std::to_string(required) + " approvals, none is cited",
                         "approval_token_missing", "Ask for approval and cite the tokens in `redeem`."},
                   {},
                   Event::AllowWithoutTokens};
  }

  const Result<std::vector<ledger::MintedToken>> minted = store_.minted(trace.intent_digest, trace.policy_digest);
  if (!minted) return Refusal{minted.error()};
  const Result<std::string> requester = identity_key(facts.requester);
  if (!requester) {
    return Refusal{Error{ErrorCode::Invalid, "the trace's requester is no identity"}};
  }
  std::map<std::string, std::string> approver_of;  // token ids that count, and who approved
  std::vector<TokenFinding> findings;
  std::vector<ledger::Redemption> redeem;
  std::optional<Event> event;
  Error unreadable{ErrorCode::Unavailable, ""};
  bool store_failed = false;

  const auto judgement = [&](const Json& document) -> Judgement {
    const auto verified = statement::VerifiedDocument::verify(statement::StatementType::ApprovalToken, document, keys);
    if (!verified) return unverified(verified.error());
    const std::optional<Token> token = read(*verified);
    if (!token) return {"approval_token_invalid"};
    if (approver_of.contains(token->id)) return {"approval_token_repeated", Event::ChainMismatch};
    if (token->intent_digest != trace.intent_digest.hex()) return {"approval_token_intent_mismatch"};
    if (token->policy_digest != trace.policy_digest.hex()) return {"approval_token_policy_mismatch"};
    if (now >= token->expires_at) return {"approval_token_expired"};
    if (token->created_at > now + config_.limits.clock_step) return {"approval_token_future"};
    if (!covers(token->scope, facts.required_scopes)) return {"approval_token_scope_mismatch"};
    const config::ApproverConfig* approver = config_.approver(token->approver_key);
    if (approver == nullptr) return {"approver_not_in_roster", Event::ApproverUnknown};
    // As the roster is now: whoever may grant less than when they approved has no say in the rest.
    const bool grants = std::all_of(facts.required_scopes.begin(), facts.required_scopes.end(),
                                    [&](const std::string& each) { return config::may_grant(*approver, each); });
    if (!grants) return {"approver_scope_refused", Event::ApproverNotAuthorised};
    if (token->approver_key == *requester) return {"requester_is_approver", Event::RequesterIsApprover};
    const auto known = std::find_if(minted->begin(), minted->end(), [&](const ledger::MintedToken& each) {
      return each.token_id == token->id && each.token_digest == token->digest;
    });
    if (known == minted->end()) return {"approval_token_foreign", Event::TokenForeign};
    if (!config::has_credential(*approver, known->proven_by)) {
      return {"approver_key_replaced", Event::ApproverNotAuthorised};
    }
    const Result<std::optional<std::string>> used_by = store_.used_by(token->id);
    const Status usable = store_.usable(token->created_at);
    if (!usable && usable.error().code == ErrorCode::Refused)
      return {"approval_token_before_restore", Event::TokenReplayed};
    if (!used_by || !usable) {
      store_failed = true;
      unreadable = used_by ? usable.error() : used_by.error();
      return {"approval_token_invalid"};
    }
    if (*used_by == ledger::kRevokedKind) return {"approval_token_revoked", Event::RevokedTokenUsed};
    if (*used_by || in_use.contains(token->id)) return {"approval_token_consumed", Event::TokenReplayed};
    for (const auto& [id, key] : approver_of) {
      if (key == token->approver_key) return {"approval_distinct_approvers_required"};
    }
    approver_of.emplace(token->id, token->approver_key);
    redeem.push_back({token->id, token->digest});
    return {};
  };

  for (const Json& document : tokens) {
    const Judgement result = judgement(document);
    if (store_failed) return Refusal{unreadable};
    if (result.code.empty()) continue;
    findings.push_back({id_of(document), result.code});
    if (result.event) event = result.event;
  }
  if (static_cast<std::int64_t>(redeem.size()) >= std::max<std::int64_t>(required, 1)) {
    return Permit{std::move(redeem), std::nullopt, std::move(findings), event};
  }

  const auto found = [&](std::string_view code) {
    return std::any_of(findings.begin(), findings.end(), [&](const TokenFinding& each) { return each.code == code; });
  };
  const std::string counted =
      std::to_string(redeem.size()) + " of " + std::to_string(std::max<std::int64_t>(required, 1)) + " approvals count";
  if (!event) event = Event::AllowWithoutTokens;
  if (found("approval_token_consumed")) {
    return Refusal{Error{ErrorCode::Conflict, counted + "; a cited token was redeemed before",
                         "approval_token_consumed", "A token permits one run. Ask for a new approval."},
                   std::move(findings), event};
  }
  if (found("approval_token_revoked")) {
    return Refusal{Error{ErrorCode::Conflict, counted + "; a cited token was revoked", "approval_token_revoked",
                         "Whoever revoked it had a reason: the record has it. Ask for a new approval."},
                   std::move(findings), event};
  }
  if (found("approval_distinct_approvers_required")) {
    return Refusal{Error{ErrorCode::ApprovalRequired, counted + "; two of the tokens are by one approver",
                         "approval_distinct_approvers_required", "Each approval must come from another person."},
                   std::move(findings), event};
  }
  return Refusal{Error{ErrorCode::ApprovalRequired, counted, "approval_chain_insufficient",
                       "`tokens` says why each of the others does not count."},
                 std::move(findings), event};
}

}  // namespace countersign::daemon
