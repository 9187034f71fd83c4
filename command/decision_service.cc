#include "command/decision_service.h"

#include <algorithm>
#include <chrono>

#include "command/gate_answer.h"
#include "command/gate_decision.h"
#include "command/input_file.h"
#include "common/clock.h"
#include "common/json_fields.h"
#include "gate/trace.h"

namespace countersign::command {
namespace {

using statement::StatementType;
using statement::Verdict;

Error invalid(std::string detail, std::string reason = {}) {
  return Error{ErrorCode::Invalid, std::move(detail), std::move(reason)};
}

Result<LoadedPolicies> load_all(const std::vector<std::string>& paths) {
  LoadedPolicies loaded;
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(const std::string text, read_input("policy", path));
    ASSIGN_OR_RETURN(gate::Policy policy, gate::Policy::parse(text));
    const Digest digest = policy.policy_digest();
    if (std::ranges::find(loaded, digest, &LoadedPolicy::digest) != loaded.end()) {
      return invalid(path + " is the same policy as another one that is served");
    }
    loaded.push_back({path, std::move(policy), digest});
  }
  if (loaded.empty()) return invalid("no policy is named");
  return loaded;
}

// The members of one request, still as documents.
struct Request {
  const Json* intent = nullptr;
  std::vector<Json> tokens;
  const Json* envelope = nullptr;
  std::string policy;
  std::string idempotency_key;
  std::string correlation_id;
};

Result<Request> read_request(const Json& body) {
  JsonFields fields(body, "");
  Request request;
  ASSIGN_OR_RETURN(request.intent, fields.required("intent"));
  if (!request.intent->is_object()) return fields.wrong("intent", "an object");
  if (const Json* tokens = fields.take("approval_tokens")) {
    if (!tokens->is_array()) return fields.wrong("approval_tokens", "a list");
    request.tokens = tokens->as_array();
  }
  request.envelope = fields.take("context_envelope");
  struct Text {
    const char* name;
    std::string& out;
  };
  for (const Text& text : {Text{"policy", request.policy}, Text{"idempotency_key", request.idempotency_key},
                           Text{"correlation_id", request.correlation_id}}) {
    const Json* given = fields.take(text.name);
    if (given == nullptr) continue;
    if (!given->is_string()) return fields.wrong(text.name, "a text");
    text.out = given->as_string();
  }
  RETURN_IF_ERROR(fields.finish());
  return request;
}

Result<const LoadedPolicy*> chosen(const LoadedPolicies& loaded, const std::string& wanted) {
  if (wanted.empty()) {
    if (loaded.size() == 1) return &loaded.front();
    return invalid("several policies are served: `policy` must name the digest of one", "policy_not_named");
  }
  const auto found =
      std::ranges::find_if(loaded, [&wanted](const LoadedPolicy& each) { return each.digest.hex() == wanted; });
  if (found == loaded.end()) {
    return Error{ErrorCode::NotFound, "no policy " + wanted.substr(0, 64) + " is served", "policy_not_served",
                 "GET /v1/policies lists them; a changed file counts after a reload"};
  }
  return &*found;
}

gate::Evidence stops(const std::string& path) {
  gate::Evidence evidence;
  if (path.empty()) return evidence;
  const Result<std::string> text = read_input("kill switch state", path);
  Result<gate::KillSwitch> state = text ? gate::KillSwitch::parse(*text) : Result<gate::KillSwitch>(text.error());
  if (state) {
    evidence.kill_switch = *std::move(state);
  } else {
    // A service cannot ask anybody: whatever is stopped is stopped.
    evidence.kill_switch_unavailable = true;
  }
  return evidence;
}

Result<GateInputs> inputs_of(const Request& request, const LoadedPolicy& policy, const std::string& kill_switch,
                             UtcTime now) {
  ASSIGN_OR_RETURN(gate::Intent intent, gate::Intent::parse(*request.intent));
  std::optional<gate::ContextEnvelope> envelope;
  if (request.envelope != nullptr) {
    const std::string text = request.envelope->compact();
    ASSIGN_OR_RETURN(envelope, gate::ContextEnvelope::parse(std::string_view(text)));
  }
  ASSIGN_OR_RETURN(
      gate::JudgedIntent judged,
      gate::with_context(std::move(intent), envelope, gate::ContextTrust::Envelope, gate::AgeInDigest::Left, now));
  const Digest digest = judged.intent.intent_digest();
  return GateInputs{policy.policy,
                    policy.digest,
                    std::move(judged),
                    digest,
                    *request.intent,
                    request.tokens,
                    stops(kill_switch),
                    now,
                    {}};
}

// One evaluation on its way, up to the signed documents.
class Evaluation {
 public:
  Evaluation(const Request& request, GateInputs inputs, client::SignerClient& signer)
      : request_(request), inputs_(std::move(inputs)), presented_(inputs_), signer_(signer) {}

