// What `gate serve` answers: the same evaluation as `gate eval`, from documents instead of files, with policies that
// are read once.
#pragma once

#include <memory>

#include "command/arguments.h"
#include "command/evaluation_request.h"
#include "command/gate_answers.h"
#include "command/recorded_answers.h"
#include "command/served_policies.h"

namespace countersign::command {

class DecisionService final : public GateAnswers {
 public:
  // `settings` as of ServedPolicies. Fails with Invalid where a setting or a policy cannot be used.
  static Result<std::unique_ptr<GateAnswers>> load(const Arguments& settings);

  // One element of POST /v1/evaluate (docs/gate-service.md). Answers the members of `gate eval --json` with the signed
  // documents in place of their files: trace, approval_audit, delegation_audit, credential_evidence.
  Result<Json> evaluate(const Json& request, std::uint32_t uid, client::SignerClient& signer) override;
  Status reload() override { return policies_.reload(); }
  Json policies() const override { return policies_.document(); }

 private:
  explicit DecisionService(const Arguments& settings) : settings_(settings), policies_(settings) {}
  Result<Json> decide(const EvaluationRequest& request, client::SignerClient& signer) const;

  const Arguments& settings_;
  ServedPolicies policies_;
  RecordedAnswers recorded_;
};

}  // namespace countersign::command
