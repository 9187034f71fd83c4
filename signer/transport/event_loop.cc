#include "signer/transport/event_loop.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "signer/transport/reactor.h"

namespace countersign::transport {

EventLoop::EventLoop() : reactor_(std::make_unique<Reactor>()) {}
EventLoop::~EventLoop() = default;

void EventLoop::run() {
  reactor_->run();
}

void EventLoop::stop() {
  reactor_->stop();
}

void EventLoop::post(std::function<void()> work) {
  reactor_->post(std::move(work));
}

void EventLoop::after_this_turn(std::function<void()> work) {
  reactor_->after_this_turn(std::move(work));
}

void EventLoop::every(std::chrono::nanoseconds period, std::function<void()> work) {
  reactor_->in(period, period, std::move(work));
}

void EventLoop::after(std::chrono::nanoseconds delay, std::function<void()> work) {
  reactor_->in(delay, std::chrono::nanoseconds(0), std::move(work));
}

struct ReadWatch::State {
  EventLoop& loop;
  int descriptor;
  std::function<void()> on_readable;
};

ReadWatch::ReadWatch(EventLoop& loop, int descriptor, std::function<void()> on_readable)
    : state_(std::make_shared<State>(State{loop, descriptor, std::move(on_readable)})) {
  loop.reactor().watch(descriptor, EPOLLIN, [state = state_](std::uint32_t) { state->on_readable(); });
}

ReadWatch::~ReadWatch() {
  state_->loop.reactor().forget(state_->descriptor);
  ::close(state_->descriptor);
}

int ReadWatch::descriptor() const {
  return state_->descriptor;
}

struct Stream::State : std::enable_shared_from_this<Stream::State> {
  State(EventLoop& where, int fd, OnData data, OnClosed gone, std::size_t unsent)
      : loop(where), descriptor(fd), on_data(std::move(data)), on_closed(std::move(gone)), most_unsent(unsent) {}
  EventLoop& loop;
  const int descriptor;
  OnData on_data;
  OnClosed on_closed;
  std::size_t most_unsent;
  std::string outgoing;
  bool flush_queued = false;
  bool waiting_to_write = false;
  bool closed = false;

  void close(bool tell) {
    if (closed) return;
    closed = true;
    loop.reactor().forget(descriptor);
    ::close(descriptor);
    if (tell) on_closed();
  }

  void watch() {
    loop.reactor().watch(descriptor, EPOLLIN, [self = shared_from_this()](std::uint32_t events) {
      if ((events & EPOLLOUT) != 0) self->became_writable();
      // An end or an error is read like bytes.
      if (!self->closed && (events & ~std::uint32_t{EPOLLOUT}) != 0) self->read();
    });
  }

  void became_writable() {
    waiting_to_write = false;
    loop.reactor().change(descriptor, EPOLLIN);
    flush();
  }

  void read() {
    char* buffer = loop.reactor().read_buffer();
    const ssize_t got = ::recv(descriptor, buffer, kReadSize, MSG_DONTWAIT);
    if (got > 0) return on_data(std::string_view(buffer, static_cast<std::size_t>(got)));
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    close(true);
  }

  void flush() {
    flush_queued = false;
    if (closed || waiting_to_write || outgoing.empty()) return;
    const ssize_t sent = ::send(descriptor, outgoing.data(), outgoing.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return close(true);
    if (sent > 0) outgoing.erase(0, static_cast<std::size_t>(sent));
    if (outgoing.empty()) return;
    if (outgoing.size() > most_unsent) return close(true);
    waiting_to_write = true;
    loop.reactor().change(descriptor, EPOLLIN | EPOLLOUT);
  }
};

Stream::Stream(EventLoop& loop, int descriptor, OnData on_data, OnClosed on_closed, std::size_t most_unsent)
    : state_(std::make_shared<State>(loop, descriptor, std::move(on_data), std::move(on_closed), most_unsent)) {
  state_->watch();
}

Stream::~Stream() {
  state_->close(false);
}

std::string& Stream::outgoing() {
  return state_->outgoing;
}

void Stream::flush_soon() {
  if (state_->flush_queued || state_->closed) return;
  state_->flush_queued = true;
  state_->loop.after_this_turn([state = state_] { state->flush(); });
}

void Stream::flush_now() {
  const std::shared_ptr<State> state = state_;  // on_closed may destroy this
  const bool queued = state->flush_queued;
  state->flush();
  state->flush_queued = queued;
}

}  // namespace countersign::transport
