#include "command/decision/served_policies.h"

#include <algorithm>

#include "command/decision/decision_evidence.h"
#include "command/decision/gate_decision.h"
#include "command/line/comma_list.h"
#include "command/line/input_file.h"

namespace countersign::command {
namespace {

// Of policies that requests bring: how many are kept, and of what length at most.
constexpr std::size_t kMostBrought = 64;
constexpr std::size_t kLongestBrought = std::size_t{16} << 10;

Error invalid(std::string detail, std::string reason = {}) {
  return Error{ErrorCode::Invalid, std::move(detail), std::move(reason)};
}

}  // namespace

Status ServedPolicies::check(const gate::Policy& policy, bool simulate) const {
  ASSIGN_OR_RETURN(const DecisionEvidence evidence, DecisionEvidence::prepare(settings_));
  return check_profile(settings_.text("profile", "standard"), policy, simulate, evidence.brokers());
}

Result<LoadedPolicies> ServedPolicies::read() const {
  LoadedPolicies loaded;
  for (const std::string& path : comma_list(settings_.text("policy"))) {
    ASSIGN_OR_RETURN(const std::string text, read_input("policy", path));
    ASSIGN_OR_RETURN(gate::Policy policy, gate::Policy::parse(text));
    RETURN_IF_ERROR(check(policy, false));
    const Digest digest = policy.policy_digest();
    if (std::ranges::find(loaded, digest, &LoadedPolicy::digest) != loaded.end()) {
      return invalid(path + " is the same policy as another one that is served");
    }
    loaded.push_back({path, std::move(policy), digest});
  }
  if (loaded.empty() && !settings_.is_on("policy-in-request")) return invalid("no policy is named");
  return loaded;
}

Status ServedPolicies::reload() {
  ASSIGN_OR_RETURN(LoadedPolicies loaded, read());
  const std::lock_guard lock(mutex_);
  loaded_ = std::make_shared<const LoadedPolicies>(std::move(loaded));
  return ok();
}

std::shared_ptr<const LoadedPolicies> ServedPolicies::current() const {
  const std::lock_guard lock(mutex_);
  return loaded_;
}

Json ServedPolicies::document() const {
  Json::Array rows;
  for (const LoadedPolicy& each : *current()) {
    rows.push_back(Json::object({{"path", each.path}, {"digest", each.digest.hex()}}));
  }
  return Json::object({{"policies", std::move(rows)}});
}

Result<LoadedPolicy> ServedPolicies::chosen(const std::string& wanted, bool simulate) const {
  const std::shared_ptr<const LoadedPolicies> loaded = current();
  if (wanted.empty()) {
    if (loaded->size() != 1) {
      return invalid("not exactly one policy is served: `policy` must name the digest of one", "policy_not_named");
    }
    if (simulate) {
      RETURN_IF_ERROR(check(loaded->front().policy, simulate));
    }
    return loaded->front();
  }
  if (const Result<Digest> digest = Digest::parse(wanted)) {
    const auto found = std::ranges::find(*loaded, *digest, &LoadedPolicy::digest);
    if (found == loaded->end()) {
      return Error{ErrorCode::NotFound, "no policy " + digest->hex() + " is served", "policy_not_served",
                   "GET /v1/policies lists them; a changed file counts after a reload"};
    }
    if (simulate) {
      RETURN_IF_ERROR(check(found->policy, simulate));
    }
    return *found;
  }
  if (!settings_.is_on("policy-in-request")) {
    return Error{ErrorCode::Refused, "this gate takes no policy from a request", "policy_in_request",
                 "name the digest of a served one, or start the gate with --policy-in-request"};
  }
  ASSIGN_OR_RETURN(LoadedPolicy policy, brought(wanted));
  if (simulate) {
    RETURN_IF_ERROR(check(policy.policy, simulate));
  }
  return policy;
}

Result<LoadedPolicy> ServedPolicies::brought(const std::string& text) const {
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = brought_.find(text); known != brought_.end()) return *known->second;
  }
  ASSIGN_OR_RETURN(gate::Policy policy, gate::Policy::parse(text));
  RETURN_IF_ERROR(check(policy, false));
  const Digest digest = policy.policy_digest();
  LoadedPolicy loaded{"", std::move(policy), digest};
  if (text.size() > kLongestBrought) return loaded;
  const std::lock_guard lock(mutex_);
  if (brought_.size() >= kMostBrought) brought_.clear();
  brought_.emplace(text, std::make_shared<const LoadedPolicy>(loaded));
  return loaded;
}

}  // namespace countersign::command
