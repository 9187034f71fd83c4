// The policies of a gate that serves: read at the start, and again only on request.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "command/line/arguments.h"
#include "common/digest.h"
#include "common/json.h"
#include "common/result.h"
#include "gate/policy/policy.h"

namespace countersign::command {

struct LoadedPolicy {
  std::string path;
  gate::Policy policy;
  Digest digest;
};
using LoadedPolicies = std::vector<LoadedPolicy>;

class ServedPolicies {
 public:
  // `settings` are gate_settings.h's flags with `policy` (files, separated by commas) and `policy-in-request`; they
  // outlive this. Nothing is read before reload().
  explicit ServedPolicies(const Arguments& settings) : settings_(settings) {}

  // Reads every policy again; on any failure the old ones stay. Fails with Invalid where one cannot be used, or two
  // files hold the same policy. From any thread, as the others.
  Status reload();
  // {"policies":[{"path","digest"}]}
  Json document() const;
  // The served policy of that digest, the only one where none is wanted, or the policy that `wanted` is, as YAML.
  // Fails with Invalid, NotFound, and with Refused where requests may not bring policies.
  Result<LoadedPolicy> chosen(const std::string& wanted, bool simulate) const;

 private:
  Result<LoadedPolicies> read() const;
  Result<LoadedPolicy> brought(const std::string& text) const;
  Status check(const gate::Policy& policy, bool simulate) const;
  std::shared_ptr<const LoadedPolicies> current() const;

  const Arguments& settings_;
  mutable std::mutex mutex_;
  std::shared_ptr<const LoadedPolicies> loaded_;  // guarded by mutex_
  // Of requests, by their text: who brings a policy brings the same few again and again, and reading one takes longer
  // than judging by it.
  mutable std::map<std::string, std::shared_ptr<const LoadedPolicy>, std::less<>> brought_;  // guarded by mutex_
};

}  // namespace countersign::command
