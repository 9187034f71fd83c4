#include "signer/daemon/sign_service.h"

#include "signer/daemon/execution.h"
#include "signer/statement/release_fields.h"

namespace countersign::daemon {
namespace {

using statement::StatementType;
using statement::Verdict;

constexpr std::string_view kReleaseApprovalRequired = "release_approval_required";
constexpr std::string_view kIndexPlace = "%LOG_INDEX%";  // ledger/store.h, Item::answer

// `first` is false for the answer to a repetition: what a permit of its kind allows was started by an earlier request.
std::string answer_of(const ledger::Item& item, std::string_view statement_json, std::string_view index, bool first) {
  std::string out;
  out.reserve(statement_json.size() + item.record.kid.size() + 160 + 64 * item.redeem.size());
  out += R"({"type":")";
  out += item.record.type;
  out += R"(","statement":)";
  out += statement_json;
  out += R"(,"kid":")";
  out += item.record.kid;
  out += R"(","role":")";
  out += item.record.role;
  out += R"(","log_index":)";
  out += index;
  out += R"(,"redeemed":[)";
  for (const ledger::Redemption& each : item.redeem) {
    if (&each != &item.redeem.front()) out += ',';
    out += Json(each.token_id).compact();
  }
  out += ']';
  if (item.next) out += first ? R"(,"executed":true)" : R"(,"executed":false)";
  out += '}';
  return out;
}

// The answer as the ledger keeps it, for repetitions of the request. A statement that spells the placeholder itself
// says it with an escape, which reads as the same text.
std::string answer_with_place(const ledger::Item& item) {
  std::string statement = item.record.body;
  for (std::size_t at = statement.find(kIndexPlace); at != std::string::npos; at = statement.find(kIndexPlace, at)) {
    statement.replace(at, 1, "\\u0025");
  }
  return answer_of(item, statement, kIndexPlace, false);
}

// What the commit refuses by a rule of its own, and the event that goes with it.
std::optional<config::Event> event_of(const Error& error) {
  if (error.reason == "approval_required_before") return config::Event::AllowWithoutTokens;
  if (error.reason == "approval_token_consumed" || error.reason == "already_executed") {
    return config::Event::TokenReplayed;
  }
  return std::nullopt;
}

Result<ledger::MintedToken> minted_token(const std::string& signed_json, const Digest& signed_digest,
                                         ledger::MintedToken minted) {
  ASSIGN_OR_RETURN(const Json token, Json::parse(signed_json));
  ASSIGN_OR_RETURN(minted.created_at, UtcTime::parse(token.text("created_at")));
  ASSIGN_OR_RETURN(minted.expires_at, UtcTime::parse(token.text("expires_at")));
  minted.token_id = std::string(token.text("token_id"));
  minted.token_digest = signed_digest;
  return minted;
}

Error approvals_needed(std::int64_t count, const Digest& intent, const Digest& policy) {
  return Error{ErrorCode::ApprovalRequired, "the release needs " + std::to_string(count) + " approvals",
               std::string(kReleaseApprovalRequired),
               "Each approver: countersign approve --intent-digest " + intent.hex() + " --policy-digest " +
                   policy.hex() + " --scope " + std::string(statement::kReleaseScope) +
                   " …; then the same release again with --approval-token-chain."};
}

Error key_changed(const std::string& kid) {
  return Error{ErrorCode::Unavailable, "key " + kid + " stopped signing while it had the request; nothing was recorded",
               "key_changed", "Ask again: another key of the role signs, if one stood by."};
}

}  // namespace

// One request between its parts; shared by the callbacks that carry it on.
struct SignService::Pending {
  StatementType type{};
  Caller caller;
  Done done;
  ledger::Item item;
  std::optional<ledger::IdempotencyKey> idempotency;
  std::optional<Json> proof_record;  // how an approver proved it
  std::vector<std::string> tokens_in_use;
  std::vector<TokenFinding> findings;
  bool execute = false;
  std::string kid;
  Digest job_digest;
};

