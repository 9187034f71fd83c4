// The life of a key as one table: states, the events that move it, and what must be true for each move. Names follow
// NIST SP 800-57 part 1 §7 where they coincide. Compromise is no state but a fact about a key in any state; it also
// takes a published key out of use.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "common/clock.h"
#include "common/result.h"

namespace countersign::keymgmt {

enum class KeyState {
  Generated,  // exists in a token; pre-activation
  Attested,   // read back and proven, backed up where that is demanded; pre-activation
  Staged,     // its public half is published; pre-activation
  Standby,    // every verifier that accepts anything has it: may sign from one moment to the next; pre-activation
  Active,     // signs
  Retiring,   // signs no more, what it signed may still be in use; deactivated
  Retired,    // what it signed in its window still verifies; deactivated
  Destroyed,  // the private half is gone
};

enum class KeyEvent { Attest, Stage, StandBy, Activate, Retire, Close, Withdraw, Compromise, Destroy };

// What the durable ledger and the clock say when an event is judged.
struct KeyFacts {
  UtcTime now;
  bool proven = false;        // attributes read back, a canary of it verified, backed up where the plan demands it
  bool published = false;     // a set that lists it is on disk, or no directory is configured
  UtcTime gate_opens;         // keymgmt/rotation.h, cutover_opens
  bool acknowledged = false;  // each verifier of a closed roster said it has the key
  bool other_active = false;  // another key of its role and algorithm is active
  UtcTime verify_until;       // its last signature is out of use
  bool compromised = false;   // compromised_since is set
};

// Fails with Conflict "key_state" where the table has no such move, "key_compromised" for a key that is, and with the
// reason of the guard that is not met: "key_not_proven", "not_published", "cutover_too_early", "two_active_keys",
// "still_in_use".
Result<KeyState> next(KeyState state, KeyEvent event, const KeyFacts& facts);

struct StateRow {
  KeyState state;
  std::string_view name;
  std::string_view nist;  // the state of SP 800-57 it is
  bool signs;
  bool published;  // stands in the key set
  bool verifies;   // signatures made in its window count, unless it is compromised
};
std::span<const StateRow> key_states();

struct Guard {
  std::string_view name;  // for people
  bool (*met)(const KeyFacts& facts);
  std::string_view reason;   // of the refusal
  std::string_view refusal;  // its sentence, after "key … "
};
struct Transition {
  KeyState from;
  KeyEvent event;
  KeyState to;
  const Guard* guard;
};
std::span<const Transition> transitions();

std::string_view name_of(KeyState state);
std::string_view name_of(KeyEvent event);
std::optional<KeyState> key_state_named(std::string_view name);
std::optional<KeyEvent> key_event_named(std::string_view name);
bool may_become(KeyState from, KeyState to);  // by any event
bool may_sign(KeyState state);                // Active alone
bool is_published(KeyState state);
bool verifies(KeyState state);

}  // namespace countersign::keymgmt
