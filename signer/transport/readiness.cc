#include "signer/transport/readiness.h"

#include <sys/epoll.h>

#include <array>
#include <cstdlib>

namespace countersign::transport {
namespace {

constexpr std::uint32_t kReading = EPOLLIN | EPOLLRDHUP | EPOLLET;
constexpr std::uint32_t kEnded = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
// Served before others on the loop get their turn.
constexpr std::size_t kEventsPerTurn = 64;

int new_poll() {
  const int descriptor = ::epoll_create1(EPOLL_CLOEXEC);
  if (descriptor < 0) std::abort();  // out of descriptors before anything was served
  return descriptor;
}

epoll_event event_for(int descriptor, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = descriptor;
  return event;
}

}  // namespace

Readiness::Readiness(EventLoop& loop, Ready ready)
    : ready_(std::move(ready)), poll_(loop, new_poll(), [this] { serve(); }) {}

bool Readiness::add(int descriptor) {
  epoll_event event = event_for(descriptor, kReading);
  return ::epoll_ctl(poll_.descriptor(), EPOLL_CTL_ADD, descriptor, &event) == 0;
}

void Readiness::want_writable(int descriptor, bool wanted) {
  epoll_event event = event_for(descriptor, wanted ? kReading | EPOLLOUT : kReading);
  ::epoll_ctl(poll_.descriptor(), EPOLL_CTL_MOD, descriptor, &event);
}

void Readiness::serve() {
  std::array<epoll_event, kEventsPerTurn> events;
  const int count = ::epoll_wait(poll_.descriptor(), events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    const bool ended = (event.events & kEnded) != 0;
    ready_({event.data.fd, ended || (event.events & EPOLLIN) != 0, ended, (event.events & EPOLLOUT) != 0});
  }
}

}  // namespace countersign::transport
