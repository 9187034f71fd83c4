// epoll(7) behind EventLoop; for this folder alone. One turn of the loop: what is ready is served, then what was
// posted, then the timers that are due, then what waited for the end of the turn.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "signer/transport/event_loop.h"

namespace countersign::transport {

inline constexpr std::size_t kReadSize = std::size_t{64} << 10;

class EventLoop::Reactor {
 public:
  using Work = std::function<void()>;
  using Ready = std::function<void(std::uint32_t events)>;  // EPOLLIN, EPOLLOUT, … as epoll_wait(2) gives them

  Reactor();
  ~Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  // Registered once: nothing is said to the kernel again before each wait. `ready` is called until forget(), which it
  // may call itself. The descriptor must not be closed before. False where the kernel has no room.
  bool watch(int descriptor, std::uint32_t events, Ready ready);
  void change(int descriptor, std::uint32_t events);
  void forget(int descriptor);

  void run();
  void stop();           // from any thread
  void post(Work work);  // from any thread
  void after_this_turn(Work work) { turn_end_.push_back(std::move(work)); }
  // `period` zero: once.
  void in(std::chrono::nanoseconds delay, std::chrono::nanoseconds period, Work work);

  // Where every connection reads into before it keeps anything, so that an idle connection owns no buffer.
  char* read_buffer() { return read_buffer_.get(); }

 private:
  using Moment = std::chrono::steady_clock::time_point;
  struct Watched {
    int descriptor;
    Ready ready;
    bool forgotten = false;  // an event of this turn may still name it
  };
  struct Timer {
    std::chrono::nanoseconds period;
    Work work;
  };

  void wake();
  int timeout();  // in milliseconds, for epoll_wait
  void serve_ready(int timeout);
  void run_posted();
  void run_timers();
  void run_turn_end();

  const int poll_;
  const int event_;
  std::vector<std::unique_ptr<Watched>> watched_;    // by descriptor
  std::vector<std::unique_ptr<Watched>> forgotten_;  // until the end of the turn: one may be running
  std::multimap<Moment, Timer> timers_;
  std::vector<Work> turn_end_;
  std::vector<Work> turn_end_running_;
  std::vector<Work> posted_running_;
  std::mutex mutex_;
  std::vector<Work> posted_;  // guarded by mutex_
  std::atomic<bool> stopped_ = false;
  std::atomic<std::thread::id> runner_;
  std::unique_ptr<char[]> read_buffer_ = std::make_unique<char[]>(kReadSize);
};

}  // namespace countersign::transport
