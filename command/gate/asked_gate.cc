#include "command/gate/asked_gate.h"

#include <filesystem>

#include "command/decision/attestation.h"
#include "command/decision/gate_settings.h"
#include "command/line/input_file.h"
#include "command/line/key_files.h"
#include "common/text.h"
#include "gate/client/gate_connection.h"
#include "gate/context/context_envelope.h"

namespace countersign::command {
namespace {

// As long as the command waits for the signer itself.
constexpr std::chrono::nanoseconds kTimeout = std::chrono::seconds(30);

// Who is stopped, what is counted, who vouches and who brokers: not the caller's to say.
Status refuse_gates_own(const Arguments& arguments) {
  std::vector<std::string_view> names{"signer", "evaluation-time"};
  for (const Flag& flag : setting_flags()) names.push_back(flag.name);
  for (const std::string_view flag : names) {
    if (!arguments.given(flag)) continue;
    return Error{ErrorCode::Invalid, "--" + std::string(flag) + " cannot be set for a gate that is asked",
                 "gate_setting", "leave it out: the gate was started with its own; or decide here, without --gate"};
  }
  if (in_key_file_mode(arguments)) {
    return Error{ErrorCode::Invalid, "a gate that is asked signs with the signer, not with key files", "gate_setting",
                 "leave out the key flags, or --gate"};
  }
  return ok();
}

Result<Json> request_of(const Arguments& arguments, const std::string& correlation_id) {
  const std::string intent_path(trimmed(arguments.text("intent")));
  if (intent_path.empty()) return Error{ErrorCode::Invalid, "--intent is required"};
  Json request{Json::Object{}};
  if (const std::string path(trimmed(arguments.text("policy"))); !path.empty()) {
    ASSIGN_OR_RETURN(const std::string text, read_input("policy", path));
    ASSIGN_OR_RETURN(const gate::Policy policy, gate::Policy::parse(text));
    request.set("policy", policy.policy_digest().hex());
  }
  ASSIGN_OR_RETURN(const std::string intent_text, read_input("intent", intent_path));
  ASSIGN_OR_RETURN(Json document, gate::Intent::read(intent_text));
  // The gate may bind outer white space; what no reading takes is refused here, in the words of the usual one.
  if (const Result<gate::Intent> exact = gate::Intent::parse(document, gate::ArgsReading::Exact); !exact) {
    RETURN_IF_ERROR(gate::Intent::parse(document));
    return exact.error();
  }
  request.set("intent", std::move(document));
  if (const std::string path(trimmed(arguments.text("context-envelope"))); !path.empty()) {
    ASSIGN_OR_RETURN(const std::string text, read_input("context envelope", path));
    RETURN_IF_ERROR(gate::ContextEnvelope::parse(std::string_view(text)));
    ASSIGN_OR_RETURN(Json envelope, Json::parse(text, {.gait = true}));
    request.set("context_envelope", std::move(envelope));
    if (const std::string beside = attestation_path(path); std::filesystem::exists(beside)) {
      ASSIGN_OR_RETURN(Json attestation, read_document("attestation", beside));
      request.set("context_attestation", std::move(attestation));
    }
  }
  ASSIGN_OR_RETURN(std::vector<Json> approvals, read_approval_tokens(arguments));
  if (!approvals.empty()) request.set("approval_tokens", std::move(approvals));
  ASSIGN_OR_RETURN(std::vector<Json> delegations, read_delegation_tokens(arguments));
  if (!delegations.empty()) request.set("delegation_tokens", std::move(delegations));
  struct Text {
    std::string_view member;
    std::string_view value;
  };
  for (const Text& text :
       {Text{"approval_token_ref", arguments.text("approval-token-ref")},
        Text{"idempotency_key", arguments.text("idempotency-key")}, Text{"correlation_id", correlation_id}}) {
    if (!text.value.empty()) request.set(text.member, text.value);
  }
  for (const std::string_view flag : {"check", "simulate", "explain"}) {
    if (arguments.is_on(flag)) request.set(flag, true);
  }
  return request;
}

// Takes the member out of `answer`; null where it has none.
Json taken(Json& answer, std::string_view name) {
  Json* member = answer.find(name);
  if (member == nullptr) return {};
  Json out = std::move(*member);
  answer.erase(name);
  return out;
}

}  // namespace

std::optional<std::string> gate_address(const Arguments& arguments) {
  if (const std::string_view named = trimmed(arguments.text(kGateFlag.name)); !named.empty()) return std::string(named);
  const char* variable = std::getenv("COUNTERSIGN_GATE");
  if (variable == nullptr || *variable == '\0') return std::nullopt;
  if (arguments.given("signer") || in_key_file_mode(arguments)) return std::nullopt;
  return std::string(variable);
}

Result<EvaluationAnswer> ask_gate(const std::string& socket, const Arguments& arguments,
                                  const std::string& correlation_id) {
  RETURN_IF_ERROR(refuse_gates_own(arguments));
  ASSIGN_OR_RETURN(const Json request, request_of(arguments, correlation_id));
  gate::client::GateConnection gate(socket, kTimeout);
  ASSIGN_OR_RETURN(Json members, gate.evaluate(request));
  EvaluationAnswer out;
  out.policy_explain = taken(members, "policy_explain");
  for (const std::string_view name : kRecordNames) {
    if (Json document = taken(members, name); document.is_object()) out.records.push_back({name, std::move(document)});
  }
  const bool signs = !arguments.is_on("check") && !arguments.is_on("simulate");
  if (signs && (out.records.empty() || out.records.front().name != "trace")) {
    return Error{ErrorCode::Unavailable, "the gate's answer carries no signed trace", "bad_answer"};
  }
  // gait leaves empty lists out.
  for (const std::string_view name : {"reason_codes", "violations"}) {
    const Json* list = members.find(name);
    if (list != nullptr && list->is_array() && list->as_array().empty()) members.erase(name);
  }
  out.members = std::move(members);
  return out;
}

}  // namespace countersign::command
