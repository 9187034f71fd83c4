// The one I/O thread of a process and what it waits for: descriptors, timers, work posted by other threads.
// Nothing called on it may block.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/result.h"

namespace countersign::transport {

class EventLoop {
 public:
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Runs until stop(). Everything below is called back on the thread that runs it.
  void run();
  void stop();                            // from any thread
  void post(std::function<void()> work);  // from any thread; in order
  // Once the descriptors that are ready now were served: the place to write what was collected.
  void after_this_turn(std::function<void()> work);
  void every(std::chrono::nanoseconds period, std::function<void()> work);
  void after(std::chrono::nanoseconds delay, std::function<void()> work);

  class Reactor;
  Reactor& reactor() { return *reactor_; }

 private:
  std::unique_ptr<Reactor> reactor_;
};

// Calls back while a descriptor is readable (a datagram or seqpacket socket, a signalfd). The callback reads without
// blocking until there is nothing left.
class ReadWatch {
 public:
  // Owns `descriptor` from here on.
  ReadWatch(EventLoop& loop, int descriptor, std::function<void()> on_readable);
  ~ReadWatch();
  ReadWatch(const ReadWatch&) = delete;
  ReadWatch& operator=(const ReadWatch&) = delete;
  int descriptor() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// A connected byte stream (one end of a socketpair). Writes are collected and sent once per turn of the loop.
class Stream {
 public:
  using OnData = std::function<void(std::string_view bytes)>;
  using OnClosed = std::function<void()>;  // once: end of stream, error, or a backlog beyond `most_unsent`

  // Owns `descriptor`. Both callbacks run on the loop and may destroy this.
  Stream(EventLoop& loop, int descriptor, OnData on_data, OnClosed on_closed,
         std::size_t most_unsent = std::size_t{64} << 20);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // The buffer that is sent at the end of this turn: append to it, then call flush_soon().
  std::string& outgoing();
  void flush_soon();
  // Sends what was collected at once, for a peer that would be idle until the end of the turn.
  void flush_now();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace countersign::transport
