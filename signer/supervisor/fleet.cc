#include "signer/supervisor/fleet.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

#include "common/clock.h"
#include "signer/channel/control.h"
#include "signer/config/role_marks.h"
#include "signer/process/started_process.h"
#include "signer/supervisor/journal.h"

namespace countersign::supervisor {
namespace {

using process::close_descriptor;

using State = HolderSlot::State;
using std::chrono::seconds;

constexpr seconds kLongEnough{5};  // a holder that served this long starts anew with no failures counted
constexpr seconds kLookAgain{1};

// Resident bytes; 0 where the kernel does not say (the holder watches itself too).
std::size_t resident_bytes(pid_t pid) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/statm", pid);
  std::FILE* file = std::fopen(path, "re");
  if (file == nullptr) return 0;
  unsigned long total = 0;
  unsigned long resident = 0;
  const int read = std::fscanf(file, "%lu %lu", &total, &resident);
  std::fclose(file);
  return read == 2 ? resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) : 0;
}

// A number the front sent; -1 where there is none.
std::int64_t number_in(const Json& message, std::string_view name) {
  const Json* value = message.find(name);
  return value != nullptr && value->is_integer() ? value->as_integer() : -1;
}

}  // namespace

Fleet::Fleet(const config::Config& config, const Programs& programs, custody::PinStore& pins, FrontLink& front)
    : config_(config), programs_(programs), pins_(pins), front_(front), slots_(slots_of(config)) {
  const Moment now = std::chrono::steady_clock::now();
  for (HolderSlot& slot : slots_) slot.due = slot.since = now;
}

bool Fleet::may_start(const HolderSlot& slot, Moment now) const {
  if (slot.state != State::Waiting || slot.due > now) return false;
  return std::none_of(slots_.begin(), slots_.end(), [&](const HolderSlot& other) {
    return other.token == slot.token && other.state == State::Starting;
  });
}

std::optional<Moment> Fleet::advance(Moment now) {
  std::optional<Moment> next;
  if (closing_) return next;
  for (HolderSlot& slot : slots_) {
    if (slot.state == State::Waiting && slot.due <= now) slot.token = config::serving_token(config_, slot.role);
    if (may_start(slot, now)) begin(slot, now);
    // One whose time has come but whose token is busy is looked at again when that start ends.
    if (slot.state == State::Waiting && slot.due > now && (!next || slot.due < *next)) next = slot.due;
  }
  return next;
}

void Fleet::begin(HolderSlot& slot, Moment now) {
  if (config::is_halted(config_.state, slot.role)) {
    slot.state = State::Halted;
    slot.since = now;
    tell_down(slot,
              HolderEnd{"halted", "the role was halted", "promote its standby key, or lift the halt", false, false});
    return;
  }
  const Status started = start_holder(slot, config_, programs_.holder, programs_.holder_environment, pins_);
  if (started) return;
  const Error& error = started.error();
  slot.failures += 1;
  // A lack of processes or descriptors passes; a PIN that cannot be read needs a person.
  const bool passes = error.code == ErrorCode::Unavailable && error.reason.empty();
  const std::string cause = passes ? "not_started" : error.reason == "pin_not_kept" ? error.reason : "pin_unreadable";
  down(slot, HolderEnd{cause, error.detail, error.hint, passes, false}, now);
}

void Fleet::listen(std::size_t index) {
  HolderSlot& slot = slots_[index];
  while (slot.control >= 0) {
    Result<channel::ControlMessage> message = channel::receive_control(slot.control);
    if (!message) {
      if (message.error().reason != "would_block") close_descriptor(slot.control);
      return;
    }
    for (int& descriptor : message->descriptors) close_descriptor(descriptor);
    const std::string_view event = message->body.text("event");
    if (event == "ready" && slot.state == State::Starting) {
      arrived(slot, std::move(message->body));
    } else if (event == "failed" || event == "lost") {
      slot.last_words = std::move(message->body);
    }
  }
}

