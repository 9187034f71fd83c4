#include "signer/transport/reactor.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <utility>

namespace countersign::transport {
namespace {

// Served before posted work and timers get their turn.
constexpr std::size_t kEventsPerTurn = 64;

int required(int descriptor) {
  if (descriptor < 0) std::abort();  // out of descriptors before anything was served
  return descriptor;
}

}  // namespace

EventLoop::Reactor::Reactor()
    : poll_(required(::epoll_create1(EPOLL_CLOEXEC))), event_(required(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))) {
  // Edge-triggered: each write is told once, and nobody needs to read the counter.
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.ptr = nullptr;
  if (::epoll_ctl(poll_, EPOLL_CTL_ADD, event_, &event) != 0) std::abort();
}

EventLoop::Reactor::~Reactor() {
  // What is dropped here may own what forgets its descriptor: everything of ours is still there then.
  std::exchange(posted_, {}).clear();
  std::exchange(turn_end_, {}).clear();
  std::exchange(timers_, {}).clear();
  std::exchange(watched_, {}).clear();
  ::close(event_);
  ::close(poll_);
}

bool EventLoop::Reactor::watch(int descriptor, std::uint32_t events, Ready ready) {
  const auto index = static_cast<std::size_t>(descriptor);
  if (watched_.size() <= index) watched_.resize(index + 1);
  auto watched = std::make_unique<Watched>(Watched{descriptor, std::move(ready)});
  epoll_event event{};
  event.events = events;
  event.data.ptr = watched.get();
  if (::epoll_ctl(poll_, EPOLL_CTL_ADD, descriptor, &event) != 0) return false;
  if (watched_[index] != nullptr) forgotten_.push_back(std::move(watched_[index]));  // was closed without a word
  watched_[index] = std::move(watched);
  return true;
}

void EventLoop::Reactor::change(int descriptor, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = watched_[static_cast<std::size_t>(descriptor)].get();
  ::epoll_ctl(poll_, EPOLL_CTL_MOD, descriptor, &event);
}

void EventLoop::Reactor::forget(int descriptor) {
  const auto index = static_cast<std::size_t>(descriptor);
  if (index >= watched_.size() || watched_[index] == nullptr) return;
  ::epoll_ctl(poll_, EPOLL_CTL_DEL, descriptor, nullptr);
  watched_[index]->forgotten = true;
  forgotten_.push_back(std::move(watched_[index]));
}

void EventLoop::Reactor::wake() {
  const std::uint64_t one = 1;
  // EAGAIN: nobody ran for 2^64 wake-ups, and the event stands.
  [[maybe_unused]] const ssize_t written = ::write(event_, &one, sizeof one);
}

void EventLoop::Reactor::stop() {
  stopped_ = true;
  wake();
}

void EventLoop::Reactor::post(Work work) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = posted_.empty();
    posted_.push_back(std::move(work));
  }
  // The loop's own thread looks before it sleeps.
  if (first && runner_.load() != std::this_thread::get_id()) wake();
}

void EventLoop::Reactor::in(std::chrono::nanoseconds delay, std::chrono::nanoseconds period, Work work) {
  timers_.emplace(std::chrono::steady_clock::now() + delay, Timer{period, std::move(work)});
}

int EventLoop::Reactor::timeout() {
  if (!turn_end_.empty()) return 0;
  {
    const std::lock_guard lock(mutex_);
    if (!posted_.empty()) return 0;
  }
  if (timers_.empty()) return -1;
  const auto left = timers_.begin()->first - std::chrono::steady_clock::now();
  if (left <= std::chrono::nanoseconds(0)) return 0;
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(left).count());
}

void EventLoop::Reactor::serve_ready(int timeout) {
  std::array<epoll_event, kEventsPerTurn> events;
  const int count = ::epoll_wait(poll_, events.data(), static_cast<int>(events.size()), timeout);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    auto* watched = static_cast<Watched*>(event.data.ptr);
    if (watched != nullptr && !watched->forgotten) watched->ready(event.events);
  }
  forgotten_.clear();
}

void EventLoop::Reactor::run_posted() {
  {
    const std::lock_guard lock(mutex_);
    posted_running_.swap(posted_);
  }
  for (Work& work : posted_running_) work();
  posted_running_.clear();
}

void EventLoop::Reactor::run_timers() {
  if (timers_.empty()) return;
  const Moment now = std::chrono::steady_clock::now();
  while (!timers_.empty() && timers_.begin()->first <= now) {
    auto timer = timers_.extract(timers_.begin());
    timer.mapped().work();
    if (timer.mapped().period == std::chrono::nanoseconds(0)) continue;
    timer.key() = now + timer.mapped().period;
    timers_.insert(std::move(timer));
  }
}

void EventLoop::Reactor::run_turn_end() {
  turn_end_running_.swap(turn_end_);
  for (Work& work : turn_end_running_) work();
  turn_end_running_.clear();
}

void EventLoop::Reactor::run() {
  runner_ = std::this_thread::get_id();
  while (!stopped_) {
    serve_ready(timeout());
    if (!stopped_) run_posted();
    if (!stopped_) run_timers();
    if (!stopped_) run_turn_end();
  }
  runner_ = std::thread::id();
}

}  // namespace countersign::transport