void SignService::sign(AuthorizedRequest authorized, Done done) {
  auto shared = std::make_shared<Pending>();
  Pending& pending = *shared;
  pending.caller = authorized.caller();
  SignRequest request = std::move(authorized).release();
  pending.type = request.type;
  pending.execute = request.execute;
  pending.done = std::move(done);
  const statement::StatementRow& row = statement::row_of(request.type);

  if (const Status time = guard_.check(); !time) {
    return refuse(pending, Refusal{time.error(), {}, config::Event::ClockStep});
  }
  if (!request.idempotency_key.empty()) {
    pending.idempotency = ledger::IdempotencyKey{pending.caller.uid, request.idempotency_key, request.digest};
    pending.item.idempotency = pending.idempotency;
    Result<std::optional<std::string>> before = store_.answer_for(*pending.idempotency);
    if (!before) return end(pending, {before.error()});
    if (before->has_value()) return end(pending, {**std::move(before)});
  }
  const std::string* kid = keys_.signing_kid(request.type, request.algorithm);
  if (kid == nullptr && request.algorithm) {
    return end(pending, {Error{ErrorCode::NotFound,
                               "the role " + std::string(keymgmt::name_of(row.role)) + " signs no " +
                                   std::string(row.name) + " with " + std::string(keymgmt::name_of(*request.algorithm)),
                               "algorithm_unavailable", "GET /v1/keys lists the role's active keys."}});
  }
  if (kid == nullptr) return end(pending, {keys_.no_signing_key(request.type)});
  pending.kid = *kid;

  channel::SignJob job{request.type, *kid, 0, pending.caller.uid, request.statement->root().compact(), ""};
  const Result<statement::Statement> statement =
      statement::Statement::parse(request.type, *std::move(request.statement));
  if (!statement) {
    const bool wildcard = statement.error().reason == "scope_wildcard";
    return refuse(
        pending, Refusal{statement.error(), {}, wildcard ? std::optional(config::Event::ScopeWildcard) : std::nullopt});
  }
  if (const std::optional<Refusal> refusal = judge(pending, request, *statement)) {
    if (refusal->error.reason == kReleaseApprovalRequired) return ask_for_approvals(shared);
    return refuse(pending, *refusal);
  }

  const Result<std::uint64_t> sequence = store_.next_sequence();
  if (!sequence) return end(pending, {sequence.error()});
  job.sequence = *sequence;
  if (request.proof) job.proof_json = request.proof->compact();
  std::string payload = job.encode();
  pending.job_digest = sha256(payload);
  for (const ledger::Redemption& each : pending.item.redeem) {
    tokens_in_use_.insert(each.token_id);
    pending.tokens_in_use.push_back(each.token_id);
  }
  holders_.ask(row.role, channel::FrameKind::Sign, std::move(payload),
               [this, shared](const Result<std::string_view>& answer) { signed_by_holder(shared, answer); });
}

std::optional<Refusal> SignService::judge(Pending& pending, SignRequest& request,
                                          const statement::Statement& statement) {
  if (const statement::TraceClaims* trace = statement.trace()) return judge_trace(pending, request, *trace);
  if (const statement::ApprovalTokenFields* token = statement.approval_token()) {
    return judge_token(pending, request, *token);
  }
  if (const statement::DelegationTokenFields* token = statement.delegation_token()) {
    return take_grant(pending, mints_.judge(*token, request.proof, pending.caller, clock_.now()));
  }
  if (const statement::ApprovedScriptFields* script = statement.approved_script()) {
    return take_grant(pending, mints_.judge(*script, request.proof, pending.caller, clock_.now()));
  }
  if (const statement::SayTokenFields* token = statement.say_token()) return judge_say_token(pending, *token);
  if (const Json* release = statement.release()) return judge_release(pending, request, *release);
  return std::nullopt;  // a record states what was judged; it permits nothing
}

std::optional<Refusal> SignService::judge_release(Pending& pending, const SignRequest& request, const Json& release) {
  if (config_.release_approvals == 0) {
    if (request.redeem.empty()) return std::nullopt;
    return Refusal{Error{ErrorCode::Invalid, "this signer asks for no approvals of releases", "redeem_without_allow"}};
  }
  const Json approvable = statement::approvable_release(release);
  statement::TraceClaims claims;
  claims.intent_digest = approvable.digest();
  claims.policy_digest = statement::release_policy_digest();
  claims.verdict = Verdict::Allow;
  claims.facts.requester = "uid:" + std::to_string(pending.caller.uid);
  claims.facts.required_approvals = config_.release_approvals;
  claims.facts.distinct_approvers = config_.release_approvals > 1;
  claims.facts.required_scopes = {std::string(statement::kReleaseScope)};
  if (request.redeem.empty()) {
    ledger::Item& item = pending.item;
    item.idempotency.reset();  // the answer is no signature
    item.decision.emplace();
    item.decision->intent_digest = claims.intent_digest;
    item.decision->policy_digest = claims.policy_digest;
    item.decision->verdict = Verdict::RequireApproval;
    item.decision->peer_uid = pending.caller.uid;
    item.decision->facts = claims.facts;
    item.intent = ledger::IntentDocument{
        claims.intent_digest, Json::object({{"digest_form", approvable}, {"document", approvable}}).compact()};
    return Refusal{approvals_needed(config_.release_approvals, claims.intent_digest, claims.policy_digest)};
  }
  std::variant<Permit, Refusal> judged =
      permits_.judge(claims, request.redeem, keys_.set(), tokens_in_use_, clock_.now());
  if (Refusal* refusal = std::get_if<Refusal>(&judged)) return std::move(*refusal);
  Permit& permit = std::get<Permit>(judged);
  pending.item.redeem = std::move(permit.redeem);
  pending.findings = std::move(permit.findings);
  return std::nullopt;
}