void Fleet::arrived(HolderSlot& slot, Json ready) {
  slot.state = State::Ready;
  slot.since = std::chrono::steady_clock::now();
  slot.ready = std::move(ready);
  slot.told.clear();
  say(Level::Info,
      slot.name() + " is ready, generation " + std::to_string(slot.generation) + ", pid " + std::to_string(slot.pid));
  forget_pin_after_first_start(slot);
  // The role was halted, or moved to its standby, while this one started.
  if (config::is_halted(config_.state, slot.role) || slot.token != config::serving_token(config_, slot.role)) {
    return end_ready(slot, "halted");
  }
  pass_on(slot);
}

void Fleet::forget_pin_after_first_start(const HolderSlot& slot) {
  const config::TokenConfig& token = *config_.token(slot.token);
  if (!token.pin_on_restart_ask) return;
  const bool all_started = std::none_of(slots_.begin(), slots_.end(), [&](const HolderSlot& other) {
    return other.token == slot.token && other.state != State::Ready;
  });
  if (all_started) pins_.forget(token);
}

void Fleet::pass_on(HolderSlot& slot) {
  if (!front_.running() || slot.state != State::Ready || slot.frames < 0) return;
  front_.tell(Json::object({{"event", "holder_up"},
                            {"role", keymgmt::name_of(slot.role)},
                            {"index", slot.index},
                            {"generation", slot.generation},
                            {"ready", slot.ready}}),
              std::exchange(slot.frames, -1));
}

bool Fleet::ended(pid_t pid, int wait_status, Moment now) {
  const auto found =
      std::find_if(slots_.begin(), slots_.end(), [&](const HolderSlot& slot) { return slot.pid == pid; });
  if (found == slots_.end()) return false;
  HolderSlot& slot = *found;
  listen(static_cast<std::size_t>(found - slots_.begin()));  // its last words may still lie in the socket
  const bool served = slot.state == State::Ready;
  const HolderEnd end = end_of(slot, wait_status);
  if (served && now - slot.since >= kLongEnough) slot.failures = 0;
  // Whoever served a front that ended is not to blame.
  if (end.cause != "front_ended" && end.cause != "stopped") slot.failures += 1;
  clear(slot);
  if (closing_) {
    slot.state = State::Down;
    return true;
  }
  if (end.pin_refused) {
    // Every try counts towards the token's lock, so its other holders do not try either.
    pins_.forget(*config_.token(slot.token));
    for (HolderSlot& other : slots_) {
      if (other.token == slot.token && other.state == State::Waiting && &other != &slot) down(other, end, now);
    }
  }
  down(slot, end, now);
  return true;
}

void Fleet::down(HolderSlot& slot, const HolderEnd& end, Moment now) {
  slot.since = now;
  if (end.cause == "halted" && config::is_halted(config_.state, slot.role)) {
    slot.state = State::Halted;
  } else if (end.cause == "halted") {
    // A standby took over: its holder starts at once.
    slot.state = State::Waiting;
    slot.failures = 0;
    slot.due = now;
  } else if (end.retryable) {
    slot.state = State::Waiting;
    // A holder of an earlier front waits for nothing; the next one starts beside the new front.
    slot.due = now + restart_delay(slot.failures);
  } else {
    slot.state = State::Down;
  }
  tell_down(slot, end);
}

// Once for each cause: a token that is missing for an hour is one message, not 3600.
void Fleet::tell_down(HolderSlot& slot, const HolderEnd& end) {
  if (slot.told == end.cause) return;
  slot.told = end.cause;
  std::string line = slot.name() + " is down: " + end.cause;
  if (!end.message.empty()) line += ": " + end.message;
  line += end.retryable ? "; it is started again" : "; it stays down";
  if (!end.hint.empty()) line += " (" + end.hint + ")";
  say(end.retryable ? Level::Warning : Level::Error, line);
  slot.down = Json::object({{"event", "holder_down"},
                            {"role", keymgmt::name_of(slot.role)},
                            {"index", slot.index},
                            {"generation", slot.generation},
                            {"cause", end.cause},
                            {"message", end.message},
                            {"hint", end.hint},
                            {"retryable", end.retryable}});
  front_.tell(slot.down);
}

