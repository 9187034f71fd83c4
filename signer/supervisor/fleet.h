// The holders of all roles: which run, which are to be started next, and what the front is told of them. Holders of one
// token start one after another, holders of different tokens at the same time.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "signer/config/config.h"
#include "signer/custody/pin_store.h"
#include "signer/supervisor/front_link.h"
#include "signer/supervisor/holder_slot.h"
#include "signer/supervisor/supervisor.h"

namespace countersign::supervisor {

class Fleet {
 public:
  Fleet(const config::Config& config, const Programs& programs, custody::PinStore& pins, FrontLink& front);

  const std::vector<HolderSlot>& slots() const { return slots_; }

  // Starts what is due, unless the fleet is closing. Gives the moment something is due next.
  std::optional<Moment> advance(Moment now);
  // Once a second: memory bounds, starts past their deadline, halts that were lifted.
  void inspect(Moment now);

  // The holder's control channel can be read.
  void listen(std::size_t slot);
  // A process ended. False where it is none of ours.
  bool ended(pid_t pid, int wait_status, Moment now);

  // {"event":"replace_holder"|"halted"} of the front. A holder that is not READY is not killed for these.
  void replace(const Json& message);
  void halt(const Json& message);
  // A new front has none of the sockets: whoever serves the old one ends by itself and is started again.
  void front_ended();
  void front_started();
  // SIGHUP: roles that are down are tried again.
  void try_again(Moment now);

  // No more starts, and an end is no news.
  void retire() { closing_ = true; }
  // Closes every holder's control channel, at which it ends.
  void close();
  bool empty() const;  // no process is left
  void kill_ready();

 private:
  void begin(HolderSlot& slot, Moment now);
  void arrived(HolderSlot& slot, Json ready);
  void pass_on(HolderSlot& slot);
  void down(HolderSlot& slot, const HolderEnd& end, Moment now);
  void tell_down(HolderSlot& slot, const HolderEnd& end);
  void end_ready(HolderSlot& slot, std::string_view why);
  void end_overdue(HolderSlot& slot);
  bool may_start(const HolderSlot& slot, Moment now) const;
  void forget_pin_after_first_start(const HolderSlot& slot);

  const config::Config& config_;
  const Programs& programs_;
  custody::PinStore& pins_;
  FrontLink& front_;
  std::vector<HolderSlot> slots_;
  bool closing_ = false;
};

}  // namespace countersign::supervisor
