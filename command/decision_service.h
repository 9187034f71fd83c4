// What `gate serve` answers: the same evaluation as `gate eval`, from documents instead of files, with policies that
// are read once.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

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

struct DecisionServiceOptions {
  std::vector<std::string> policy_paths;
  std::string kill_switch_path;  // read anew for every evaluation: a stop must take effect at once
  std::string profile = "standard";
};

class DecisionService {
 public:
  // Fails with Invalid where a policy cannot be read, or two files hold the same one.
  static Result<std::unique_ptr<DecisionService>> load(DecisionServiceOptions options);

  // One element of POST /v1/evaluate (docs/gate-service.md), strictly: {"intent", "approval_tokens"?,
  // "context_envelope"?, "policy"? (a digest, needed where several are loaded), "idempotency_key"?, "correlation_id"?}.
  // Answers gait's members of `gate eval` with `trace` and, where approvals were needed, `approval_audit` as documents.
  // Signed by the signer, or an error: Unavailable without one. From any thread, each with a signer of its own.
  Result<Json> evaluate(const Json& request, client::SignerClient& signer) const;

  // Reads every policy again; on any failure the old ones stay. From any thread.
  Status reload();
  // {"policies":[{"path","digest"}]}
  Json policies() const;

 private:
  explicit DecisionService(DecisionServiceOptions options) : options_(std::move(options)) {}
  std::shared_ptr<const LoadedPolicies> current() const;

  DecisionServiceOptions options_;
  mutable std::mutex mutex_;
  std::shared_ptr<const LoadedPolicies> loaded_;  // guarded by mutex_
};

}  // namespace countersign::command
