// The way of one signature: authorised request → rules → holder → ledger → answer. Nothing is answered before it is on
// disk, and nothing is on disk that was not signed for this request.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "signer/daemon/holder_pool.h"
#include "signer/daemon/key_ring.h"
#include "signer/daemon/mint_rules.h"
#include "signer/daemon/peer_policy.h"
#include "signer/daemon/permit_rules.h"
#include "signer/daemon/recorder.h"
#include "signer/daemon/refusal_log.h"
#include "signer/daemon/say_rules.h"
#include "signer/ledger/time_guard.h"

namespace countersign::daemon {

struct SignOutcome {
  Result<std::string> answer;  // the JSON of interfaces.md, POST /v1/sign
  std::vector<TokenFinding> tokens{};
};

class SignService {
 public:
  using Done = std::function<void(SignOutcome)>;

  SignService(const config::Config& config, const Clock& clock, ledger::Store& store, ledger::TimeGuard& guard,
              const KeyRing& keys, HolderPool& holders, Recorder& recorder, RefusalLog& refusals, Nonces& nonces)
      : config_(config),
        clock_(clock),
        store_(store),
        guard_(guard),
        keys_(keys),
        holders_(holders),
        recorder_(recorder),
        refusals_(refusals),
        permits_(config, store),
        mints_(config, store, nonces),
        says_(config, store) {}

  // Calls `done` once, at once or later, on the loop.
  void sign(AuthorizedRequest authorized, Done done);

 private:
  struct Pending;
  // What the rules ask of the ledger, put into the pending item; or why not.
  std::optional<Refusal> judge(Pending& pending, SignRequest& request, const statement::Statement& statement);
  std::optional<Refusal> judge_trace(Pending& pending, const SignRequest& request, const statement::TraceClaims& trace);
  std::optional<Refusal> judge_token(Pending& pending, const SignRequest& request,
                                     const statement::ApprovalTokenFields& token);
  std::optional<Refusal> judge_say_token(Pending& pending, const statement::SayTokenFields& token);
  // For what rests on the proof alone: a delegation, a script approved ahead of time.
  std::optional<Refusal> take_grant(Pending& pending, std::variant<MintGrant, Refusal> judged);
  // Dual control of releases (`releases.approvals`).
  std::optional<Refusal> judge_release(Pending& pending, const SignRequest& request, const Json& release);
  // Records that approvals are asked for, so that they can be minted; then refuses.
  void ask_for_approvals(const std::shared_ptr<Pending>& pending);
  void signed_by_holder(const std::shared_ptr<Pending>& pending, const Result<std::string_view>& payload);
  Status complete(Pending& pending, channel::SignAnswer answer);
  void recorded(Pending& pending, const Result<ledger::Committed>& outcome);
  void unrecorded(Pending& pending, const Error& error);
  void refuse(Pending& pending, const Refusal& refusal);
  void end(Pending& pending, SignOutcome outcome);

  const config::Config& config_;
  const Clock& clock_;
  ledger::Store& store_;
  ledger::TimeGuard& guard_;
  const KeyRing& keys_;
  HolderPool& holders_;
  Recorder& recorder_;
  RefusalLog& refusals_;
  PermitRules permits_;
  MintRules mints_;
  SayRules says_;
  TokensInUse tokens_in_use_;
};

}  // namespace countersign::daemon