void SignService::ask_for_approvals(const std::shared_ptr<Pending>& shared) {
  ledger::Item& item = shared->item;
  item.record.kind = "release_requested";
  item.record.at = clock_.now();
  item.record.type = std::string(statement::row_of(shared->type).name);
  item.record.peer_uid = shared->caller.uid;
  item.record.request_id = shared->caller.request_id;
  item.record.body = item.intent->json;
  item.record.body_digest = sha256(item.record.body);
  item.decision->at = item.record.at;
  item.decision->trace_digest = item.record.body_digest;
  const Digest intent = item.decision->intent_digest;
  const Digest policy = item.decision->policy_digest;
  recorder_.record(std::move(item), [this, shared, intent, policy](const Result<ledger::Committed>& outcome) {
    if (!outcome) return end(*shared, {outcome.error()});
    end(*shared, {approvals_needed(config_.release_approvals, intent, policy)});
  });
}

std::optional<Refusal> SignService::judge_trace(Pending& pending, const SignRequest& request,
                                                const statement::TraceClaims& trace) {
  ledger::Item& item = pending.item;
  if (request.intent) {
    Result<ledger::IntentDocument> intent = checked_intent(*request.intent, trace.intent_digest);
    if (!intent) return Refusal{intent.error()};
    item.intent = *std::move(intent);
  }
  item.decision.emplace();
  item.decision->intent_digest = trace.intent_digest;
  item.decision->policy_digest = trace.policy_digest;
  item.decision->verdict = trace.verdict;
  item.decision->peer_uid = pending.caller.uid;
  item.decision->facts = trace.facts;
  if (trace.verdict != Verdict::Allow) {
    if (request.execute) return Refusal{not_an_allow()};
    if (request.redeem.empty()) return std::nullopt;
    return Refusal{Error{ErrorCode::Invalid, "only an allow redeems tokens", "redeem_without_allow"}};
  }
  std::variant<Permit, Refusal> judged =
      permits_.judge(trace, request.redeem, keys_.set(), tokens_in_use_, clock_.now());
  if (Refusal* refusal = std::get_if<Refusal>(&judged)) return std::move(*refusal);
  Permit& permit = std::get<Permit>(judged);
  item.redeem = std::move(permit.redeem);
  item.no_require_approval_since = permit.no_require_approval_since;
  pending.findings = std::move(permit.findings);
  if (permit.event) {
    item.events.push_back(outbox_event(*permit.event, pending.caller, clock_.now(), trace.intent_digest.hex(),
                                       Json::object({{"tokens", json_of(pending.findings)}})));
  }
  return std::nullopt;
}

std::optional<Refusal> SignService::judge_token(Pending& pending, const SignRequest& request,
                                                const statement::ApprovalTokenFields& token) {
  std::variant<MintGrant, Refusal> judged = mints_.judge(token, request.proof, pending.caller, clock_.now());
  if (Refusal* refusal = std::get_if<Refusal>(&judged)) return std::move(*refusal);
  MintGrant& grant = std::get<MintGrant>(judged);
  pending.item.pending_since = grant.pending_since;
  pending.item.minted.emplace();
  pending.item.minted->intent_digest = token.intent_digest;
  pending.item.minted->policy_digest = token.policy_digest;
  pending.item.minted->approver_key = grant.approver_key;
  pending.item.minted->proven_by = std::move(grant.proven_by);
  pending.proof_record = std::move(grant.proof);
  return std::nullopt;
}

std::optional<Refusal> SignService::judge_say_token(Pending& pending, const statement::SayTokenFields& token) {
  std::variant<Digest, Refusal> judged = says_.judge(token, clock_.now());
  if (Refusal* refusal = std::get_if<Refusal>(&judged)) return std::move(*refusal);
  pending.item.execute_trace = std::get<Digest>(judged);
  return std::nullopt;
}

std::optional<Refusal> SignService::take_grant(Pending& pending, std::variant<MintGrant, Refusal> judged) {
  if (Refusal* refusal = std::get_if<Refusal>(&judged)) return std::move(*refusal);
  pending.proof_record = std::move(std::get<MintGrant>(judged).proof);
  return std::nullopt;
}

