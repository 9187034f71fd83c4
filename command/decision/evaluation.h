// One evaluation, from its inputs to what was decided, signed and recorded: the loop of `gate eval` and `gate serve`.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "command/decision/decision_evidence.h"
#include "command/decision/decision_signer.h"
#include "command/decision/gate_decision.h"
#include "command/decision/gate_inputs.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/result.h"
#include "gate/call/mcp_trust.h"
#include "gate/decision/evaluate.h"
#include "gate/evidence/approval.h"

namespace countersign::command {

struct EvaluationOptions {
  bool check = false;     // judge only: no signature, nothing redeemed, counted or issued
  bool simulate = false;  // the policy's decision, which is not enforced
  std::string profile = "standard";
  std::string approval_token_ref;  // what the trace says of approvals kept elsewhere
  std::string correlation_id;
  std::string idempotency_key;
  std::string kill_switch_state;  // the file, whose journal lies beside it; empty for none
  std::string policy_path;        // for people who look up a line of it
  // gait's mcp proxy and voice: no approval is missed where none is presented, and the trace has no latency.
  bool as_proxy = false;
  // Why the call's job may do nothing (command/mcp/job_stop.h); empty where it may.
  std::string job_stop;
  std::optional<gate::TrustFinding> trust;  // in the tool's server, where the policy asks for it
};

// A signed document of a decision. The names are the answer's members and, with "-out", the flags of their files.
struct DecisionRecord {
  std::string_view name;  // "trace", "approval_audit", "delegation_audit", "credential_evidence"
  Json document;
};
inline constexpr std::string_view kRecordNames[] = {"trace", "approval_audit", "delegation_audit",
                                                    "credential_evidence"};

// What is said of a decision, whoever made it: this process, or a gate that was asked.
struct EvaluationAnswer {
  Json members;                         // gate_json's, without the paths of files
  std::vector<DecisionRecord> records;  // the trace first; empty where nothing was signed
  Json policy_explain;                  // gait's object, without the paths of files
  std::string notice;                   // for people alone
  bool as_gait = false;                 // key-file mode
};

class Evaluation {
 public:
  // `signer` outlives it.
  Evaluation(GateInputs inputs, DecisionEvidence evidence, DecisionSigner& signer, EvaluationOptions options)
      : inputs_(std::move(inputs)),
        presented_(inputs_),
        evidence_(std::move(evidence)),
        signer_(signer),
        options_(std::move(options)),
        warnings_(inputs_.warnings) {}
  Evaluation(const Evaluation&) = delete;

  // Judges, has the decision signed, and judges again where the signer turned approvals down. Once.
  // Fails with Invalid (exit 6) for what cannot be judged, with Unavailable (exit 7) where nobody signs, and as the
  // signer refuses. What fails was not decided: no caller may take it for an allow.
  Result<EvaluationAnswer> conclude();

 private:
  // Whether approvals are looked at: the proxy's caller may have none to give.
  bool weighs_approvals() const { return !options_.as_proxy || presented_.any(); }
  // Without a ledger a simulation is signed, as gait does, and marked as one.
  bool signs() const { return !options_.check && !(options_.simulate && signer_.has_ledger()); }
  gate::TraceInputs trace_inputs(const gate::Decision& decision) const;
  Status judge();
  // Signs the decision as it stands; false where the signer turned tokens down and the decision has to be judged again.
  Result<bool> sign();
  void record(statement::StatementType type, std::string_view name, Json fields);
  void record_all();
  EvaluationAnswer answer();

  GateInputs inputs_;
  PresentedApprovals presented_;
  DecisionEvidence evidence_;
  DecisionSigner& signer_;
  EvaluationOptions options_;
  SystemClock clock_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  double latency_ms_ = 0;
  gate::Decision decision_;
  gate::Decision by_policy_;  // before approvals and credentials
  std::optional<gate::ApprovalJudgement> judgement_;
  std::vector<DecisionRecord> records_;
  std::vector<std::string> warnings_;
};

}  // namespace countersign::command
