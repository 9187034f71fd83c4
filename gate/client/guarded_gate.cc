#include "gate/client/guarded_gate.h"

#include <spawn.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "common/clock.h"
#include "common/durable_file.h"
#include "common/json.h"
#include "common/program_path.h"
#include "gate/client/gate_connection.h"
#include "gate/client/permit.h"
#include "gate/context/context_envelope.h"
#include "signer/client/signer_client.h"

extern char** environ;

namespace countersign::guard {
namespace {

using gate::client::GateConnection;
using gate::client::Permit;
using Moment = std::chrono::steady_clock::time_point;

// The signer holds the rule, and refuses an older permit whatever is said here.
constexpr std::chrono::nanoseconds kExecuteWithin = std::chrono::minutes(5);

std::string chosen(const std::string& named, const char* variable, const char* otherwise) {
  if (!named.empty()) return named;
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

Result<Json> document(std::string_view what, const std::string& text) {
  Result<Json> json = Json::parse(text, {.gait = true});
  if (json) return json;
  return Error{ErrorCode::Invalid, std::string(what) + ": " + json.error().detail, json.error().reason};
}

Result<Json> documents(std::string_view what, const std::vector<std::string>& texts) {
  Json::Array out;
  for (const std::string& text : texts) {
    ASSIGN_OR_RETURN(Json one, document(what, text));
    out.push_back(std::move(one));
  }
  return Json(std::move(out));
}

// What the gate and the permit are about: the request, read once.
struct Question {
  Json body;
  gate::Intent intent;  // as it is hashed: with the facts of its envelope
};

Result<Question> question_of(const Request& request, const std::string& policy_digest) {
  Json body{Json::Object{}};
  ASSIGN_OR_RETURN(Json written, document("intent", request.intent));
  ASSIGN_OR_RETURN(gate::Intent intent, gate::Intent::parse(written, gate::ArgsReading::Exact));
  body.set("intent", std::move(written));
  ASSIGN_OR_RETURN(Json approvals, documents("approval token", request.approvals));
  ASSIGN_OR_RETURN(Json delegations, documents("delegation token", request.delegations));
  if (!request.approvals.empty()) body.set("approval_tokens", std::move(approvals));
  if (!request.delegations.empty()) body.set("delegation_tokens", std::move(delegations));
  if (!policy_digest.empty()) body.set("policy", policy_digest);
  if (!request.idempotency_key.empty()) body.set("idempotency_key", request.idempotency_key);
  if (!request.context_envelope.empty()) {
    ASSIGN_OR_RETURN(Json written_envelope, document("context envelope", request.context_envelope));
    ASSIGN_OR_RETURN(const gate::ContextEnvelope envelope,
                     gate::ContextEnvelope::parse(std::string_view(request.context_envelope)));
    body.set("context_envelope", std::move(written_envelope));
    intent = intent.with_envelope_facts(envelope.set_digest(), envelope.mode(), envelope.refs(), std::nullopt);
  }
  return Question{std::move(body), std::move(intent)};
}

Answer refusal(const Error& error) {
  return {.code = error.wire_code(), .message = error.detail + (error.hint.empty() ? "" : "; " + error.hint)};
}

Answer answer_of(const Json& members) {
  std::string reasons;
  if (const Json* codes = members.find("reason_codes"); codes != nullptr && codes->is_array()) {
    for (const Json& code : codes->as_array()) {
      if (code.is_string()) reasons += (reasons.empty() ? "" : ", ") + code.as_string();
    }
  }
  const std::string verdict(members.text("verdict"));
  return {.verdict = verdict,
          .code = verdict,
          .message = "the gate says " + verdict + " (" + reasons + ")",
          .approve = std::string(members.text("approve")),
          .json = members.compact()};
}

// Where one string is handed to a call that wants it writable and leaves it alone.
std::vector<char*> words_of(const std::vector<std::string>& argv) {
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  return words;
}

}  // namespace

struct Gate::State {
  Options options;

