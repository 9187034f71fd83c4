// Statements to try things on.
#pragma once

#include <string>

#include "signer/statement/statement.h"

namespace countersign::statement {

inline const UtcTime kNow = UtcTime::from_unix(1'800'000'000, 123'456'700);  // 2027-01-15T08:00:00.1234567Z
inline constexpr std::string_view kTokenId = "00112233445566778899aabb";

// What a gate sends: every kind of member, nested structures included.
inline Json trace_fields() {
  return *Json::parse(R"({
    "created_at": "2026-06-08T21:14:00Z",
    "correlation_id": "5c152e09c79575db0aeb87e0",
    "tool_name": "db.drop_table",
    "args_digest": "260aa02a40eec5bc8e7be32880c2d8d10b94d1ff2978fd56a26a11800038a4ad",
    "intent_digest": "ba6e55d6b72308b34c24571bce1b2434ef7802df7def15a31826384bf3582e9c",
    "policy_digest": "850f03880f107538e6ea675fe85706d4700249cd12596c483c3b1a93207e62e7",
    "agent_id": "agent-1",
    "agent_identity": {"lifecycle_states": ["approved"], "owner": "o", "issued_at": "2026-01-01T00:00:00Z",
      "approved_at": "2026-01-01T22:00:00Z", "expires_at": "2027-01-01T00:00:00Z", "revoked": true},
    "credential_ttl_seconds": 300,
    "policy_id": "gait.gate.policy",
    "policy_version": "1.0.0",
    "verdict": "require_approval",
    "script": true,
    "step_count": 2,
    "step_verdicts": [{"index": 0, "tool_name": "kb.read", "verdict": "allow", "reason_codes": ["matched_rule_r"]},
      {"index": 1, "tool_name": "db.drop_table", "verdict": "require_approval", "matched_rule": "w"}],
    "violations": ["approval_not_granted"],
    "latency_ms": 0.07153200000000001,
    "freeze_window": {"status": "inactive", "timezone": "UTC", "evaluated_at": "2026-06-15T12:00:00Z",
      "window_start": "0001-01-01T00:00:00Z", "window_end": "0001-01-01T00:00:00Z"},
    "relationship": {
      "parent_ref": {"kind": "session", "id": "s1"},
      "entity_refs": [{"kind": "agent", "id": "zoe@team.example"}, {"kind": "tool", "id": "db.drop_table"}],
      "policy_ref": {"policy_id": "gait.gate.policy",
        "policy_digest": "850f03880f107538e6ea675fe85706d4700249cd12596c483c3b1a93207e62e7"},
      "agent_chain": [{"identity": "zoe@team.example", "role": "requester"}],
      "edges": [{"kind": "calls", "from": {"kind": "agent", "id": "zoe@team.example"},
        "to": {"kind": "tool", "id": "db.drop_table"}}],
      "related_entity_ids": ["850f03880f107538e6ea675fe85706d4700249cd12596c483c3b1a93207e62e7", "db.drop_table",
        "zoe@team.example"]
    },
    "countersign": {"requester": "zoe@team.example", "reason_codes": ["rule_w", "approval_token_missing"],
      "matched_rule": "w", "required_approvals": 2, "distinct_approvers": true,
      "required_scopes": ["tool:db.drop_table"], "destructive": true, "context_source": "envelope"}
  })");
}

inline Json token_fields() {
  return *Json::parse(R"({
    "intent_digest": "ba6e55d6b72308b34c24571bce1b2434ef7802df7def15a31826384bf3582e9c",
    "policy_digest": "850f03880f107538e6ea675fe85706d4700249cd12596c483c3b1a93207e62e7",
    "approver_identity": "alice@approvers.example",
    "reason_code": "change_ticket_604",
    "scope": ["tool:db.drop_table", "phase:apply"],
    "ttl_seconds": 3600,
    "max_targets": 2
  })");
}

