#include "keymgmt/lifecycle.h"

#include <gtest/gtest.h>

namespace countersign::keymgmt {
namespace {

const UtcTime kNow = UtcTime::from_unix(1'800'000'000);

// Facts under which every guard is met.
KeyFacts good() {
  KeyFacts facts;
  facts.now = kNow;
  facts.proven = true;
  facts.published = true;
  facts.gate_opens = kNow;
  facts.verify_until = kNow;
  return facts;
}

std::string outcome(KeyState state, KeyEvent event, const KeyFacts& facts) {
  const Result<KeyState> after = next(state, event, facts);
  return after ? std::string(name_of(*after)) : after.error().reason;
}

TEST(Lifecycle, LeadsFromGenerationToDestructionOneStepAtATime) {
  const KeyEvent way[] = {KeyEvent::Attest, KeyEvent::Stage, KeyEvent::StandBy, KeyEvent::Activate,
                          KeyEvent::Retire, KeyEvent::Close, KeyEvent::Destroy};
  KeyState state = KeyState::Generated;
  for (const KeyEvent event : way) {
    const Result<KeyState> after = next(state, event, good());
    ASSERT_TRUE(after) << name_of(event) << ": " << after.error().detail;
    EXPECT_EQ(static_cast<int>(*after), static_cast<int>(state) + 1);
    EXPECT_FALSE(may_become(*after, state)) << name_of(event);
    EXPECT_EQ(outcome(*after, event, good()), "key_state") << "a step is taken once: " << name_of(event);
    state = *after;
  }
  EXPECT_EQ(state, KeyState::Destroyed);
}

struct Guarded {
  const char* name;
  KeyState state;
  KeyEvent event;
  void (*spoil)(KeyFacts&);
  const char* outcome;
};
constexpr Guarded kGuarded[] = {
    {"attest, not proven", KeyState::Generated, KeyEvent::Attest, [](KeyFacts& facts) { facts.proven = false; },
     "key_not_proven"},
    {"stand by, not published", KeyState::Staged, KeyEvent::StandBy, [](KeyFacts& facts) { facts.published = false; },
     "cutover_too_early"},
    {"stand by, gate closed", KeyState::Staged, KeyEvent::StandBy,
     [](KeyFacts& facts) { facts.gate_opens = kNow + std::chrono::nanoseconds(1); }, "cutover_too_early"},
    {"stand by, gate closed, all acknowledged", KeyState::Staged, KeyEvent::StandBy,
     [](KeyFacts& facts) {
       facts.gate_opens = kNow + std::chrono::hours(1);
       facts.acknowledged = true;
     },
     "standby"},
    {"stand by, acknowledged but not published", KeyState::Staged, KeyEvent::StandBy,
     [](KeyFacts& facts) {
       facts.published = false;
       facts.acknowledged = true;
     },
     "cutover_too_early"},
    {"activate beside another", KeyState::Standby, KeyEvent::Activate,
     [](KeyFacts& facts) { facts.other_active = true; }, "two_active_keys"},
    {"close while in use", KeyState::Retiring, KeyEvent::Close,
     [](KeyFacts& facts) { facts.verify_until = kNow + std::chrono::nanoseconds(1); }, "still_in_use"},
    {"activate a compromised key", KeyState::Standby, KeyEvent::Activate,
     [](KeyFacts& facts) { facts.compromised = true; }, "key_compromised"},
    {"destroy a compromised key", KeyState::Retired, KeyEvent::Destroy,
     [](KeyFacts& facts) { facts.compromised = true; }, "destroyed"},
};

TEST(Lifecycle, TakesNoStepWhoseGuardIsNotMet) {
  for (const Guarded& row : kGuarded) {
    EXPECT_NE(outcome(row.state, row.event, good()), "") << row.name;
    ASSERT_TRUE(next(row.state, row.event, good())) << row.name;
    KeyFacts facts = good();
    row.spoil(facts);
    EXPECT_EQ(outcome(row.state, row.event, facts), row.outcome) << row.name;
  }
}

TEST(Lifecycle, LetsNoKeySignBeforeVerifiersCouldSeeIt) {
  for (const StateRow& row : key_states()) {
    EXPECT_EQ(may_become(row.state, KeyState::Active), row.state == KeyState::Standby) << row.name;
    EXPECT_EQ(may_sign(row.state), row.state == KeyState::Active) << row.name;
    EXPECT_EQ(is_published(row.state), row.state >= KeyState::Staged) << row.name;
    EXPECT_EQ(verifies(row.state), row.state >= KeyState::Staged) << row.name;
  }
}

TEST(Lifecycle, TellsACompromiseOfAnyKeyOnceAndForGood) {
  for (const StateRow& row : key_states()) {
    const Result<KeyState> after = next(row.state, KeyEvent::Compromise, good());
    ASSERT_TRUE(after) << row.name;
    EXPECT_FALSE(may_sign(*after)) << row.name;
    KeyFacts facts = good();
    facts.compromised = true;
    for (const Transition& each : transitions()) {
      if (each.from != *after || each.event == KeyEvent::Destroy) continue;
      EXPECT_EQ(outcome(*after, each.event, facts), "key_compromised") << row.name << " " << name_of(each.event);
    }
  }
}

TEST(Lifecycle, NamesReadBack) {
  for (const StateRow& row : key_states()) EXPECT_EQ(key_state_named(row.name), row.state);
  for (const Transition& each : transitions()) EXPECT_EQ(key_event_named(name_of(each.event)), each.event);
  EXPECT_FALSE(key_state_named("Active"));
  EXPECT_FALSE(key_event_named(""));
}

}  // namespace
}  // namespace countersign::keymgmt
