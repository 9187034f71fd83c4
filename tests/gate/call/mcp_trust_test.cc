#include "gate/call/mcp_trust.h"

#include <gtest/gtest.h>

#include "gate/policy/policy.h"

namespace countersign::gate {
namespace {

using State = GivenSnapshot::State;

const UtcTime kNow = *UtcTime::parse("2026-03-02T00:00:00Z");

McpTrust trust(const std::string& members) {
  return *Policy::parse("mcp_trust: {snapshot: s.json" + members + "}")->mcp_trust();
}

GivenSnapshot snapshot(const std::string& entry) {
  auto read = TrustSnapshot::parse(R"({"schema_id":"gait.mcp.trust_snapshot","schema_version":"1.0.0","entries":[)" +
                                   entry + "]}");
  EXPECT_TRUE(read) << read.error().detail;
  return {State::Read, *std::move(read)};
}

McpServer server(const std::string& text) {
  return *McpServer::parse(text);
}

constexpr const char* kTrusted =
    R"({"Server_ID":" GitHub ","publisher":" Acme ","source":"Snyk","status":"trusted","score":0.9,
        "updated_at":"2026-03-01T00:00:00Z","evidence_path":"report.json",
        "registry_verification":{"signature_verified":true,"publisher_allowed":true}})";

struct Case {
  const char* name;
  const char* policy;
  const char* entry;
  std::vector<std::string> reasons;
  const char* status;
};
const Case kCases[] = {
    {"trusted", "", kTrusted, {"mcp_trust_verified"}, "trusted"},
    {"all asked for",
     ", min_score: 0.9, max_age: 24h, publisher_allowlist: [ACME], require_registry: true",
     kTrusted,
     {"mcp_trust_verified"},
     "trusted"},
    {"no status", "", R"({"server_id":"github"})", {"mcp_trust_verified"}, "trusted"},
    {"another status",
     "",
     R"({"server_id":"github","status":"suspended"})",
     {"mcp_trust_status_untrusted"},
     "untrusted"},
    {"another publisher", ", publisher_allowlist: [others]", kTrusted, {"mcp_trust_publisher_untrusted"}, "untrusted"},
    {"no registry",
     ", require_registry: true",
     R"({"server_id":"github"})",
     {"mcp_trust_registry_unverified"},
     "invalid"},
    {"pin that does not hold",
     ", require_registry: true",
     R"({"server_id":"github","registry_verification":{"signature_verified":true,"publisher_allowed":true,
         "pin_present":true}})",
     {"mcp_trust_registry_unverified"},
     "invalid"},
    {"old", ", max_age: 23h59m59s", kTrusted, {"mcp_trust_stale"}, "stale"},
    {"of no age", ", max_age: 1000000h", R"({"server_id":"github"})", {"mcp_trust_stale"}, "stale"},
    {"low score", ", min_score: 0.91", kTrusted, {"mcp_trust_below_threshold"}, "below_threshold"},
    {"several doubts",
     ", min_score: 1, max_age: 1h, require_registry: true",
     R"({"server_id":"github","status":"bad"})",
     {"mcp_trust_below_threshold", "mcp_trust_registry_unverified", "mcp_trust_stale", "mcp_trust_status_untrusted"},
     "untrusted"},
    {"another server", "", R"({"server_id":"gitlab"})", {"mcp_trust_server_unknown"}, "unknown"},
    {"named otherwise", "", R"({"server_name":"github"})", {"mcp_trust_verified"}, "trusted"},
};

TEST(McpTrust, IsWhatPolicyAndSnapshotSayOfTheServer) {
  const McpServer asked = server(R"({"server_id":"GITHUB","publisher":"liar"})");
  for (const Case& each : kCases) {
    const McpTrust policy = trust(each.policy);
    const TrustFinding finding = trust_in(policy, &asked, "High", snapshot(each.entry), kNow);
    EXPECT_EQ(finding.reason_codes, each.reasons) << each.name;
    EXPECT_EQ(finding.members.text("status"), each.status) << each.name;
    EXPECT_EQ(finding.enforced, each.reasons.front() != "mcp_trust_verified") << each.name;
    // Where no class is named that this one is of, nothing is demanded.
    EXPECT_FALSE(trust_in(policy, &asked, "low", snapshot(each.entry), kNow).enforced) << each.name;
  }
}

