// The place of one holder: which role and token it serves, the process that fills it now, and when the next one may be
// started.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "common/json.h"
#include "signer/config/config.h"
#include "signer/custody/pin_store.h"

namespace countersign::supervisor {

using Moment = std::chrono::steady_clock::time_point;

// How long before the next process of a slot, after `failures` in a row: ten quick tries of 10 to 160 ms with jitter,
// then once a second (process-start rule 5).
std::chrono::milliseconds restart_delay(int failures);

struct HolderSlot {
  enum class State {
    Waiting,   // a process is started once `due` has come and no other of the token is starting
    Starting,  // between exec and READY: ended only past its deadline, since the guard then has to mend SoftHSM's token
    Ready,
    Down,    // a new process would fail the same way; SIGHUP or a restart tries again
    Halted,  // `keys halt`; until its record is gone
  };

  keymgmt::Role role{};
  int index = 0;
  std::string token;
  State state = State::Waiting;
  std::uint64_t generation = 0;  // of the process, 1 for the first; the front names it when it asks for another
  pid_t pid = -1;
  int control = -1;
  int frames = -1;  // the front's end, until it is passed on
  Moment due;
  Moment since;  // of `state`
  int failures = 0;
  Json ready;              // what the holder said, passed on unread
  Json last_words;         // its {"event":"failed"|"lost",…}
  std::string why_killed;  // our reason, where we end it
  std::string told;        // the cause of the last holder_down; the same one is not told again
  Json down;               // that message, for a front that starts later; null while a holder is ready
  bool overdue = false;    // its start took too long: it was told and killed

  std::string name() const;  // "approval/0"
};

// The empty slots of a configuration, in its order.
std::vector<HolderSlot> slots_of(const config::Config& config);

// Starts the next process of a slot: descriptors 3 control, 4 frames, 5 PIN, and its settings as the first message.
// Fails as custody::PinStore::open and start() do; the slot is then as before.
Status start_holder(HolderSlot& slot, const config::Config& config, const std::string& program,
                    const std::vector<std::string>& more_environment, custody::PinStore& pins);

// What the end of a process means for its slot.
struct HolderEnd {
  std::string cause;
  std::string message;
  std::string hint;
  bool retryable = true;
  bool pin_refused = false;
};
HolderEnd end_of(const HolderSlot& slot, int wait_status);

// Forgets the process of a slot and closes its descriptors.
void clear(HolderSlot& slot);

}  // namespace countersign::supervisor
