#include "command/decision_service.h"

#include <algorithm>

#include "command/attestation.h"
#include "command/comma_list.h"
#include "command/decision_evidence.h"
#include "command/decision_signer.h"
#include "command/evaluation.h"
#include "command/gate_answer.h"
#include "command/gate_decision.h"
#include "command/gate_inputs.h"
#include "command/input_file.h"
#include "common/clock.h"
#include "common/text.h"

namespace countersign::command {
namespace {

Error invalid(std::string detail, std::string reason = {}) {
  return Error{ErrorCode::Invalid, std::move(detail), std::move(reason)};
}

// The envelope of the request, vouched for where the settings demand it.
std::function<Result<std::optional<gate::ContextEnvelope>>()> envelope_of(const EvaluationRequest& request,
                                                                          const Arguments& settings) {
  if (!request.context_envelope) return {};
  return [&request, &settings]() -> Result<std::optional<gate::ContextEnvelope>> {
    const Json* attestation = request.context_attestation ? &*request.context_attestation : nullptr;
    RETURN_IF_ERROR(require_attested(settings, "context_envelope", *request.context_envelope, attestation));
    const std::string text = request.context_envelope->compact();
    ASSIGN_OR_RETURN(gate::ContextEnvelope envelope, gate::ContextEnvelope::parse(std::string_view(text)));
    return std::optional(std::move(envelope));
  };
}

// gait leaves empty members out; who reads an answer by program should not have to ask whether they are there.
Json body_of(EvaluationAnswer said, bool explain) {
  Json out = std::move(said.members);
  for (const char* name : {"reason_codes", "violations"}) {
    if (out.find(name) == nullptr) out.set(name, Json::Array{});
  }
  if (explain) out.set("policy_explain", std::move(said.policy_explain));
  for (DecisionRecord& record : said.records) out.set(record.name, std::move(record.document));
  return out;
}

}  // namespace

Result<std::unique_ptr<DecisionService>> DecisionService::load(const Arguments& settings) {
  // What is wrong with a setting is said at the start, not at the first question.
  RETURN_IF_ERROR(DecisionEvidence::prepare(settings));
  std::unique_ptr<DecisionService> service(new DecisionService(settings));
  RETURN_IF_ERROR(service->reload());
  return service;
}

Status DecisionService::check_policy(const gate::Policy& policy, bool simulate) const {
  ASSIGN_OR_RETURN(const DecisionEvidence evidence, DecisionEvidence::prepare(settings_));
  return check_profile(settings_.text("profile", "standard"), policy, simulate, evidence.brokers());
}

Result<LoadedPolicies> DecisionService::read_policies() const {
  LoadedPolicies loaded;
  for (const std::string& path : comma_list(settings_.text("policy"))) {
    ASSIGN_OR_RETURN(const std::string text, read_input("policy", path));
    ASSIGN_OR_RETURN(gate::Policy policy, gate::Policy::parse(text));
    RETURN_IF_ERROR(check_policy(policy, false));
    const Digest digest = policy.policy_digest();
    if (std::ranges::find(loaded, digest, &LoadedPolicy::digest) != loaded.end()) {
      return invalid(path + " is the same policy as another one that is served");
    }
    loaded.push_back({path, std::move(policy), digest});
  }
  if (loaded.empty() && !settings_.is_on("policy-in-request")) return invalid("no policy is named");
  return loaded;
}

Status DecisionService::reload() {
  ASSIGN_OR_RETURN(LoadedPolicies loaded, read_policies());
  const std::lock_guard lock(mutex_);
  loaded_ = std::make_shared<const LoadedPolicies>(std::move(loaded));
  return ok();
}

std::shared_ptr<const LoadedPolicies> DecisionService::current() const {
  const std::lock_guard lock(mutex_);
  return loaded_;
}

Json DecisionService::policies() const {
  Json::Array rows;
  for (const LoadedPolicy& each : *current()) {
    rows.push_back(Json::object({{"path", each.path}, {"digest", each.digest.hex()}}));
  }
  return Json::object({{"policies", std::move(rows)}});
}

Result<LoadedPolicy> DecisionService::chosen(const std::string& wanted, bool simulate) const {
  const std::shared_ptr<const LoadedPolicies> loaded = current();
  if (wanted.empty()) {
    if (loaded->size() != 1) {
      return invalid("not exactly one policy is served: `policy` must name the digest of one", "policy_not_named");
    }
    if (simulate) {
      RETURN_IF_ERROR(check_policy(loaded->front().policy, simulate));
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
      RETURN_IF_ERROR(check_policy(found->policy, simulate));
    }
    return *found;
  }
  if (!settings_.is_on("policy-in-request")) {
    return Error{ErrorCode::Refused, "this gate takes no policy from a request", "policy_in_request",
                 "name the digest of a served one, or start the gate with --policy-in-request"};
  }
  ASSIGN_OR_RETURN(gate::Policy policy, gate::Policy::parse(wanted));
  RETURN_IF_ERROR(check_policy(policy, simulate));
  const Digest digest = policy.policy_digest();
  return LoadedPolicy{"", std::move(policy), digest};
}

Result<Json> DecisionService::decide(const EvaluationRequest& request, client::SignerClient& signer) const {
  ASSIGN_OR_RETURN(LoadedPolicy policy, chosen(request.policy, request.simulate));
  ASSIGN_OR_RETURN(GateInputs inputs, gate_inputs(settings_, {std::move(policy.policy), policy.digest, request.intent,
                                                              envelope_of(request, settings_), SystemClock().now()}));
  inputs.tokens = request.approval_tokens;
  ASSIGN_OR_RETURN(DecisionEvidence evidence, DecisionEvidence::prepare(settings_));
  evidence.present(request.delegation_tokens);
  const std::unique_ptr<DecisionSigner> signs = decision_signer(signer);
  Evaluation evaluation(std::move(inputs), std::move(evidence), *signs,
                        {request.check, request.simulate, std::string(settings_.text("profile", "standard")),
                         request.approval_token_ref, request.correlation_id, request.idempotency_key,
                         std::string(trimmed(settings_.text("kill-switch-state"))), policy.path});
  ASSIGN_OR_RETURN(EvaluationAnswer said, evaluation.conclude());
  return body_of(std::move(said), request.explain);
}

Result<Json> DecisionService::evaluate(const Json& body, std::uint32_t uid, client::SignerClient& signer) {
  ASSIGN_OR_RETURN(const EvaluationRequest request, EvaluationRequest::parse(body));
  if (request.idempotency_key.empty()) return decide(request, signer);
  return recorded_.answer(uid, request.idempotency_key, sha256(body.compact()),
                          [&] { return decide(request, signer); });
}

}  // namespace countersign::command