TEST(McpTrust, OfNoServerOrNoSnapshotIsNone) {
  const McpServer asked = server(R"({"server_name":"github"})");
  const McpTrust policy = trust("");
  EXPECT_EQ(trust_in(policy, nullptr, "high", snapshot(kTrusted), kNow).reason_codes.front(),
            "mcp_trust_identifier_missing");
  EXPECT_EQ(trust_in(policy, &asked, "high", {State::Unavailable, {}}, kNow).reason_codes.front(),
            "mcp_trust_snapshot_unavailable");
  EXPECT_EQ(trust_in(policy, &asked, "critical", {State::Malformed, {}}, kNow).reason_codes.front(),
            "mcp_trust_snapshot_invalid");
}

TEST(McpTrust, SaysWhatItWentBy) {
  const McpServer asked = server(R"({"server_id":"github"})");
  const TrustFinding finding = trust_in(trust(", min_score: 0.5, max_age: 48h, publisher_allowlist: [acme]"), &asked,
                                        "high", snapshot(kTrusted), kNow);
  EXPECT_EQ(
      finding.members.compact(),
      R"({"server_id":"GitHub","publisher":"acme","source":"snyk","status":"trusted","decision_source":"report.json",)"
      R"("score":0.9,"threshold":0.5,"updated_at":"2026-03-01T00:00:00Z","max_age_seconds":172800,"required":true,)"
      R"("publisher_allowed":true,"reason_codes":["mcp_trust_verified"]})");
}

TEST(McpTrust, OnlyRestricts) {
  const McpServer asked = server(R"({"server_id":"unknown"})");
  const std::pair<Verdict, Verdict> blocking[] = {{Verdict::Allow, Verdict::Block},
                                                  {Verdict::RequireApproval, Verdict::Block},
                                                  {Verdict::Block, Verdict::Block},
                                                  {Verdict::DryRun, Verdict::DryRun}};
  const McpTrust block = trust("");
  const TrustFinding blocked = trust_in(block, &asked, "high", snapshot(kTrusted), kNow);
  for (const auto& [before, after] : blocking) {
    Decision decision;
    decision.verdict = before;
    decision.required_approvals = before == Verdict::RequireApproval ? 2 : 0;
    decision = with_trust(std::move(decision), block, blocked);
    EXPECT_EQ(decision.verdict, after);
    EXPECT_EQ(decision.violations, Texts{"mcp_trust_policy"});
    EXPECT_EQ(decision.required_approvals, 0);
  }
  const McpTrust ask = trust(", action: require_approval");
  const TrustFinding asking = trust_in(ask, &asked, "high", snapshot(kTrusted), kNow);
  for (const std::int64_t required : {0, 3}) {
    Decision decision;
    decision.verdict = required == 0 ? Verdict::Allow : Verdict::RequireApproval;
    decision.required_approvals = required;
    decision = with_trust(std::move(decision), ask, asking);
    EXPECT_EQ(decision.verdict, Verdict::RequireApproval);
    EXPECT_EQ(decision.required_approvals, required == 0 ? 1 : 3);
  }
  const TrustFinding mild = trust_in(block, &asked, "low", snapshot(kTrusted), kNow);
  Decision allowed;
  allowed.verdict = Verdict::Allow;
  allowed = with_trust(std::move(allowed), block, mild);
  EXPECT_EQ(allowed.verdict, Verdict::Allow);
  EXPECT_EQ(allowed.reason_codes, Texts{"mcp_trust_server_unknown"});
  EXPECT_TRUE(allowed.violations.empty());
}

TEST(TrustSnapshot, ThatCannotBeReliedOnIsRefused) {
  for (const char* text :
       {"", "[]", "{", R"({"schema_id":"other"})", R"({"schema_version":"2.0.0"})", R"({"entries":{}})",
        R"({"entries":[{}]})", R"({"entries":[{"server_id":" "}]})", R"({"entries":[{"server_id":5}]})",
        R"({"entries":[{"server_id":"a","score":"1"}]})", R"({"entries":[{"server_id":"a","updated_at":"today"}]})",
        R"({"entries":[{"server_id":"a"},{"server_name":"A"}]})", R"({"entries":[{"server_id":"a","server_id":"b"}]})",
        R"({"created_at":"now"})"}) {
    const auto read = TrustSnapshot::parse(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, ErrorCode::Invalid);
  }
  EXPECT_TRUE(TrustSnapshot::parse(R"({"schema_id":" ","entries":null,"more":1})"));
}

TEST(McpServer, NamesItself) {
  for (const char* text : {"", "[]", "{}", R"({"server_id":" "})", R"({"server_id":1})"}) {
    EXPECT_FALSE(McpServer::parse(text)) << text;
  }
  EXPECT_EQ(server(R"({"server_id":" A ","server_name":"b"})").key(), "a");
  EXPECT_EQ(server(R"({"server_name":"B"})").key(), "b");
}

}  // namespace
}  // namespace countersign::gate
