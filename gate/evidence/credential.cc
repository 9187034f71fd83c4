#include "gate/evidence/credential.h"

#include <algorithm>

#include "common/text.h"
#include "gate/document/gait_fields.h"
#include "gate/document/optional_members.h"
#include "gate/evidence/provider_receipt.h"

namespace countersign::gate {
namespace {

constexpr std::size_t kLongestReference = 256;
constexpr std::int64_t kStubSeconds = 300;
constexpr std::size_t kIdDigits = 24;

// Word by word, in the order the words had before: gait does not sort them again.
std::vector<std::string> lower_case(const std::vector<std::string>& scope) {
  std::vector<std::string> out;
  for (const std::string& word : scope) out.push_back(lowered(word));
  return out;
}

std::string joined_by(const std::vector<std::string>& texts, std::string_view mark) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : std::string(mark)) + text;
  return out;
}

Json as_json(const CredentialRequest& request, const std::vector<std::string>& scope) {
  return Json::object({{"ToolName", request.tool_name},
                       {"Identity", request.identity},
                       {"Workspace", request.workspace},
                       {"SessionID", request.session_id},
                       {"RequestID", request.request_id},
                       {"RunID", request.run_id},
                       {"JobID", request.job_id},
                       {"Reference", request.reference},
                       {"Scope", Json::array(scope)},
                       {"TargetBinding", request.target_binding}});
}

void complete_times(CredentialReceipt& receipt) {
  if (receipt.issued_at.is_zero()) return;
  if (receipt.expires_at.is_zero() && receipt.ttl_seconds > 0) {
    receipt.expires_at = receipt.issued_at + std::chrono::seconds(receipt.ttl_seconds);
  }
  if (receipt.ttl_seconds == 0 && receipt.expires_at > receipt.issued_at) {
    const auto life = receipt.expires_at - receipt.issued_at;
    receipt.ttl_seconds = std::chrono::duration_cast<std::chrono::seconds>(life).count();
  }
}

void fill(std::string& member, std::string_view value) {
  if (member.empty()) member = value;
}

bool mismatch(std::string_view demanded, std::string_view given) {
  return !demanded.empty() && demanded != given;
}

}  // namespace

Json CredentialRequest::json() const {
  return as_json(*this, scope);
}

Digest CredentialRequest::digest() const {
  return as_json(*this, lower_case(scope)).digest();
}

CredentialRequest credential_request(const Intent& intent, const BrokerNeed& need, std::string_view reference,
                                     const std::vector<std::string>& scopes) {
  const IntentContext& context = intent.context();
  CredentialRequest request;
  request.tool_name = intent.fields().tool_name;
  request.identity = context.identity;
  request.workspace = context.workspace;
  request.session_id = context.session_id;
  request.request_id = context.request_id;
  request.run_id = context.run_id;
  request.job_id = context.job_id;
  request.reference = trimmed(reference).empty() ? need.reference : std::string(trimmed(reference));
  std::vector<std::string> words = need.scopes;
  words.insert(words.end(), scopes.begin(), scopes.end());
  request.scope = text_set(words, false);
  request.target_binding = intent.targets_digest().hex();
  return request;
}

Result<CredentialReceipt> CredentialReceipt::parse(std::string_view text) {
  const std::string prefix = "parse broker answer: ";
  const Result<Json> document = Json::parse(text, Json::Limits{.gait = true});
  if (!document) return Error{ErrorCode::Invalid, prefix + document.error().detail};
  if (!document->is_object()) return Error{ErrorCode::Invalid, prefix + "not an object"};
  FirstError error(prefix);
  GaitFields fields(*document, "CredentialReceipt", error);
  CredentialReceipt receipt;
  fields.text("issued_by", receipt.issued_by);
  fields.text("source", receipt.source);
  fields.text("access_type", receipt.access_type);
  fields.text("issuer", receipt.issuer);
  fields.text("subject", receipt.subject);
  fields.text("owner", receipt.owner);
  fields.texts("scope", receipt.scope);
  fields.text("credential_ref", receipt.credential_ref);
  fields.text("target_binding", receipt.target_binding);
  fields.text("run_binding", receipt.run_binding);
  fields.text("job_binding", receipt.job_binding);
  fields.text("request_digest", receipt.request_digest);
  fields.time("issued_at", receipt.issued_at);
  fields.time("expires_at", receipt.expires_at);
  fields.integer("ttl_seconds", receipt.ttl_seconds);
  read_provider(fields, error, receipt);
  RETURN_IF_ERROR(error.status());
  receipt.credential_ref = trimmed(receipt.credential_ref);
  const std::string& reference = receipt.credential_ref;
  if (reference.empty()) return Error{ErrorCode::Invalid, prefix + "credential_ref is missing"};
  if (reference.size() > kLongestReference || reference.find_first_of("\r\n\t") != std::string::npos) {
    return Error{ErrorCode::Invalid, prefix + "credential_ref is no single line of up to 256 bytes"};
  }
  if (receipt.ttl_seconds < 0) return Error{ErrorCode::Invalid, prefix + "ttl_seconds is negative"};
  return receipt;
}