void Fleet::end_ready(HolderSlot& slot, std::string_view why) {
  if (slot.state != State::Ready || slot.pid <= 0) return;
  slot.why_killed = why;
  kill(slot.pid, SIGKILL);
}

void Fleet::replace(const Json& message) {
  for (HolderSlot& slot : slots_) {
    if (keymgmt::name_of(slot.role) != message.text("role") || slot.index != number_in(message, "index")) continue;
    // An answer to an older process may come late; the one that took its place is not to blame.
    if (number_in(message, "generation") != static_cast<std::int64_t>(slot.generation)) continue;
    std::string cause(message.text("cause"));
    end_ready(slot, cause.empty() ? "replaced" : cause);
  }
}

void Fleet::halt(const Json& message) {
  for (HolderSlot& slot : slots_) {
    if (keymgmt::name_of(slot.role) != message.text("role")) continue;
    end_ready(slot, "halted");
    if (slot.state != State::Waiting || !config::is_halted(config_.state, slot.role)) continue;
    slot.state = State::Halted;
    tell_down(slot, HolderEnd{"halted", "the role was halted", "", false, false});
  }
}

void Fleet::inspect(Moment now) {
  for (HolderSlot& slot : slots_) {
    if (slot.state == State::Ready && resident_bytes(slot.pid) > config_.limits.holder_memory)
      end_ready(slot, "memory");
    if (slot.state == State::Starting && now - slot.since >= config_.limits.start_deadline) end_overdue(slot);
    if (slot.state == State::Halted && now - slot.since >= kLookAgain && !config::is_halted(config_.state, slot.role)) {
      slot.state = State::Waiting;
      slot.due = now;
    }
  }
}

// A kill in the middle of a login can leave SoftHSM's token empty. This holder took the guard's copy before it logged
// in, and the next one restores it before it does (docs/softhsm.md); so it is ended, but only after its full deadline.
void Fleet::end_overdue(HolderSlot& slot) {
  if (slot.overdue || slot.pid <= 0) return;
  slot.overdue = true;
  slot.why_killed = "start_too_slow";
  tell_down(slot, HolderEnd{slot.why_killed,
                            "pid " + std::to_string(slot.pid) + " was not ready after " +
                                duration_text(config_.limits.start_deadline) + " and was ended",
                            "look at the module's log; or does another program hold the token's lock?", true, false});
  kill(slot.pid, SIGKILL);
}

void Fleet::front_ended() {
  for (HolderSlot& slot : slots_) {
    if (slot.state == State::Ready && slot.frames < 0 && slot.why_killed.empty()) slot.why_killed = "front_ended";
  }
}

void Fleet::front_started() {
  for (HolderSlot& slot : slots_) {
    pass_on(slot);
    if (!slot.down.is_null()) front_.tell(slot.down);
  }
}

void Fleet::try_again(Moment now) {
  for (HolderSlot& slot : slots_) {
    if (slot.state != State::Down) continue;
    slot.state = State::Waiting;
    slot.failures = 0;
    slot.due = now;
    slot.told.clear();
  }
}

void Fleet::close() {
  for (HolderSlot& slot : slots_) {
    close_descriptor(slot.control);
    close_descriptor(slot.frames);
  }
}

bool Fleet::empty() const {
  return std::none_of(slots_.begin(), slots_.end(), [](const HolderSlot& slot) { return slot.pid > 0; });
}

void Fleet::kill_ready() {
  for (HolderSlot& slot : slots_) {
    if (slot.state == State::Ready && slot.pid > 0) kill(slot.pid, SIGKILL);
  }
}

}  // namespace countersign::supervisor
