// gate eval --check and --simulate: everything up to the signer, on files.
#include <gtest/gtest.h>

#include <fstream>

#include "common/json.h"
#include "tests/support/child_process.h"
#include "tests/support/temporary_folder.h"

namespace countersign::command {
namespace {

constexpr const char* kIntent = R"({"tool_name": "tool.write", "args": {"path": "a"},
  "targets": [{"kind": "path", "value": "a", "operation": "write"}],
  "context": {"identity": "agent@company", "workspace": "/srv", "risk_class": "low"}})";

class GateEval : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) { std::ofstream(folder_ / name) << text; }
  test::Outcome eval(const std::string& policy, std::vector<std::string> more) {
    write("policy.yaml", policy);
    write("intent.json", kIntent);
    std::vector<std::string> argv = {
        test::program("countersign"), "gate",   "eval",     "--policy",           folder_ / "policy.yaml", "--intent",
        folder_ / "intent.json",      "--json", "--signer", folder_ / "none.sock"};
    argv.insert(argv.end(), more.begin(), more.end());
    return test::run({argv});
  }
  static Json json(const test::Outcome& outcome) { return *Json::parse(outcome.out); }
  test::TemporaryFolder folder_;
};

TEST_F(GateEval, ExitsByTheVerdict) {
  struct Row {
    const char* verdict;
    int exit_code;
  };
  for (const Row& row : {Row{"allow", 0}, Row{"dry_run", 0}, Row{"block", 3}, Row{"require_approval", 4}}) {
    const auto outcome = eval("default_verdict: " + std::string(row.verdict) + "\n", {"--check"});
    EXPECT_EQ(outcome.exit_code, row.exit_code) << outcome.err;
    EXPECT_EQ(json(outcome).text("verdict"), row.verdict);
    EXPECT_TRUE(json(outcome).find("ok")->as_bool());
    EXPECT_EQ(json(outcome).find("trace_id"), nullptr);
  }
}

TEST_F(GateEval, PrintsTheLineThatApproves) {
  const auto outcome = eval("default_verdict: require_approval\n", {"--check"});
  const Json answer = json(outcome);
  EXPECT_NE(outcome.err.find("countersign approve --intent-digest " + std::string(answer.text("intent_digest")) +
                             " --policy-digest " + std::string(answer.text("policy_digest")) +
                             " --scope tool:tool.write --approver"),
            std::string::npos)
      << outcome.err;
}

TEST_F(GateEval, SaysWhatToDoAboutMissingContext) {
  const auto outcome = eval(
      "default_verdict: block\nrules:\n  - name: w\n    effect: allow\n    match: {tool_names: [tool.write]}\n"
      "    require_context_evidence: true\n",
      {"--check"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_NE(outcome.err.find("--context-envelope FILE"), std::string::npos);
}

TEST_F(GateEval, SimulatesWithoutSigning) {
  const auto outcome = eval("default_verdict: block\n", {"--simulate", "--trace-out", folder_ / "t.json"});
  EXPECT_EQ(outcome.exit_code, 0);
  const Json answer = json(outcome);
  EXPECT_EQ(answer.text("verdict"), "allow");
  EXPECT_EQ(answer.text("simulated_verdict"), "block");
  EXPECT_TRUE(answer.find("simulate_mode")->as_bool());
  EXPECT_TRUE(answer.find("would_have_blocked")->as_bool());
  EXPECT_EQ(answer.find("violations"), nullptr);
  EXPECT_FALSE(std::ifstream(folder_ / "t.json").good());
}

TEST_F(GateEval, NeverAnswersWithoutASigner) {
  const auto outcome = eval("default_verdict: allow\n", {"--trace-out", folder_ / "t.json"});
  EXPECT_EQ(outcome.exit_code, 7);
  EXPECT_EQ(json(outcome).find("verdict"), nullptr);
  EXPECT_EQ(json(outcome).text("error_code"), "dependency_missing");
  EXPECT_TRUE(json(outcome).find("retryable")->as_bool());
  EXPECT_FALSE(std::ifstream(folder_ / "t.json").good());
}

TEST_F(GateEval, LooksAtALimitUnderCheckWithoutCounting) {
  const std::string limited =
      "default_verdict: block\nrules:\n  - name: w\n    effect: allow\n    match: {tool_names: [tool.write]}\n"
      "    rate_limit: {requests: 1}\n";
  const std::string state = folder_ / "rates.json";
  for (int i = 0; i < 2; ++i) {
    const Json answer = json(eval(limited, {"--check", "--rate-limit-state", state}));
    ASSERT_NE(answer.find("rate_limit_used"), nullptr) << answer.compact();
    EXPECT_EQ(answer.find("rate_limit_used")->as_integer(), 1);
  }
  EXPECT_FALSE(std::ifstream(state).good());
  write("rates.json", "{");
  const auto unreadable = eval(limited, {"--check", "--rate-limit-state", state});
  EXPECT_EQ(unreadable.exit_code, 6);
  EXPECT_EQ(json(unreadable).find("error_detail")->text("code"), "rate_limit_state_invalid");
}

TEST_F(GateEval, BlocksWhereACredentialOrDelegationIsDemanded) {
  const auto brokered = eval(
      "default_verdict: block\nrules:\n  - name: w\n    effect: allow\n    match: {tool_names: [tool.write]}\n"
      "    require_broker_credential: true\n",
      {"--check"});
  EXPECT_EQ(brokered.exit_code, 3);
  EXPECT_EQ(json(brokered).find("reason_codes")->as_array().front().as_string(), "broker_credential_required");
}

TEST_F(GateEval, OssProdProfileRefusesSimulationAndADefaultAllow) {
  EXPECT_EQ(eval("default_verdict: block\n", {"--profile", "oss-prod", "--simulate"}).exit_code, 6);
  EXPECT_EQ(eval("default_verdict: allow\n", {"--profile", "oss-prod", "--check"}).exit_code, 6);
  EXPECT_EQ(eval("default_verdict: block\n", {"--profile", "oss-prod", "--check"}).exit_code, 3);
}

TEST_F(GateEval, RedeemsNothingForADecisionThatCannotBeWrittenDown) {
  write("file", "");
  for (const std::string& path : {std::string("../escape.json"), folder_ / "file/trace.json", folder_.path()}) {
    EXPECT_EQ(eval("default_verdict: allow\n", {"--trace-out", path}).exit_code, 6) << path;
  }
}

}  // namespace
}  // namespace countersign::command