inline Json audit_fields() {
  return *Json::parse(R"({
    "created_at": "2026-06-08T21:14:00Z",
    "trace_id": "d2d3c76801c3449f111d9b91",
    "tool_name": "db.drop_table",
    "intent_digest": "ba6e55d6b72308b34c24571bce1b2434ef7802df7def15a31826384bf3582e9c",
    "policy_digest": "850f03880f107538e6ea675fe85706d4700249cd12596c483c3b1a93207e62e7",
    "required_approvals": 2,
    "valid_approvals": 1,
    "approved": false,
    "approvers": ["alice@approvers.example"],
    "entries": [{"token_id": "52615fffc7bae834c42bbfa7", "approver_identity": "alice@approvers.example",
      "reason_code": "change_ticket_973", "scope": ["tool:db.drop_table"], "expires_at": "2076-11-09T04:22:57Z",
      "valid": true}]
  })");
}

inline Json pack_fields() {
  return *Json::parse(R"({
    "created_at": "2026-02-05T00:00:00Z",
    "run_id": "run_demo",
    "case_id": "INC-7",
    "template_id": "incident_response",
    "control_index": [{"control_id": "IR-CHAIN", "title": "Reconstruction Chain",
      "evidence_paths": ["runpack_summary.json"]}, {"control_id": "IR-ROOTCAUSE", "title": "Root Cause and Regression",
      "evidence_paths": []}],
    "evidence_pointers": [{"pointer_id": "ev_001", "path": "runpack_summary.json", "type": "runpack",
      "sha256": "ac77efc55d3b89d21e8d30fe4136d0f53e68eec885d1d9ee1125b5b3e18772f6"}],
    "contents": [
      {"path": "control_index.json", "sha256": "88570f773010b5dbd416bca10fd2cc8c82752dd14e668602b12dbd2937b4c4b8",
        "type": "report"},
      {"path": "runpack_summary.json", "sha256": "ac77efc55d3b89d21e8d30fe4136d0f53e68eec885d1d9ee1125b5b3e18772f6",
        "type": "runpack"}]
  })");
}

inline Json delegation_fields() {
  return *Json::parse(R"({
    "delegator_identity": "lead@team.example",
    "delegate_identity": "agent-1",
    "scope": ["write", "deploy"],
    "scope_class": "write",
    "intent_digest": "ba6e55d6b72308b34c24571bce1b2434ef7802df7def15a31826384bf3582e9c",
    "policy_digest": "850f03880f107538e6ea675fe85706d4700249cd12596c483c3b1a93207e62e7",
    "ttl_seconds": 3600
  })");
}

inline Json script_fields() {
  return *Json::parse(R"({
    "pattern_id": "nightly",
    "policy_digest": "850f03880f107538e6ea675fe85706d4700249cd12596c483c3b1a93207e62e7",
    "script_hash": "a791d95d1068179ba843136367016f5724340b1cd161298654d8f4d68dad2497",
    "tool_sequence": ["db.read", "db.save"],
    "scope": ["risk:low"],
    "approver_identity": "alice@approvers.example",
    "ttl_seconds": 3600
  })");
}

inline Json delegation_audit_fields() {
  return *Json::parse(R"({
    "created_at": "2026-06-08T21:14:00Z",
    "trace_id": "d2d3c76801c3449f111d9b91",
    "tool_name": "db.drop_table",
    "intent_digest": "ba6e55d6b72308b34c24571bce1b2434ef7802df7def15a31826384bf3582e9c",
    "policy_digest": "850f03880f107538e6ea675fe85706d4700249cd12596c483c3b1a93207e62e7",
    "delegation_required": true,
    "valid_delegations": 1,
    "delegated": false,
    "entries": [{"token_id": "52615fffc7bae834c42bbfa7", "delegator_identity": "lead@team.example",
      "delegate_identity": "agent-1", "scope": ["write"], "expires_at": "2076-11-09T04:22:57Z", "valid": true}]
  })");
}

