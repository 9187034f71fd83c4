#include "signer/transport/readiness.h"

#include <sys/epoll.h>

#include <utility>

#include "signer/transport/reactor.h"

namespace countersign::transport {
namespace {

constexpr std::uint32_t kReading = EPOLLIN | EPOLLRDHUP | EPOLLET;
constexpr std::uint32_t kEnded = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

}  // namespace

Readiness::Readiness(EventLoop& loop, Ready ready) : loop_(loop), ready_(std::move(ready)) {}

bool Readiness::add(int descriptor) {
  return loop_.reactor().watch(descriptor, kReading, [this, descriptor](std::uint32_t events) {
    const bool ended = (events & kEnded) != 0;
    ready_({descriptor, ended || (events & EPOLLIN) != 0, ended, (events & EPOLLOUT) != 0});
  });
}

void Readiness::remove(int descriptor) {
  loop_.reactor().forget(descriptor);
}

void Readiness::want_writable(int descriptor, bool wanted) {
  loop_.reactor().change(descriptor, wanted ? kReading | EPOLLOUT : kReading);
}

}  // namespace countersign::transport
