#include "gate/evidence/credential.h"

#include <gtest/gtest.h>

namespace countersign::gate {
namespace {

const UtcTime kNow = *UtcTime::parse("2026-11-22T04:22:59.585822834Z");

// The intent of the recorded cases 132 to 143; `context` is added to its context.
Intent intent(const std::string& context = "") {
  return *Intent::parse(R"({"tool_name":"db.save.cjds","args":{"path":"/tmp/aaax/数据.csv"},
    "targets":[{"kind":"path","value":"/tmp/aaax/数据.csv","operation":"write"}],
    "context":{"identity":"wazr@team.example","workspace":"/home/hvdm","risk_class":"low")" +
                        context + "}}");
}
BrokerNeed need(std::int64_t max_ttl = 0) {
  return {true, "Write-Cred", {"export", "repo.write"}, max_ttl};
}
CredentialRequest request(const Intent& of = intent()) {
  return credential_request(of, need(), "", {});
}

TEST(CredentialRequest, HasTheDigestsAndTheFormOfGait) {
  EXPECT_EQ(request().digest().hex(), "19646ce6a54886d2f219fdd09a635b60ed5a6c5a253d81036f04eeb529fa6274");
  EXPECT_EQ(request().json().compact(),
            R"({"ToolName":"db.save.cjds","Identity":"wazr@team.example","Workspace":"/home/hvdm","SessionID":"",)"
            R"("RequestID":"","RunID":"","JobID":"","Reference":"Write-Cred","Scope":["export","repo.write"],)"
            R"("TargetBinding":"7931610eb378db66c954b66e0f69043053a0ada733bfda16e7818844d1f0ab0e"})");
  const Intent run = intent(R"(,"session_id":"s1","request_id":"q1","run_id":"run1","job_id":"job1")");
  EXPECT_EQ(request(run).digest().hex(), "89921fce4db70bfa9c6c98d0014d453185980f0e9777624794436ace20e1a56d");
  EXPECT_EQ(stub_receipt(request(run), kNow).credential_ref, "stub:61ce446fe096dde396d4418f");
}

TEST(CredentialRequest, TakesReferenceAndScopesOfTheCommandLine) {
  const CredentialRequest other = credential_request(intent(), need(), "other", {"zeta", "alpha"});
  EXPECT_EQ(other.reference, "other");
  EXPECT_EQ(other.scope, (std::vector<std::string>{"alpha", "export", "repo.write", "zeta"}));
  EXPECT_EQ(other.digest().hex(), "cd7a631dabbedd9b94e5b76fbfd7cc832c9388f2255158f74a9ef0b81765b07c");
  EXPECT_EQ(stub_receipt(other, kNow).credential_ref, "stub:2a17bfe341cc9083adb8ae5e");
}

std::vector<std::string> codes(CredentialReceipt receipt, const CredentialRequest& asked, const Intent& of,
                               std::int64_t max_ttl = 0) {
  complete(receipt, "command", asked);
  return objections(receipt, asked, need(max_ttl), of);
}

TEST(CredentialReceipt, SufficesOrSaysWhyNot) {
  const Intent of = intent(R"(,"run_id":"run1","job_id":"job1")");
  const CredentialRequest asked = request(of);
  CredentialReceipt good;
  good.credential_ref = "ref:1";
  good.ttl_seconds = 60;
  EXPECT_TRUE(codes(good, asked, of, 60).empty());
  using Change = void (*)(CredentialReceipt&);
  const struct {
    Change change;
    const char* code;
  } rows[] = {
      {[](CredentialReceipt& r) { r.credential_ref.clear(); }, "broker_credential_missing"},
      {[](CredentialReceipt& r) { r.request_digest = std::string(64, '0'); }, "broker_request_digest_mismatch"},
      {[](CredentialReceipt& r) { r.scope = {"export"}; }, "broker_scope_mismatch"},
      {[](CredentialReceipt& r) { r.ttl_seconds = 61; }, "broker_ttl_exceeded"},
      {[](CredentialReceipt& r) { r.ttl_seconds = 0; }, "broker_ttl_exceeded"},
      {[](CredentialReceipt& r) { r.target_binding = "nope"; }, "broker_target_binding_mismatch"},
      {[](CredentialReceipt& r) { r.run_binding = "run2"; }, "broker_run_binding_mismatch"},
      {[](CredentialReceipt& r) { r.job_binding = "job2"; }, "broker_job_binding_mismatch"},
  };
  for (const auto& row : rows) {
    CredentialReceipt bad = good;
    row.change(bad);
    EXPECT_EQ(codes(bad, asked, of, 60), std::vector<std::string>{row.code});
  }
  const Intent claimed = intent(R"(,"credential_ref":"ref:c1")");
  EXPECT_EQ(codes(good, request(claimed), claimed), std::vector<std::string>{"broker_credential_ref_mismatch"});
  // Without a run of its own the request compares none.
  CredentialReceipt elsewhere = good;
  elsewhere.run_binding = "rX";
  EXPECT_TRUE(codes(elsewhere, request(), intent()).empty());
}

TEST(CredentialReceipt, KeepsTheCaseOfScopesOnTheCommandLineOnlyInTheRequest) {
  const CredentialRequest asked = credential_request(intent(), need(), "", {"Zeta"});
  CredentialReceipt receipt = stub_receipt(asked, kNow);
  complete(receipt, "stub", asked);
  EXPECT_EQ(objections(receipt, asked, need(), intent()), std::vector<std::string>{"broker_scope_mismatch"});
}

TEST(CredentialReceipt, CompletesTimesAndNamesFromWhatIsThere) {
  Result<CredentialReceipt> receipt = CredentialReceipt::parse(
      R"({"issued_by":"vault","credential_ref":"vault:lease/1","access_type":" JIT ","ttl_seconds":300,
          "issued_at":"2026-01-01T00:00:00Z","unknown":1})");
  ASSERT_TRUE(receipt);
  complete(*receipt, "command", request());
  EXPECT_EQ(receipt->issuer, "vault");
  EXPECT_EQ(receipt->source, "command");
  EXPECT_EQ(receipt->access_type, "jit");
  EXPECT_EQ(receipt->expires_at.rfc3339(), "2026-01-01T00:05:00Z");
  EXPECT_EQ(receipt->scope, (std::vector<std::string>{"export", "repo.write"}));
  const Json evidence = credential_evidence_fields(*receipt, request(), kNow, "30c9e123ae765517c5e12065");
  EXPECT_EQ(evidence.text("broker"), "vault");
  EXPECT_EQ(evidence.find("credential_subject"), nullptr);
  EXPECT_EQ(evidence.text("request_digest"), request().digest().hex());
}

TEST(CredentialReceipt, OfNonsenseIsNone) {
  const std::string refused[] = {"",
                                 "x",
                                 "[]",
                                 "{}",
                                 R"({"issued_by":"x"})",
                                 R"({"credential_ref":" "})",
                                 R"({"credential_ref":"a\nb"})",
                                 R"({"credential_ref":7})",
                                 R"({"credential_ref":"r","ttl_seconds":-1})",
                                 R"({"credential_ref":"r","ttl_seconds":"300"})",
                                 R"({"credential_ref":"r","issued_at":"yesterday"})",
                                 R"({"credential_ref":"r","Credential_Ref":"s"})",
                                 R"({"credential_ref":"r"} {})",
                                 R"({"credential_ref":")" + std::string(257, 'r') + "\"}"};
  for (const std::string& text : refused) EXPECT_FALSE(CredentialReceipt::parse(text)) << text;
  EXPECT_TRUE(CredentialReceipt::parse(R"({"credential_ref":")" + std::string(256, 'r') + "\"}"));
}

