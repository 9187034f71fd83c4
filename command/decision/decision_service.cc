#include "command/decision/decision_service.h"

#include "command/decision/attestation.h"
#include "command/decision/decision_evidence.h"
#include "command/decision/decision_signer.h"
#include "command/decision/evaluation.h"
#include "command/decision/gate_answer.h"
#include "command/decision/gate_decision.h"
#include "command/decision/gate_inputs.h"
#include "common/clock.h"
#include "common/text.h"

namespace countersign::command {
namespace {

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

Result<std::unique_ptr<DecisionService>> DecisionService::open(const Arguments& settings) {
  // What is wrong with a setting is said at the start, not at the first question.
  RETURN_IF_ERROR(DecisionEvidence::prepare(settings));
  std::unique_ptr<DecisionService> service(new DecisionService(settings));
  RETURN_IF_ERROR(service->reload());
  return service;
}

Result<std::unique_ptr<GateAnswers>> DecisionService::load(const Arguments& settings) {
  ASSIGN_OR_RETURN(std::unique_ptr<DecisionService> service, open(settings));
  return std::unique_ptr<GateAnswers>(std::move(service));
}

Result<Json> DecisionService::decide(const EvaluationRequest& request, const Spending* spending,
                                     client::SignerClient& signer) const {
  ASSIGN_OR_RETURN(LoadedPolicy policy, policies_.chosen(request.policy, request.simulate));
  ASSIGN_OR_RETURN(GateInputs inputs, gate_inputs(settings_, {std::move(policy.policy), policy.digest, request.intent,
                                                              envelope_of(request, settings_), SystemClock().now()}));
  inputs.tokens = request.approval_tokens;
  ASSIGN_OR_RETURN(DecisionEvidence evidence, DecisionEvidence::prepare(settings_));
  evidence.present(request.delegation_tokens);
  const std::unique_ptr<DecisionSigner> signs = decision_signer(signer, spending);
  Evaluation evaluation(std::move(inputs), std::move(evidence), *signs,
                        {request.check, request.simulate, std::string(settings_.text("profile", "standard")),
                         request.approval_token_ref, request.correlation_id, request.idempotency_key,
                         std::string(trimmed(settings_.text("kill-switch-state"))), policy.path});
  ASSIGN_OR_RETURN(EvaluationAnswer said, evaluation.conclude());
  return body_of(std::move(said), request.explain);
}

Result<Json> DecisionService::evaluate(const Json& body, std::uint32_t uid, client::SignerClient& signer) {
  ASSIGN_OR_RETURN(const EvaluationRequest request, EvaluationRequest::parse(body));
  if (request.idempotency_key.empty()) return decide(request, nullptr, signer);
  return recorded_.answer(uid, request.idempotency_key, sha256(body.compact()),
                          [&] { return decide(request, nullptr, signer); });
}

Result<Json> DecisionService::evaluate_and_spend(const Json& body, const Spending& spending,
                                                 client::SignerClient& signer) const {
  ASSIGN_OR_RETURN(const EvaluationRequest request, EvaluationRequest::parse(body));
  if (!request.idempotency_key.empty()) {
    return Error{ErrorCode::Invalid, "a permit that is spent as it is signed has no idempotency key"};
  }
  return decide(request, &spending, signer);
}

}  // namespace countersign::command
