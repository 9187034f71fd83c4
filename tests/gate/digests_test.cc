// The digests under which people approve are gait's, byte for byte.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "gate/context/context_evidence.h"
#include "gate/intent/intent.h"
#include "gate/policy/policy.h"
#include "tests/gate/gait_cases.h"

namespace countersign::gate {
namespace {

struct Tally {
  int agree = 0;
  int all = 0;
};

void print(const char* what, const std::map<std::string, Tally>& tallies) {
  for (const auto& [group, tally] : tallies) {
    std::printf("%s  %-14s %3d of %3d\n", what, group.c_str(), tally.agree, tally.all);
  }
}

// --wrkr-inventory adds to auth_context; that flag is refused for now, so there is nothing to compare.
bool is_compared(const GaitStep& step) {
  return !deliberate_differences().contains(step.name) && !step.has("--wrkr-inventory");
}

TEST(PolicyDigest, EqualsGaitsInEveryRecordedCase) {
  std::map<std::string, Tally> tallies;
  for (const GaitStep& step : gait_cases().steps) {
    const std::string_view expected = step.answer.text("policy_digest");
    if (expected.empty() || deliberate_differences().contains(step.name)) continue;
    const auto text = step.file_of("--policy");
    if (!text) continue;  // named by a configuration file
    const Result<Policy> policy = Policy::parse(*text);
    ASSERT_TRUE(policy) << step.name << ": " << policy.error().detail;
    Tally& tally = tallies[step.group];
    ++tally.all;
    if (policy->policy_digest().hex() == expected) {
      ++tally.agree;
    } else {
      ADD_FAILURE() << step.name << ": " << policy->digest_form().canonical();
    }
  }
  print("policy_digest", tallies);
  EXPECT_GE(tallies.size(), 16U);
}

TEST(IntentDigest, EqualsGaitsInEveryRecordedCase) {
  std::map<std::string, Tally> tallies;
  for (const GaitStep& step : gait_cases().steps) {
    const std::string_view expected = step.answer.text("intent_digest");
    if (expected.empty() || !is_compared(step)) continue;
    Result<Intent> intent = Intent::parse(step.file_of("--intent").value_or(""), ArgsReading::AsGait);
    ASSERT_TRUE(intent) << step.name << ": " << intent.error().detail;
    std::optional<ContextEnvelope> envelope;
    if (const auto text = step.file_of("--context-envelope")) {
      Result<ContextEnvelope> read = ContextEnvelope::parse(*text);
      ASSERT_TRUE(read) << step.name << ": " << read.error().detail;
      envelope = *read;
    }
    const Result<JudgedIntent> judged =
        with_context(*intent, envelope, ContextTrust::Envelope, AgeInDigest::Hashed, step.now());
    ASSERT_TRUE(judged) << step.name << ": " << judged.error().detail;
    Tally& tally = tallies[step.group];
    ++tally.all;
    if (judged->intent.intent_digest().hex() == expected) {
      ++tally.agree;
    } else {
      ADD_FAILURE() << step.name << ": " << judged->intent.digest_form().canonical();
    }
  }
  print("intent_digest", tallies);
  EXPECT_GE(tallies.size(), 16U);
}

TEST(ArgsDigest, EqualsTheOneInGaitsTraces) {
  int compared = 0;
  for (const GaitStep& step : gait_cases().steps) {
    if (step.trace == nullptr || !is_compared(step)) continue;
    const Result<Intent> intent = Intent::parse(step.file_of("--intent").value_or(""), ArgsReading::AsGait);
    if (!intent) continue;
    EXPECT_EQ(intent->args_digest().hex(), step.trace->text("args_digest")) << step.name;
    if (intent->is_script()) {
      EXPECT_EQ(intent->script_hash()->hex(), step.trace->text("script_hash")) << step.name;
    }
    ++compared;
  }
  EXPECT_GE(compared, 200);
}

// Every input that gait refuses while it reads policy, intent or envelope is refused here.
TEST(Inputs, ThatGaitRefusesAreRefused) {
  int refused = 0;
  for (const GaitStep& step : gait_cases().steps) {
    const std::string_view error = step.answer.text("error");
    if (error.empty()) continue;
    const auto intent_text = step.file_of("--intent");
    const auto policy_text = step.file_of("--policy");
    if (!intent_text || !policy_text) continue;
    const bool of_intent = error.starts_with("parse intent json: ") || error.starts_with("normalize intent: ");
    const bool of_envelope =
        error.find("context envelope") != std::string_view::npos || error.starts_with("context_set_digest");
    const bool of_policy = error.starts_with("parse policy yaml: ") || error.find("polic") != std::string_view::npos ||
                           !Policy::parse(*policy_text);
    if (of_envelope) {
      const Result<ContextEnvelope> envelope = ContextEnvelope::parse(step.file_of("--context-envelope").value_or(""));
      const Result<Intent> intent = Intent::parse(*intent_text);
      ASSERT_TRUE(intent) << step.name;
      if (envelope) {
        const auto judged = with_context(*intent, *envelope, ContextTrust::Envelope, AgeInDigest::Left, step.now());
        ASSERT_FALSE(judged) << step.name;
        EXPECT_EQ(judged.error().detail, error) << step.name;
      } else {
        EXPECT_EQ(envelope.error().detail, error) << step.name;
      }
    } else if (of_intent) {
      const Result<Intent> intent = Intent::parse(*intent_text);
      ASSERT_FALSE(intent) << step.name;
      EXPECT_EQ(intent.error().code, ErrorCode::Invalid) << step.name;
      EXPECT_EQ(intent.error().detail, error) << step.name;
    } else if (of_policy && !error.starts_with("oss-prod")) {
      const Result<Policy> policy = Policy::parse(*policy_text);
      ASSERT_FALSE(policy) << step.name << ": " << error;
      EXPECT_EQ(policy.error().code, ErrorCode::Invalid) << step.name;
      EXPECT_EQ(policy.error().detail, error) << step.name;
    } else {
      continue;
    }
    ++refused;
  }
  std::printf("inputs refused as by gait: %d\n", refused);
  EXPECT_GE(refused, 65);
}

// Where ours is stricter than gait on purpose.
TEST(Inputs, ThatGaitMergesOrRepairsAreRefused) {
  for (const char* name : {"294_numbers_integers", "297_collision_b", "300_strings_trimmed", "302_invalid_utf8",
                           "307_duplicate_keys_last_wins", "308_duplicate_args_merge", "309_duplicate_targets_overlay",
                           "313_WEAK_trimmed_key_collision"}) {
    int seen = 0;
    for (const GaitStep& step : gait_cases().steps) {
      if (step.name != name) continue;
      ++seen;
      EXPECT_FALSE(Intent::parse(step.file_of("--intent").value_or("{}"))) << name;
    }
    EXPECT_GT(seen, 0) << name;
  }
}

TEST(Policy, OfTheOlderGrammarCarriesItsMigration) {
  for (const GaitStep& step : gait_cases().steps) {
    const Json* migration = step.answer.find("migration");
    if (migration == nullptr) continue;
    const Result<Policy> policy = Policy::parse(*step.file_of("--policy"));
    ASSERT_FALSE(policy);
    EXPECT_EQ(policy.error().reason, "legacy_policy");
    EXPECT_EQ(policy.error().detail, step.answer.text("error"));
    EXPECT_EQ(legacy_policy_migration(*step.file_of("--policy")).canonical(), migration->canonical());
  }
}

}  // namespace
}  // namespace countersign::gate