inline Json evidence_fields() {
  return *Json::parse(R"({
    "created_at": "2026-06-08T21:14:00Z",
    "trace_id": "d2d3c76801c3449f111d9b91",
    "tool_name": "db.drop_table",
    "identity": "zoe@team.example",
    "broker": "vault",
    "reference": "write-cred",
    "credential_source": "command",
    "credential_access_type": "jit",
    "credential_issuer": "vault",
    "scope": ["export", "repo.write"],
    "credential_ref": "vault:lease/1",
    "target_binding": "7931610eb378db66c954b66e0f69043053a0ada733bfda16e7818844d1f0ab0e",
    "request_digest": "19646ce6a54886d2f219fdd09a635b60ed5a6c5a253d81036f04eeb529fa6274",
    "issued_at": "2026-01-01T00:00:00Z",
    "expires_at": "2026-01-01T00:05:00Z",
    "ttl_seconds": 300
  })");
}

inline Json say_token_fields() {
  return *Json::parse(R"({
    "commitment_class": "quote",
    "intent_digest": "ba6e55d6b72308b34c24571bce1b2434ef7802df7def15a31826384bf3582e9c",
    "policy_digest": "850f03880f107538e6ea675fe85706d4700249cd12596c483c3b1a93207e62e7",
    "call_id": "call-7",
    "turn_index": 2,
    "call_seq": 3,
    "currency": "USD",
    "quote_min_cents": 1000,
    "quote_max_cents": 2500,
    "ttl_seconds": 120
  })");
}

inline Json attestation_fields() {
  return *Json::parse(R"({
    "created_at": "2026-06-08T21:14:00Z",
    "subject_schema_id": "gait.gate.kill_switch_state",
    "subject_digest": "7931610eb378db66c954b66e0f69043053a0ada733bfda16e7818844d1f0ab0e"
  })");
}

inline Json fields_of(StatementType type) {
  switch (type) {
    case StatementType::Trace:
      return trace_fields();
    case StatementType::ApprovalToken:
      return token_fields();
    case StatementType::ApprovalAudit:
      return audit_fields();
    case StatementType::EvidencePack:
      return pack_fields();
    case StatementType::DelegationToken:
      return delegation_fields();
    case StatementType::DelegationAudit:
      return delegation_audit_fields();
    case StatementType::CredentialEvidence:
      return evidence_fields();
    case StatementType::StateAttestation:
      return attestation_fields();
    case StatementType::ApprovedScript:
      return script_fields();
    case StatementType::SayToken:
      return say_token_fields();
    case StatementType::TufTimestamp:
      return *Json::parse(R"({"version":7,"lifetime":600,"snapshot_version":3,"snapshot_length":99,
        "snapshot_sha256":"7931610eb378db66c954b66e0f69043053a0ada733bfda16e7818844d1f0ab0e"})");
    case StatementType::TufSnapshot:
      return *Json::parse(R"({"version":3,"lifetime":600,"targets_version":2,"revoked_version":5})");
    case StatementType::TufRevoked:
      return *Json::parse(R"({"version":5,"lifetime":600,"length":0,
        "sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"})");
    case StatementType::LogCheckpoint:
      return *Json::parse(R"({"origin":"signer.example/log","size":8,
        "root":"7931610eb378db66c954b66e0f69043053a0ada733bfda16e7818844d1f0ab0e"})");
    case StatementType::Release:
      return *Json::parse(
          R"({"version":"1.2.3","builder":"ci@team.example","source_revision":"a8c3d18","formats":["all"],
        "artifacts":[{"name":"tool.tar.gz","size":3,
          "sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}]})");
  }
  __builtin_unreachable();
}

// Those with a member `signature`; evidence_pack_test.cc is about the one with a list.
inline constexpr StatementType kTypes[] = {StatementType::Trace,
                                           StatementType::ApprovalToken,
                                           StatementType::ApprovalAudit,
                                           StatementType::DelegationToken,
                                           StatementType::DelegationAudit,
                                           StatementType::CredentialEvidence,
                                           StatementType::StateAttestation,
                                           StatementType::ApprovedScript,
                                           StatementType::SayToken};

}  // namespace countersign::statement
