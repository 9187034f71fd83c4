#include "keymgmt/lifecycle.h"

#include <gtest/gtest.h>

namespace countersign::keymgmt {
namespace {

TEST(Lifecycle, LeadsFromGenerationToDestructionOneStepAtATime) {
  const KeyState way[] = {KeyState::Generated, KeyState::Staged,  KeyState::Standby,  KeyState::Active,
                          KeyState::Retiring,  KeyState::Retired, KeyState::Destroyed};
  for (std::size_t i = 0; i + 1 < std::size(way); ++i) {
    EXPECT_TRUE(may_become(way[i], way[i + 1])) << name_of(way[i]);
    EXPECT_FALSE(may_become(way[i + 1], way[i])) << name_of(way[i]);
  }
}

TEST(Lifecycle, LetsNoKeySignBeforeVerifiersCouldSeeIt) {
  EXPECT_TRUE(may_become(KeyState::Standby, KeyState::Active));
  EXPECT_FALSE(may_become(KeyState::Generated, KeyState::Active));
  EXPECT_FALSE(may_become(KeyState::Staged, KeyState::Active));
  EXPECT_FALSE(may_become(KeyState::Retired, KeyState::Active));
}

TEST(Lifecycle, EveryPublishedStateMayTurnOutCompromised) {
  for (const KeyState state : {KeyState::Staged, KeyState::Standby, KeyState::Active, KeyState::Retiring,
                               KeyState::Retired, KeyState::Destroyed}) {
    EXPECT_TRUE(may_become(state, KeyState::Compromised)) << name_of(state);
    EXPECT_FALSE(may_become(KeyState::Compromised, state)) << name_of(state);
  }
}

TEST(Lifecycle, OnlyActiveKeysSign) {
  int signing = 0;
  for (int i = 0; i <= static_cast<int>(KeyState::Compromised); ++i) signing += may_sign(static_cast<KeyState>(i));
  EXPECT_EQ(signing, 1);
  EXPECT_TRUE(may_sign(KeyState::Active));
}

TEST(Lifecycle, UnpublishedAndCompromisedKeysVerifyNothing) {
  EXPECT_TRUE(verifies(KeyState::Retired));
  EXPECT_FALSE(verifies(KeyState::Generated));
  EXPECT_FALSE(verifies(KeyState::Compromised));
}

TEST(Lifecycle, NamesReadBack) {
  for (int i = 0; i <= static_cast<int>(KeyState::Compromised); ++i) {
    const auto state = static_cast<KeyState>(i);
    EXPECT_EQ(key_state_named(name_of(state)), state);
  }
  EXPECT_FALSE(key_state_named("Active"));
}

}  // namespace
}  // namespace countersign::keymgmt
