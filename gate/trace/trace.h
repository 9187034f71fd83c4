// The statements a decision gives rise to: the signed trace and the approval audit (reference: gait-formats §16.1,
// §9.5), in the form the signer's `POST /v1/sign` takes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/clock.h"
#include "common/digest.h"
#include "common/json.h"
#include "gate/decision/evaluate.h"
#include "gate/evidence/approval.h"
#include "gate/evidence/credential.h"
#include "gate/evidence/delegation.h"
#include "signer/statement/statement.h"

namespace countersign::gate {

struct TraceInputs {
  const Policy& policy;
  const JudgedIntent& judged;
  const Decision& decision;  // after approvals
  Digest intent_digest;
  Digest policy_digest;
  std::string approval_token_ref;  // --approval-token-ref, else the approval_ref of a granted approval
  std::string correlation_id;
  double latency_ms = 0;
  const DelegationJudgement* delegation = nullptr;  // where the policy demands delegations
  const CredentialReceipt* credential = nullptr;    // where one was issued
};

// gait's members in file order and the facts of the member `countersign`.
statement::TraceFields trace_fields(const TraceInputs& inputs);
// As the signer's API takes it: the fields with a member `countersign`.
Json trace_statement(const statement::TraceFields& fields);

// gait's unsigned audit record without schema_id, schema_version and producer_version, which the holder sets.
Json approval_audit_fields(const TraceInputs& inputs, const std::string& trace_id, const ApprovalJudgement& judgement);

// The same of gait's delegation audit (gait-formats §11), which says delegated only where every link has its token.
Json delegation_audit_fields(const TraceInputs& inputs, const std::string& trace_id,
                             const DelegationJudgement& judgement);

}  // namespace countersign::gate