  std::chrono::nanoseconds left(Moment deadline) const {
    return std::max<std::chrono::nanoseconds>(deadline - std::chrono::steady_clock::now(),
                                              std::chrono::milliseconds(1));
  }
  Result<Json> ask(const Question& question, Moment deadline) const {
    return GateConnection(options.gate, left(deadline)).evaluate(question.body);
  }
  Result<keymgmt::KeySet> keys(Moment deadline) const;
  // Verifies the trace for the intent and marks it executed: after this, and only then, the tool may start.
  Status spend(const Json& trace, const gate::Intent& intent, const std::vector<std::string>* argv,
               Moment deadline) const;
  Outcome guarded(const Request& request, const std::vector<std::string>* argv,
                  const std::function<void(Outcome&)>& tool) const;
};

Result<keymgmt::KeySet> Gate::State::keys(Moment deadline) const {
  if (options.trust.empty()) return client::SignerClient(options.signer, left(deadline)).keys();
  ASSIGN_OR_RETURN(const std::string text, read_file(options.trust + "/keyset.json", std::size_t{1} << 20));
  ASSIGN_OR_RETURN(const Json json, Json::parse(text));
  return keymgmt::KeySet::parse(json);
}

Status Gate::State::spend(const Json& trace, const gate::Intent& intent, const std::vector<std::string>* argv,
                          Moment deadline) const {
  std::optional<Digest> policy;
  if (!options.policy_digest.empty()) {
    ASSIGN_OR_RETURN(policy, Digest::parse(options.policy_digest));
  }
  ASSIGN_OR_RETURN(const keymgmt::KeySet trusted, keys(deadline));
  const gate::client::PermitRules rules{trusted, policy, kExecuteWithin, SystemClock().now()};
  ASSIGN_OR_RETURN(const Permit permit, argv == nullptr ? Permit::check_call(trace, intent, rules)
                                                        : Permit::check(trace, intent, *argv, rules));
  RETURN_IF_ERROR(client::SignerClient(options.signer, left(deadline)).executed(permit.trace()));
  if (std::chrono::steady_clock::now() > deadline) {
    return Error{ErrorCode::Unavailable, "the permit came too late and is spent", "timeout"};
  }
  return ok();
}

Outcome Gate::State::guarded(const Request& request, const std::vector<std::string>* argv,
                             const std::function<void(Outcome&)>& tool) const {
  const Moment deadline = std::chrono::steady_clock::now() + options.timeout;
  const Result<Question> question = question_of(request, options.policy_digest);
  if (!question) return {refusal(question.error())};
  const Result<Json> members = ask(*question, deadline);
  if (!members) return {refusal(members.error())};
  Outcome outcome{answer_of(*members)};
  if (outcome.verdict != "allow") return outcome;
  const Json* trace = members->find("trace");
  if (trace == nullptr) {
    outcome.code = "bad_answer";
    outcome.message = "the gate's allow carries no signed trace";
    return outcome;
  }
  if (const Status spent = spend(*trace, question->intent, argv, deadline); !spent) {
    const Answer why = refusal(spent.error());
    outcome.code = why.code;
    outcome.message = why.message;
    return outcome;
  }
  outcome.ran = true;
  tool(outcome);
  return outcome;
}

Gate::Gate(Options options) : state_(new State{std::move(options)}) {
  Options& chosen_options = state_->options;
  chosen_options.gate = chosen(chosen_options.gate, "COUNTERSIGN_GATE", "/run/countersign/gate.sock");
  chosen_options.signer = chosen(chosen_options.signer, "COUNTERSIGN_SIGNER", "/run/countersign/sign.sock");
}
Gate::~Gate() = default;
Gate::Gate(Gate&&) noexcept = default;
Gate& Gate::operator=(Gate&&) noexcept = default;

Answer Gate::decide(const Request& request) {
  const Moment deadline = std::chrono::steady_clock::now() + state_->options.timeout;
  const Result<Question> question = question_of(request, state_->options.policy_digest);
  if (!question) return refusal(question.error());
  const Result<Json> members = state_->ask(*question, deadline);
  return members ? answer_of(*members) : refusal(members.error());
}

Outcome Gate::call(const Request& request, const std::function<void()>& tool) {
  return state_->guarded(request, nullptr, [&tool](Outcome&) { tool(); });
}

Outcome Gate::run(const std::vector<std::string>& argv, const Request& request) {
  if (argv.empty()) return {Answer{.code = "invalid", .message = "there is no command line"}};
  // Before the permit is spent: a misspelt program must not cost an approval.
  const Result<std::string> program = program_path(argv.front());
  if (!program) return {refusal(program.error())};
  return state_->guarded(request, &argv, [&](Outcome& outcome) {
    pid_t child = 0;
    const int failure = ::posix_spawn(&child, program->c_str(), nullptr, nullptr, words_of(argv).data(), environ);
    if (failure != 0) {
      outcome.ran = false;
      outcome.code = "not_started";
      outcome.message = *program + ": " + std::strerror(failure) + "; the permit is spent and nothing was run";
      return;
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  });
}

}  // namespace countersign::guard
