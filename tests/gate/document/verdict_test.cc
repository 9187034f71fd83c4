#include "gate/document/verdict.h"

#include <gtest/gtest.h>

namespace countersign::gate {
namespace {

TEST(Answer, CarriesGaitsErrorMembers) {
  Json answer = Json::object({{"ok", false}});
  add_error(answer, 6, "normalize intent: tool_name is required");
  EXPECT_EQ(
      answer.gait_line(),
      R"({"error":"normalize intent: tool_name is required","error_category":"invalid_input",)"
      R"("error_code":"invalid_input","hint":"check command usage and input schema","ok":false,"retryable":false})");
  EXPECT_EQ(exit_code_of(statement::Verdict::DryRun), 0);
  EXPECT_EQ(exit_code_of(statement::Verdict::Block), 3);
  EXPECT_EQ(exit_code_of(statement::Verdict::RequireApproval), 4);
}

// Recorded from gait for `gate eval --policy policy.yaml --intent intent.json …` in case 001.
TEST(CorrelationId, FollowsTheArguments) {
  EXPECT_EQ(correlation_id({"gait", "gate", "eval", "--policy", "policy.yaml", "--intent", "intent.json", "--key-mode",
                            "prod", "--private-key", "../_keys/trace_private.key", "--approval-public-key",
                            "../_keys/approval_public.key", "--trace-out", "trace.json", "--json"}),
            "5c152e09c79575db0aeb87e0");
}

}  // namespace
}  // namespace countersign::gate
