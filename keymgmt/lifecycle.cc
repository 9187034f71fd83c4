#include "keymgmt/lifecycle.h"

#include <array>

namespace countersign::keymgmt {
namespace {

struct StateRow {
  KeyState state;
  std::string_view name;
  bool signs;
  bool verifies;
};

// docs/key-lifecycle.md, "States". A staged or standby key verifies: no signature of it exists yet, and verifiers that
// hold an older key set must accept the first one made after cutover.
constexpr StateRow kStates[] = {
    {KeyState::Generated, "generated", false, false}, {KeyState::Staged, "staged", false, true},
    {KeyState::Standby, "standby", false, true},      {KeyState::Active, "active", true, true},
    {KeyState::Retiring, "retiring", false, true},    {KeyState::Retired, "retired", false, true},
    {KeyState::Destroyed, "destroyed", false, true},  {KeyState::Compromised, "compromised", false, false},
};

constexpr std::array kTransitions = {
    Transition{KeyState::Generated, KeyState::Staged},
    Transition{KeyState::Generated, KeyState::Destroyed},  // abandoned before anybody could see it
    Transition{KeyState::Staged, KeyState::Standby},
    Transition{KeyState::Standby, KeyState::Active},
    Transition{KeyState::Active, KeyState::Retiring},
    Transition{KeyState::Retiring, KeyState::Retired},
    Transition{KeyState::Retired, KeyState::Destroyed},
    // Never used: verifiers refuse a set that drops a published key, so it leaves by the same door.
    Transition{KeyState::Staged, KeyState::Retired},
    Transition{KeyState::Standby, KeyState::Retired},
    Transition{KeyState::Staged, KeyState::Compromised},
    Transition{KeyState::Standby, KeyState::Compromised},
    Transition{KeyState::Active, KeyState::Compromised},
    Transition{KeyState::Retiring, KeyState::Compromised},
    // What they signed must stop verifying too.
    Transition{KeyState::Retired, KeyState::Compromised},
    Transition{KeyState::Destroyed, KeyState::Compromised},
};

constexpr bool allowed(KeyState from, KeyState to) {
  for (const Transition& transition : kTransitions) {
    if (transition.from == from && transition.to == to) return true;
  }
  return false;
}

constexpr const StateRow& row_of(KeyState state) {
  for (const StateRow& row : kStates) {
    if (row.state == state) return row;
  }
  __builtin_unreachable();
}

constexpr bool nothing_leaves(KeyState state) {
  for (const Transition& transition : kTransitions) {
    if (transition.from == state) return false;
  }
  return true;
}

constexpr int states_that_sign() {
  int count = 0;
  for (const StateRow& row : kStates) count += row.signs ? 1 : 0;
  return count;
}

static_assert(!allowed(KeyState::Generated, KeyState::Active), "a key signs only after it is published");
static_assert(!allowed(KeyState::Staged, KeyState::Active), "a key signs only after verifiers had time to see it");
static_assert(!allowed(KeyState::Retired, KeyState::Active) && !allowed(KeyState::Retiring, KeyState::Active),
              "a key signs in one window only");
static_assert(!allowed(KeyState::Active, KeyState::Destroyed), "an active key retires before it is destroyed");
static_assert(nothing_leaves(KeyState::Compromised), "nothing makes a compromised key good again");
static_assert(states_that_sign() == 1 && row_of(KeyState::Active).signs, "active keys alone sign");
static_assert(!row_of(KeyState::Compromised).verifies, "nothing a compromised key signed counts");

}  // namespace

std::string_view name_of(KeyState state) {
  return row_of(state).name;
}

std::optional<KeyState> key_state_named(std::string_view name) {
  for (const StateRow& row : kStates) {
    if (row.name == name) return row.state;
  }
  return std::nullopt;
}

std::span<const Transition> transitions() {
  return kTransitions;
}

bool may_become(KeyState from, KeyState to) {
  return allowed(from, to);
}

bool may_sign(KeyState state) {
  return row_of(state).signs;
}

bool verifies(KeyState state) {
  return row_of(state).verifies;
}

}  // namespace countersign::keymgmt