TEST(CredentialReceipt, ReadsTheFormsOfClouds) {
  struct Form {
    const char* answer;
    const char* reference;
    const char* issuer;
  };
  const Form forms[] = {
      {R"({"provider":"aws_sts","assumed_role_arn":"arn:1","session_arn":"arn:2"})", "aws_sts:arn:1",
       "sts.amazonaws.com"},
      {R"({"provider":" AWS ","session_arn":"arn:2"})", "aws_sts:arn:2", "sts.amazonaws.com"},
      {R"({"provider":"oidc","repository":"o/r","workflow_ref":"w"})", "github_oidc:o/r:w",
       "token.actions.githubusercontent.com"},
      {R"({"provider":"github_oidc","repository":"o/r"})", "github_oidc:o/r", "token.actions.githubusercontent.com"},
      {R"({"provider":"vault_dynamic","lease_id":"database/creds/x","issuer":"vault.example"})",
       "vault_dynamic:database/creds/x", "vault.example"},
      {R"({"provider":"gcp","workload_identity_provider":"pool"})", "gcp_sts:pool", "sts.googleapis.com"},
      {R"({"provider":"azure_federated","service_principal_id":"1","federated_credential_id":"bot"})",
       "azure_federated:1:bot", "login.microsoftonline.com"},
      {R"({"provider":"cyberark","broker_session_id":"s-1"})", "okta_cyberark:s-1", "okta-cyberark"},
      {R"({"provider":"file","credential_ref":"file:x"})", "file:x", "file"},
      {R"({"provider":"aws_sts","credential_ref":"mine"})", "mine", "sts.amazonaws.com"},
  };
  for (const Form& form : forms) {
    auto receipt = CredentialReceipt::parse(form.answer);
    ASSERT_TRUE(receipt) << form.answer << receipt.error().detail;
    EXPECT_EQ(receipt->credential_ref, form.reference) << form.answer;
    EXPECT_EQ(receipt->issuer, form.issuer) << form.answer;
    EXPECT_EQ(receipt->access_type, "jit") << form.answer;
    EXPECT_EQ(receipt->source, receipt->issued_by) << form.answer;
    CredentialRequest request;
    request.identity = "agent";
    complete(*receipt, "command", request);
    EXPECT_EQ(receipt->subject, "agent") << form.answer;
    EXPECT_EQ(receipt->owner, "agent") << form.answer;
  }
  for (const char* answer :
       {R"({"provider":"unheard_of","assumed_role_arn":"x"})", R"({"provider":"aws_sts"})", R"({"provider":"file"})",
        R"({"provider":"github","workflow_ref":"w"})", R"({"provider":"azure","federated_credential_id":"x"})",
        R"({"provider":"vault","lease_id":" "})", R"({"provider":"okta","broker_session_id":"sk-123"})",
        R"({"provider":"aws","credential_ref":"AKIA1234"})", R"({"provider":5,"credential_ref":"x"})"}) {
    EXPECT_FALSE(CredentialReceipt::parse(answer)) << answer;
  }
}

TEST(Decision, WithACredentialIsAllowedAndWithoutBlocked) {
  Decision allowed;
  allowed.verdict = Verdict::Allow;
  EXPECT_EQ(after_credential(allowed, {}).verdict, Verdict::Allow);
  EXPECT_EQ(after_credential(allowed, {}).reason_codes, std::vector<std::string>{"broker_credential_present"});
  const Decision blocked = after_credential(allowed, {"broker_ttl_exceeded", "broker_scope_mismatch"});
  EXPECT_EQ(blocked.verdict, Verdict::Block);
  EXPECT_EQ(blocked.violations, (std::vector<std::string>{"broker_scope_mismatch", "broker_ttl_exceeded"}));
}

}  // namespace
}  // namespace countersign::gate
