#include "gate/policy/policy_format.h"

#include <gtest/gtest.h>

#include "gate/policy/policy.h"
#include "gate/policy/yaml_writer.h"
#include "tests/gate/gait_cases.h"

namespace countersign::gate {
namespace {

TEST(PolicyFormat, KeepsTheDigestOfEveryRecordedPolicyAndSettlesAtOnce) {
  std::size_t formatted = 0;
  for (const GaitStep& step : gait_cases().steps) {
    const std::string yaml = step.file_of("--policy").value_or("- absent");
    const Result<Policy> policy = Policy::parse(yaml);
    const Result<std::string> once = formatted_policy(yaml);
    ASSERT_EQ(policy.has_value(), once.has_value()) << step.name;
    if (!policy) continue;
    const Result<Policy> again = Policy::parse(*once);
    ASSERT_TRUE(again.has_value()) << step.name << ": " << again.error().detail << "\n" << *once;
    EXPECT_EQ(policy->policy_digest(), again->policy_digest()) << step.name;
    EXPECT_EQ(*once, *formatted_policy(*once)) << step.name;
    ++formatted;
  }
  EXPECT_GT(formatted, 300U);
}

TEST(PolicyFormat, WritesListsOfMappingsAndQuotesWhatWouldReadOtherwise) {
  const std::string out = *formatted_policy(R"(
rules:
- name: "a: b"
  effect: block
  match: {tool_name: X, target_values: ["1.5", "yes", "*", "plain text"]}
  freeze_window: {timezone: UTC, windows: [{start: 2026-01-01T00:00:00, end: 2026-01-02T00:00:00}]}
mcp_trust: {snapshot: s, max_age: 90m, min_score: 1}
)");
  for (const char* line :
       {"- name: \"a: b\"\n  priority: 0\n", "    tool_name: X\n    tool_names:\n    - x\n",
        "    target_values:\n    - \"*\"\n    - \"1.5\"\n    - plain text\n    - \"yes\"\n",
        "    windows:\n    - name: window-1\n      start: 2026-01-01T00:00:00\n      end: 2026-01-02T00:00:00\n",
        "  min_score: 1.0\n  max_age: 1h30m0s\n"}) {
    EXPECT_NE(out.find(line), std::string::npos) << line << "\n" << out;
  }
}

TEST(YamlScalar, IsPlainOnlyWhereItReadsBackAsTheText) {
  const std::pair<const char*, const char*> cases[] = {{"", "\"\""},
                                                       {"a", "a"},
                                                       {"1.0.0", "1.0.0"},
                                                       {"0x10", "\"0x10\""},
                                                       {"12:30", "\"12:30\""},
                                                       {"a#b", "\"a#b\""},
                                                       {"a:b", "a:b"},
                                                       {"a: b", "\"a: b\""},
                                                       {"-x", "-x"},
                                                       {"- x", "\"- x\""},
                                                       {"é", "é"},
                                                       {"a\nb", "\"a\\nb\""},
                                                       {"2026-01-01", "\"2026-01-01\""},
                                                       {"x:", "\"x:\""},
                                                       {"no", "\"no\""},
                                                       {"/a/**", "/a/**"}};
  for (const auto& [text, scalar] : cases) EXPECT_EQ(yaml_scalar(text), scalar) << text;
}

}  // namespace
}  // namespace countersign::gate