void complete(CredentialReceipt& receipt, std::string_view broker, const CredentialRequest& request) {
  for (std::string* text : {&receipt.issued_by, &receipt.issuer, &receipt.subject, &receipt.owner,
                            &receipt.target_binding, &receipt.run_binding, &receipt.job_binding}) {
    *text = std::string(trimmed(*text));
  }
  for (std::string* name : {&receipt.source, &receipt.access_type, &receipt.request_digest}) {
    *name = lowered(trimmed(*name));
  }
  receipt.scope = text_set(receipt.scope, true);
  fill(receipt.issued_by, broker);
  fill(receipt.source, broker);
  fill(receipt.issuer, receipt.issued_by);
  if (receipt.of_provider) {
    fill(receipt.subject, request.identity);
    fill(receipt.owner, request.identity);
  }
  fill(receipt.target_binding, request.target_binding);
  fill(receipt.run_binding, request.run_id);
  fill(receipt.job_binding, request.job_id);
  fill(receipt.request_digest, request.digest().hex());
  if (receipt.scope.empty()) receipt.scope = lower_case(request.scope);
  complete_times(receipt);
}

std::vector<std::string> objections(const CredentialReceipt& receipt, const CredentialRequest& request,
                                    const BrokerNeed& need, const Intent& intent) {
  const bool covered = std::all_of(request.scope.begin(), request.scope.end(), [&receipt](const std::string& word) {
    return std::find(receipt.scope.begin(), receipt.scope.end(), word) != receipt.scope.end();
  });
  // A credential that does not say how long it lives is within no limit.
  const bool too_long =
      need.max_ttl_seconds > 0 && (receipt.ttl_seconds == 0 || receipt.ttl_seconds > need.max_ttl_seconds);
  struct Check {
    bool fails;
    std::string_view code;
  };
  const Check checks[] = {
      {receipt.credential_ref.empty(), "broker_credential_missing"},
      {receipt.request_digest.empty(), "broker_request_digest_missing"},
      {mismatch(receipt.request_digest, request.digest().hex()), "broker_request_digest_mismatch"},
      {!covered, "broker_scope_mismatch"},
      {too_long, "broker_ttl_exceeded"},
      {mismatch(intent.context().credential_ref, receipt.credential_ref), "broker_credential_ref_mismatch"},
      {mismatch(request.target_binding, receipt.target_binding), "broker_target_binding_mismatch"},
      {mismatch(request.run_id, receipt.run_binding), "broker_run_binding_mismatch"},
      {mismatch(request.job_id, receipt.job_binding), "broker_job_binding_mismatch"},
  };
  std::vector<std::string> codes;
  for (const Check& check : checks) {
    if (check.fails) codes.emplace_back(check.code);
  }
  return codes;
}

CredentialReceipt stub_receipt(const CredentialRequest& request, UtcTime now) {
  std::string text;
  for (const std::string& part : {request.tool_name, request.identity, request.workspace, request.session_id,
                                  request.request_id, request.reference}) {
    text += part + "|";
  }
  CredentialReceipt receipt;
  receipt.credential_ref =
      "stub:" + sha256(text + joined_by(lower_case(request.scope), ",")).hex().substr(0, kIdDigits);
  receipt.access_type = "jit";
  receipt.subject = request.identity;
  receipt.owner = request.identity;
  receipt.issued_at = now;
  receipt.ttl_seconds = kStubSeconds;
  return receipt;
}

Decision after_credential(Decision decision, const std::vector<std::string>& codes) {
  if (codes.empty()) {
    decision.reason_codes.emplace_back("broker_credential_present");
  } else {
    decision.verdict = Verdict::Block;
    decision.reason_codes.insert(decision.reason_codes.end(), codes.begin(), codes.end());
    decision.violations.insert(decision.violations.end(), codes.begin(), codes.end());
  }
  decision.reason_codes = text_set(decision.reason_codes, false);
  decision.violations = text_set(decision.violations, false);
  return decision;
}

Json credential_evidence_fields(const CredentialReceipt& receipt, const CredentialRequest& request, UtcTime created_at,
                                std::string_view trace_id) {
  Json out{Json::Object{}};
  out.set("created_at", created_at.rfc3339());
  out.set("trace_id", trace_id);
  out.set("tool_name", request.tool_name);
  out.set("identity", request.identity);
  out.set("broker", receipt.issued_by);
  put(out, "reference", request.reference);
  put(out, "credential_source", receipt.source);
  put(out, "credential_access_type", receipt.access_type);
  put(out, "credential_issuer", receipt.issuer);
  put(out, "credential_subject", receipt.subject);
  put(out, "credential_owner", receipt.owner);
  put(out, "scope", request.scope);
  out.set("credential_ref", receipt.credential_ref);
  put(out, "target_binding", receipt.target_binding);
  put(out, "run_binding", receipt.run_binding);
  put(out, "job_binding", receipt.job_binding);
  put(out, "request_digest", receipt.request_digest);
  out.set("issued_at", receipt.issued_at.rfc3339());
  out.set("expires_at", receipt.expires_at.rfc3339());
  put(out, "ttl_seconds", receipt.ttl_seconds);
  return out;
}

}  // namespace countersign::gate
