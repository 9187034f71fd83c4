#include "keymgmt/rotation.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/software_key.h"

namespace countersign::keymgmt {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const UtcTime kStart = UtcTime::from_unix(1'800'000'000);
const RotationTimes kTimes{hours(24), minutes(1), hours(1)};
const std::vector<std::string> kOpen;

class Rotation : public testing::Test {
 protected:
  // Made, staged and taken over by `all_`; gives its kid.
  std::string stage(UtcTime now, Role role = Role::Trace, const std::string& token = "one") {
    const test::SoftwareKey key(Algorithm::Ed25519);
    PublishedKey made{.key = key.public_key(),
                      .role = role,
                      .state = KeyState::Generated,
                      .token_id = "01",
                      .label = "test-only",
                      .created_at = now,
                      .not_before = now,
                      .not_after = std::nullopt,
                      .compromised_since = std::nullopt};
    made.token = token;
    take(staging(made, all_, kTimes, now));
    return made.key.kid();
  }
  void take(const Result<Keys>& steps) {
    ASSERT_TRUE(steps) << steps.error().detail;
    for (const PublishedKey& step : *steps) {
      std::erase_if(all_, [&](const PublishedKey& one) { return one.key.kid() == step.key.kid(); });
      all_.push_back(step);
    }
  }
  const PublishedKey& key(const std::string& kid) const { return *key_of_kid(all_, kid); }
  void pass_time(UtcTime now) { take(due_moves(all_, {}, kTimes, now)); }
  static std::string reason(const Result<Keys>& steps) { return steps ? "" : steps.error().reason; }

  Keys all_;
};

TEST_F(Rotation, AKeyIsStagedOnce) {
  const std::string kid = stage(kStart);
  PublishedKey again = key(kid);
  again.state = KeyState::Generated;
  EXPECT_EQ(reason(staging(again, all_, kTimes, kStart + hours(1))), "key_known");
  EXPECT_NE(stage(kStart + hours(1)), kid);
}

TEST_F(Rotation, TheFirstKeyIsActiveOnceItIsPublishedAndTheNextStandsBy) {
  const std::string first = stage(kStart);
  EXPECT_EQ(key(first).gate_opens, kStart) << "no earlier set can lack it";
  pass_time(kStart);
  EXPECT_EQ(key(first).state, KeyState::Active);
  const std::string second = stage(kStart + hours(1));
  pass_time(kStart + hours(1));
  EXPECT_EQ(key(second).state, KeyState::Staged);
  pass_time(kStart + hours(1) + kTimes.set_lifetime + 2 * kTimes.skew);
  EXPECT_EQ(key(second).state, KeyState::Standby);
  EXPECT_EQ(key(first).state, KeyState::Active);
}

TEST_F(Rotation, IsRefusedUntilEveryEarlierSetHasExpired) {
  const std::string first = stage(kStart);
  pass_time(kStart);
  const std::string second = stage(kStart + hours(1));
  const UtcTime opens = kStart + hours(25) + minutes(2);
  const Result<Keys> early = cutover(second, all_, kOpen, kTimes, opens - seconds(1));
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().reason, "cutover_too_early");
  EXPECT_NE(early.error().detail.find(opens.rfc3339()), std::string::npos) << early.error().detail;
  take(cutover(second, all_, kOpen, kTimes, opens));
  EXPECT_EQ(key(second).state, KeyState::Active);
  EXPECT_EQ(key(second).not_before, opens);
  EXPECT_EQ(key(first).state, KeyState::Retiring);
  // What it signed in that second counts, and nothing after.
  EXPECT_TRUE(key(first).counts_at(opens + std::chrono::milliseconds(999)));
  EXPECT_EQ(key(first).not_after, opens + std::chrono::seconds(1));
  EXPECT_EQ(reason(cutover(second, all_, kOpen, kTimes, opens)), "key_state");
  EXPECT_EQ(reason(cutover("nobody", all_, kOpen, kTimes, opens)), "unknown_key");
}

TEST_F(Rotation, AShorterLifetimeLaterDoesNotShortenTheGate) {
  stage(kStart);
  pass_time(kStart);
  const test::SoftwareKey other(Algorithm::Ed25519);
  PublishedKey made = all_.front();
  made.key = other.public_key();
  made.state = KeyState::Generated;
  RotationTimes shorter = kTimes;
  shorter.set_lifetime = hours(1);
  take(staging(made, all_, shorter, kStart + hours(2)));
  EXPECT_EQ(key(made.key.kid()).gate_opens, kStart + hours(26) + minutes(2));
}

TEST_F(Rotation, AcknowledgementsOfAClosedRosterOpenTheGate) {
  stage(kStart);
  pass_time(kStart);
  const std::string second = stage(kStart + hours(1));
  const std::vector<std::string> roster = {"gate-1", "gate-2"};
  PublishedKey& staged =
      *std::find_if(all_.begin(), all_.end(), [&](const PublishedKey& one) { return one.key.kid() == second; });
  staged.acknowledged = {"gate-2", "stranger"};
  const Result<Keys> refused = cutover(second, all_, roster, kTimes, kStart + hours(1));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().detail.find(" gate-1"), std::string::npos) << refused.error().detail;
  EXPECT_EQ(refused.error().detail.find("gate-2"), std::string::npos) << refused.error().detail;
  staged.acknowledged.emplace_back("gate-1");
  take(cutover(second, all_, roster, kTimes, kStart + hours(1)));
  EXPECT_EQ(key(second).state, KeyState::Active);
}

