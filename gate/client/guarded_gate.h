// Run a tool only after a signed, verified allow for exactly its intent, once. Everything else, a timeout included,
// runs nothing. The header of the C++ client library (docs/clients.md); it needs the standard library alone.
//
//   using namespace countersign::guard;
//   Gate gate({.trust = "/var/lib/countersign/published"});
//   Outcome done = gate.run({"kubectl", "delete", "deployment", "payments"},
//                           {.intent = intent_json, .approvals = {token_json}});
//   if (!done.ran) std::cerr << done.code << ": " << done.message << "\n" << done.approve << "\n";
//
// Documents (intents, tokens, envelopes, answers) are JSON texts as gait writes them. A Gate may be used by one thread
// at a time; make one for each. Nothing here throws; what the tool throws passes through.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace countersign::guard {

struct Options {
  std::string gate = {};    // the gate's socket; else $COUNTERSIGN_GATE, else /run/countersign/gate.sock
  std::string signer = {};  // the signer's; else $COUNTERSIGN_SIGNER, else /run/countersign/sign.sock
  // A synced copy of the published key set: the folder of its keyset.json, whose trace keys alone are believed. Empty:
  // the keys that the signer publishes on its socket.
  std::string trust = {};
  std::string policy_digest =
      {};  // 64 hex digits: the only policy that may decide. Empty: the gate's, if it has one alone
  std::chrono::milliseconds timeout{10000};  // from the question to the moment the tool may start
};

struct Request {
  std::string intent = {};  // the call, whole: tool_name, args, targets, context
  std::vector<std::string> approvals = {};
  std::vector<std::string> delegations = {};
  std::string context_envelope = {};
  std::string idempotency_key = {};  // for decide(); a tool call never repeats
};

struct Answer {
  std::string verdict = {};  // "allow", "dry_run", "require_approval", "block"; empty where there is none
  std::string code = {};     // the verdict, or why there is none: "no_answer", "gate_busy", "bad_answer", …
  std::string message = {};  // one sentence
  std::string approve = {};  // at require_approval: the line with which an approver approves
  std::string json = {};     // the gate's whole answer
};

struct Outcome : Answer {
  bool ran = false;  // the tool was started; false means that nothing was run
  int status = -1;   // of run(): the exit status, or 128 + the signal's number
};

class Gate {
 public:
  explicit Gate(Options options);
  ~Gate();
  Gate(Gate&&) noexcept;
  Gate& operator=(Gate&&) noexcept;

  // The gate's answer. It permits nothing: only run() and call() verify and spend.
  Answer decide(const Request& request);

  // Calls `tool` once, if the gate allows the intent, the trace's signature is by a trusted trace key, the trace is for
  // exactly this intent (and policy, where pinned) and fresh, and the signer has marked it executed for the first time.
  // The intent must describe that call.
  Outcome call(const Request& request, const std::function<void()>& tool);

  // Runs argv[0], found along PATH, with these words and without a shell, and waits for it. The intent's args.argv must
  // equal `argv` byte for byte.
  Outcome run(const std::vector<std::string>& argv, const Request& request);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The intent of a call as a framework shapes it: `adapter` is mcp, openai, anthropic, langchain or claude_code.
// `context` (and `targets`, a list, or empty) are the caller's own: what the model wrote vouches for nothing. Empty
// where the call is not of that shape: nothing is guessed.
std::string intent_of_call(const std::string& adapter, const std::string& call, const std::string& context,
                           const std::string& targets = {});

// The intent of a command line, for run(): args.argv are its words.
std::string intent_of_command(const std::string& tool_name, const std::vector<std::string>& argv,
                              const std::string& context, const std::string& targets = {});

}  // namespace countersign::guard
