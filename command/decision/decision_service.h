// What `gate serve` answers: the same evaluation as `gate eval`, from documents instead of files, with policies that
// are read once.
#pragma once

#include <memory>

#include "command/decision/decision_signer.h"
#include "command/decision/evaluation_request.h"
#include "command/decision/gate_answers.h"
#include "command/decision/recorded_answers.h"
#include "command/decision/served_policies.h"
#include "command/line/arguments.h"

namespace countersign::command {

class DecisionService final : public GateAnswers {
 public:
  // `settings` as of ServedPolicies. Fails with Invalid where a setting or a policy cannot be used.
  static Result<std::unique_ptr<DecisionService>> open(const Arguments& settings);
  static Result<std::unique_ptr<GateAnswers>> load(const Arguments& settings);

  // One element of POST /v1/evaluate (docs/gate-service.md). Answers the members of `gate eval --json` with the signed
  // documents in place of their files: trace, approval_audit, delegation_audit, credential_evidence.
  Result<Json> evaluate(const Json& request, std::uint32_t uid, client::SignerClient& signer) override;
  // The same for who runs at once what is allowed: no answer but an allow of this call's own spends a permit. `request`
  // has no idempotency key: a call of a tool never repeats.
  Result<Json> evaluate_and_spend(const Json& request, const Spending& spending, client::SignerClient& signer) const;
  Status reload() override { return policies_.reload(); }
  Json policies() const override { return policies_.document(); }

 private:
  explicit DecisionService(const Arguments& settings) : settings_(settings), policies_(settings) {}
  Result<Json> decide(const EvaluationRequest& request, const Spending* spending, client::SignerClient& signer) const;

  const Arguments& settings_;
  ServedPolicies policies_;
  RecordedAnswers recorded_;
};

}  // namespace countersign::command