void SignService::signed_by_holder(const std::shared_ptr<Pending>& shared, const Result<std::string_view>& payload) {
  Pending& pending = *shared;
  if (!payload) return end(pending, {payload.error()});
  Result<channel::SignAnswer> answer = channel::SignAnswer::decode(*payload);
  if (!answer) return end(pending, {answer.error()});
  // A holder that answers for another request, or with another key, is not believed.
  if (answer->job_digest != pending.job_digest || answer->kid != pending.kid) {
    return end(pending, {Error{ErrorCode::Internal, "the holder's answer is not for this request", "holder_mismatch"}});
  }
  // Its key was halted or retired meanwhile: what nobody has seen is not made true.
  if (!keys_.signs(pending.kid)) return end(pending, {key_changed(pending.kid)});
  if (const Status completed = complete(pending, *std::move(answer)); !completed) {
    return end(pending, {completed.error()});
  }
  if (pending.item.idempotency) pending.item.answer = answer_with_place(pending.item);
  recorder_.record(std::shared_ptr<const ledger::Item>(shared, &pending.item),
                   [this, shared](const Result<ledger::Committed>& outcome) { recorded(*shared, outcome); });
}

Status SignService::complete(Pending& pending, channel::SignAnswer answer) {
  ledger::Item& item = pending.item;
  const statement::StatementRow& row = statement::row_of(pending.type);
  item.record.kind = "signed";
  item.record.at = answer.signed_at;
  item.record.type = std::string(row.name);
  item.record.role = std::string(keymgmt::name_of(row.role));
  item.record.kid = answer.kid;
  item.record.body_digest = answer.signed_digest;
  item.record.signature_digest = answer.signature_digest;
  item.record.peer_uid = pending.caller.uid;
  item.record.request_id = pending.caller.request_id;
  if (item.decision) {
    item.decision->at = answer.signed_at;
    item.decision->trace_digest = answer.signed_digest;
  }
  if (item.minted) {
    ASSIGN_OR_RETURN(item.minted, minted_token(answer.statement_json, answer.signed_digest, *std::move(item.minted)));
  }
  if (pending.execute) {
    item.next = std::make_shared<ledger::Item>(executed_item(answer.signed_digest, pending.caller, answer.signed_at));
  }
  if (pending.proof_record) {
    // Who proved it, and how, is recorded before what it permits.
    ASSIGN_OR_RETURN(const Json token, Json::parse(answer.statement_json));
    ledger::Item proof;
    pending.proof_record->set("token_id", token.text("token_id"));
    proof.record.kind = pending.type == StatementType::ApprovalToken ? "approval_proof" : "delegation_proof";
    proof.record.at = answer.signed_at;
    proof.record.type = item.record.type;
    proof.record.role = item.record.role;
    proof.record.kid = answer.kid;
    proof.record.peer_uid = pending.caller.uid;
    proof.record.request_id = pending.caller.request_id;
    proof.record.body = pending.proof_record->compact();
    proof.record.body_digest = sha256(proof.record.body);
    recorder_.record(std::move(proof), [](const Result<ledger::Committed>&) {});
  }
  item.record.body = std::move(answer.statement_json);
  return ok();
}

void SignService::recorded(Pending& pending, const Result<ledger::Committed>& outcome) {
  if (!outcome) return unrecorded(pending, outcome.error());
  const std::string index = std::to_string(outcome->log_index);
  end(pending, {answer_of(pending.item, pending.item.record.body, index, true), std::move(pending.findings)});
}

void SignService::unrecorded(Pending& pending, const Error& error) {
  if (error.reason == "idempotency_repeated" && pending.idempotency) {
    // The same request, sent twice at once: both get the answer of the one that was recorded.
    const Result<std::optional<std::string>> before = store_.answer_for(*pending.idempotency);
    if (before && before->has_value()) return end(pending, {**before});
  }
  refuse(pending, Refusal{error, {}, event_of(error)});
}

void SignService::refuse(Pending& pending, const Refusal& refusal) {
  const statement::StatementRow& row = statement::row_of(pending.type);
  refusals_.note(refusal, pending.caller, row.name, keymgmt::name_of(row.role));
  end(pending, {refusal.error, refusal.tokens});
}

void SignService::end(Pending& pending, SignOutcome outcome) {
  for (const std::string& token : pending.tokens_in_use) tokens_in_use_.erase(token);
  pending.tokens_in_use.clear();
  const Done done = std::move(pending.done);
  done(std::move(outcome));
}

}  // namespace countersign::daemon
