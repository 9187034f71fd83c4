// Tells which of many descriptors can be read or written: each is registered once, edge-triggered. For this folder
// alone.
#pragma once

#include <cstdint>
#include <functional>

#include "signer/transport/event_loop.h"

namespace countersign::transport {

class Readiness {
 public:
  struct Event {
    int descriptor = -1;
    bool readable = false;  // bytes, the end of the stream or an error is there to be read
    bool ended = false;     // the peer sends nothing more: read until recv(2) says so
    bool writable = false;
  };
  // Called on the loop.
  using Ready = std::function<void(const Event&)>;

  Readiness(EventLoop& loop, Ready ready);
  Readiness(const Readiness&) = delete;
  Readiness& operator=(const Readiness&) = delete;

  // From now on each change is told once; what is there already counts as one. False where the kernel has no room.
  bool add(int descriptor);
  // Before the descriptor is closed.
  void remove(int descriptor);
  // Whether it is also told when it can be written.
  void want_writable(int descriptor, bool wanted);

 private:
  EventLoop& loop_;
  Ready ready_;
};

}  // namespace countersign::transport
