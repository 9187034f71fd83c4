// The states of a key and the only ways between them (NIST SP 800-57 part 1 §7 names where they coincide).
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace countersign::keymgmt {

enum class KeyState {
  Generated,    // exists in a token, checked; pre-activation
  Staged,       // its public half is published; pre-activation
  Standby,      // published and waiting to be the next active key
  Active,       // signs
  Retiring,     // signs no more, its signatures still count
  Retired,      // its signatures made in its window still verify
  Destroyed,    // the private half is gone
  Compromised,  // nothing it signed counts from `compromised_since`
};

std::string_view name_of(KeyState state);
std::optional<KeyState> key_state_named(std::string_view name);

struct Transition {
  KeyState from;
  KeyState to;
};
std::span<const Transition> transitions();
bool may_become(KeyState from, KeyState to);
bool may_sign(KeyState state);  // Active alone
bool verifies(KeyState state);  // signatures made in the key's window count

}  // namespace countersign::keymgmt