  Status judge() {
    ASSIGN_OR_RETURN(decision_, decide_alone(inputs_));
    if (decision_.verdict == Verdict::RequireApproval) {
      if (presented_.any() && !keys_) {
        ASSIGN_OR_RETURN(keys_, signer_.keys());
      }
      judgement_ = presented_.judge(decision_, keys_ ? *keys_ : keymgmt::KeySet(), SystemClock().now());
      decision_ = gate::after_approvals(std::move(decision_), *judgement_);
    }
    block_without_credential(decision_);
    return ok();
  }

  // False where the signer turned tokens down and the decision has to be judged again.
  Result<bool> sign() {
    client::SignRequest request;
    request.type = StatementType::Trace;
    request.fields = gate::trace_statement(gate::trace_fields(trace_inputs()));
    if (judgement_ && decision_.verdict == Verdict::Allow) request.redeem = judgement_->redeemable;
    request.intent =
        Json::object({{"digest_form", inputs_.judged.intent.digest_form()}, {"document", inputs_.intent_document}});
    request.idempotency_key = request_.idempotency_key;
    ASSIGN_OR_RETURN(auto answer, signer_.sign(request));
    if (const auto* refusal = std::get_if<client::Refusal>(&answer)) {
      if (!request.redeem.empty() && presented_.turn_down(refusal->tokens)) return false;
      return refusal->error;
    }
    trace_ = std::move(std::get<client::Signed>(answer).statement);
    return true;
  }

  Json answer(const std::string& profile) {
    std::vector<std::string> warnings;
    const Json audit = signed_audit(warnings);
    Json out = gate_json(GateAnswer{inputs_, decision_, judgement_, profile, std::string(trace_.text("trace_id")), "",
                                    "", false, false, std::move(warnings)});
    // Always there, also where gait leaves empty ones out.
    for (const char* name : {"reason_codes", "violations"}) {
      if (out.find(name) == nullptr) out.set(name, Json::Array{});
    }
    out.set("trace", std::move(trace_));
    if (!audit.is_null()) out.set("approval_audit", audit);
    return out;
  }

 private:
  gate::TraceInputs trace_inputs() const {
    return {inputs_.policy,
            inputs_.judged,
            decision_,
            inputs_.intent_digest,
            inputs_.policy_digest,
            judgement_ ? judgement_->approval_ref : std::string(),
            request_.correlation_id,
            0};
  }

  Json signed_audit(std::vector<std::string>& warnings) {
    if (decision_.required_approvals == 0 && !presented_.any()) return {};
    const gate::ApprovalJudgement nothing;
    client::SignRequest request;
    request.type = StatementType::ApprovalAudit;
    request.fields = gate::approval_audit_fields(trace_inputs(), std::string(trace_.text("trace_id")),
                                                 judgement_ ? *judgement_ : nothing);
    const auto answer = signer_.sign(request);
    const auto* made = answer ? std::get_if<client::Signed>(&*answer) : nullptr;
    if (made != nullptr) return made->statement;
    // The decision stands, signed and recorded; its audit can be rebuilt from the ledger.
    warnings.emplace_back("no approval audit was signed");
    return {};
  }

  const Request& request_;
  GateInputs inputs_;
  PresentedApprovals presented_;
  client::SignerClient& signer_;
  std::optional<keymgmt::KeySet> keys_;
  gate::Decision decision_;
  std::optional<gate::ApprovalJudgement> judgement_;
  Json trace_;
};

}  // namespace

Result<std::unique_ptr<DecisionService>> DecisionService::load(DecisionServiceOptions options) {
  std::unique_ptr<DecisionService> service(new DecisionService(std::move(options)));
  RETURN_IF_ERROR(service->reload());
  return service;
}

Status DecisionService::reload() {
  ASSIGN_OR_RETURN(LoadedPolicies loaded, load_all(options_.policy_paths));
  for (const LoadedPolicy& each : loaded) RETURN_IF_ERROR(check_profile(options_.profile, each.policy, false, false));
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

Result<Json> DecisionService::evaluate(const Json& body, client::SignerClient& signer) const {
  ASSIGN_OR_RETURN(const Request request, read_request(body));
  const std::shared_ptr<const LoadedPolicies> loaded = current();
  ASSIGN_OR_RETURN(const LoadedPolicy* policy, chosen(*loaded, request.policy));
  ASSIGN_OR_RETURN(GateInputs inputs, inputs_of(request, *policy, options_.kill_switch_path, SystemClock().now()));
  Evaluation evaluation(request, std::move(inputs), signer);
  for (;;) {
    RETURN_IF_ERROR(evaluation.judge());
    ASSIGN_OR_RETURN(const bool is_signed, evaluation.sign());
    if (is_signed) return evaluation.answer(options_.profile);
  }
}

}  // namespace countersign::command
