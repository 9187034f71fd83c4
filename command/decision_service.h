// What `gate serve` answers: the same evaluation as `gate eval`, from documents instead of files, with policies that
// are read once.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "command/arguments.h"
#include "command/evaluation_request.h"
#include "command/recorded_answers.h"
#include "common/digest.h"
#include "common/json.h"
#include "common/result.h"
#include "gate/policy.h"
#include "signer/client/signer_client.h"

namespace countersign::command {

struct LoadedPolicy {
  std::string path;
  gate::Policy policy;
  Digest digest;
};
using LoadedPolicies = std::vector<LoadedPolicy>;

class DecisionService {
 public:
  // `settings` are gate_settings.h's flags with `policy` (files, separated by commas) and `policy-in-request`; they
  // outlive it. Fails with Invalid where a setting or a policy cannot be used, or two files hold the same policy.
  static Result<std::unique_ptr<DecisionService>> load(const Arguments& settings);

  // One element of POST /v1/evaluate (docs/gate-service.md), asked by `uid`. Answers the members of `gate eval --json`
  // with the signed documents in place of their files: trace, approval_audit, delegation_audit, credential_evidence.
  // Signed by the signer, or an error: Unavailable without one. From any thread, each with a signer of its own.
  Result<Json> evaluate(const Json& request, std::uint32_t uid, client::SignerClient& signer);

  // Reads every policy again; on any failure the old ones stay. From any thread.
  Status reload();
  // {"policies":[{"path","digest"}]}
  Json policies() const;

 private:
  explicit DecisionService(const Arguments& settings) : settings_(settings) {}
  Result<LoadedPolicies> read_policies() const;
  Status check_policy(const gate::Policy& policy, bool simulate) const;
  std::shared_ptr<const LoadedPolicies> current() const;
  // The served policy of that digest, or the one in the request.
  Result<LoadedPolicy> chosen(const std::string& wanted, bool simulate) const;
  Result<Json> decide(const EvaluationRequest& request, client::SignerClient& signer) const;

  const Arguments& settings_;
  RecordedAnswers recorded_;
  mutable std::mutex mutex_;
  std::shared_ptr<const LoadedPolicies> loaded_;  // guarded by mutex_
};

}  // namespace countersign::command