TEST_F(Rotation, RetiringEndsWhenNothingSignedIsInUse) {
  for (const Role role : {Role::Approval, Role::Trace}) {
    all_.clear();
    const std::string first = stage(kStart, role);
    const std::string second = stage(kStart, role);
    pass_time(kStart + hours(25));
    const UtcTime cut = kStart + hours(30);
    take(cutover(second, all_, kOpen, kTimes, cut));
    const UtcTime end = cut + seconds(1) + minutes(2) + (role == Role::Approval ? hours(1) : hours(0));
    EXPECT_EQ(key(first).verify_until, end);
    pass_time(end - seconds(1));
    EXPECT_EQ(key(first).state, KeyState::Retiring);
    pass_time(end);
    EXPECT_EQ(key(first).state, KeyState::Retired);
  }
}

TEST_F(Rotation, AScheduleLetsTheOldestStandbyTakeOverAndOnlyWhenTheKeyIsOldEnough) {
  const hours age(24 * 30);
  const std::string first = stage(kStart);
  pass_time(kStart);
  const std::string second = stage(kStart + hours(1));
  const std::string third = stage(kStart + hours(2));
  const UtcTime due = kStart + age;
  pass_time(due - seconds(1));
  const auto at = [&](Role role, UtcTime now) { return scheduled(role, age, all_, kTimes, now); };
  EXPECT_EQ(at(Role::Trace, due - seconds(1))->size(), 0u);
  EXPECT_EQ(at(Role::Release, due)->size(), 0u);
  take(at(Role::Trace, due));
  EXPECT_EQ(key(second).state, KeyState::Active);
  EXPECT_EQ(key(third).state, KeyState::Standby);
  EXPECT_EQ(key(first).state, KeyState::Retiring);
  EXPECT_EQ(at(Role::Trace, due)->size(), 0u) << "the new one is young";
  take(at(Role::Trace, due + age));
  EXPECT_EQ(key(third).state, KeyState::Active);
  EXPECT_EQ(at(Role::Trace, due + 2 * age)->size(), 0u) << "none stands by";
}

TEST_F(Rotation, AHaltPromotesTheStandbyAtOnce) {
  const std::string first = stage(kStart);
  const std::string second = stage(kStart);
  pass_time(kStart + hours(25));
  ASSERT_EQ(key(second).state, KeyState::Standby);
  const UtcTime now = kStart + hours(26);
  take(halting(key(first), all_, kTimes, now));
  EXPECT_EQ(key(first).state, KeyState::Retired);
  EXPECT_EQ(key(first).compromised_since, now);
  EXPECT_EQ(key(second).state, KeyState::Active);
  EXPECT_EQ(reason(halting(key(first), all_, kTimes, now)), "key_compromised");
  take(halting(key(second), all_, kTimes, now));
  EXPECT_EQ(active_key(all_, Role::Trace, Algorithm::Ed25519), nullptr);
  const std::string third = stage(now);
  pass_time(now + hours(48));
  EXPECT_EQ(key(third).state, KeyState::Standby) << "after a compromise a person decides what becomes active";
}

TEST_F(Rotation, AHaltOfAKeyThatDoesNotSignLeavesTheActiveOne) {
  const std::string first = stage(kStart);
  const std::string second = stage(kStart);
  pass_time(kStart + hours(25));
  take(halting(key(second), all_, kTimes, kStart + hours(26)));
  EXPECT_EQ(key(first).state, KeyState::Active);
  EXPECT_EQ(standby_key(all_, Role::Trace, Algorithm::Ed25519), nullptr);
}

}  // namespace
}  // namespace countersign::keymgmt
