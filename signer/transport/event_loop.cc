#include "signer/transport/event_loop.h"

#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>

#include "signer/transport/reactor.h"

namespace countersign::transport {
namespace {

namespace asio = boost::asio;
using Descriptor = asio::posix::stream_descriptor;

void arm(asio::steady_timer& timer, std::chrono::nanoseconds period,
         const std::shared_ptr<std::function<void()>>& work) {
  timer.async_wait([&timer, period, work](const boost::system::error_code& error) {
    if (error) return;
    (*work)();
    timer.expires_after(period);
    arm(timer, period, work);
  });
}

}  // namespace

EventLoop::EventLoop() : reactor_(std::make_unique<Reactor>()) {}
EventLoop::~EventLoop() = default;

void EventLoop::run() {
  auto guard = asio::make_work_guard(reactor_->context);
  reactor_->context.run();
}

void EventLoop::stop() {
  reactor_->context.stop();
}

void EventLoop::post(std::function<void()> work) {
  asio::post(reactor_->context, std::move(work));
}

void EventLoop::after_this_turn(std::function<void()> work) {
  Reactor& reactor = *reactor_;
  reactor.turn_end.push_back(std::move(work));
  if (reactor.turn_end_posted) return;
  reactor.turn_end_posted = true;
  // A posted handler runs behind those whose descriptors were ready in the same turn.
  asio::post(reactor.context, [&reactor] {
    reactor.turn_end_posted = false;
    reactor.turn_end_running.swap(reactor.turn_end);
    for (std::function<void()>& each : reactor.turn_end_running) each();
    reactor.turn_end_running.clear();
  });
}

void EventLoop::every(std::chrono::nanoseconds period, std::function<void()> work) {
  reactor_->periodic.push_back(std::make_unique<asio::steady_timer>(reactor_->context, period));
  arm(*reactor_->periodic.back(), period, std::make_shared<std::function<void()>>(std::move(work)));
}

void EventLoop::after(std::chrono::nanoseconds delay, std::function<void()> work) {
  auto timer = std::make_shared<asio::steady_timer>(reactor_->context, delay);
  timer->async_wait([timer, work = std::move(work)](const boost::system::error_code& error) {
    if (!error) work();
  });
}

struct ReadWatch::State : std::enable_shared_from_this<ReadWatch::State> {
  State(EventLoop& loop, int fd, std::function<void()> readable)
      : descriptor(loop.reactor().context, fd), on_readable(std::move(readable)) {}
  Descriptor descriptor;
  std::function<void()> on_readable;
  bool closed = false;

  void wait() {
    descriptor.async_wait(Descriptor::wait_read, [self = shared_from_this()](const boost::system::error_code& error) {
      if (error || self->closed) return;
      self->on_readable();
      if (!self->closed) self->wait();
    });
  }
};

ReadWatch::ReadWatch(EventLoop& loop, int descriptor, std::function<void()> on_readable)
    : state_(std::make_shared<State>(loop, descriptor, std::move(on_readable))) {
  state_->wait();
}

ReadWatch::~ReadWatch() {
  state_->closed = true;
  boost::system::error_code ignored;
  state_->descriptor.close(ignored);
}

int ReadWatch::descriptor() const {
  return state_->descriptor.native_handle();
}

struct Stream::State : std::enable_shared_from_this<Stream::State> {
  State(EventLoop& where, int fd, OnData data, OnClosed gone, std::size_t unsent)
      : loop(where),
        descriptor(where.reactor().context, fd),
        on_data(std::move(data)),
        on_closed(std::move(gone)),
        most_unsent(unsent) {}
  EventLoop& loop;
  Descriptor descriptor;
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
    boost::system::error_code ignored;
    descriptor.close(ignored);
    if (tell) on_closed();
  }

  void wait_to_read() {
    descriptor.async_wait(Descriptor::wait_read, [self = shared_from_this()](const boost::system::error_code& error) {
      if (self->closed) return;
      if (error) return self->close(true);
      self->read();
      if (!self->closed) self->wait_to_read();
    });
  }

  void read() {
    char* buffer = loop.reactor().read_buffer.get();
    const ssize_t got = ::recv(descriptor.native_handle(), buffer, kReadSize, MSG_DONTWAIT);
    if (got > 0) return on_data(std::string_view(buffer, static_cast<std::size_t>(got)));
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    close(true);
  }

  void flush() {
    flush_queued = false;
    if (closed || waiting_to_write || outgoing.empty()) return;
    const ssize_t sent =
        ::send(descriptor.native_handle(), outgoing.data(), outgoing.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return close(true);
    if (sent > 0) outgoing.erase(0, static_cast<std::size_t>(sent));
    if (outgoing.empty()) return;
    if (outgoing.size() > most_unsent) return close(true);
    waiting_to_write = true;
    descriptor.async_wait(Descriptor::wait_write, [self = shared_from_this()](const boost::system::error_code& error) {
      self->waiting_to_write = false;
      if (self->closed) return;
      if (error) return self->close(true);
      self->flush();
    });
  }
};

Stream::Stream(EventLoop& loop, int descriptor, OnData on_data, OnClosed on_closed, std::size_t most_unsent)
    : state_(std::make_shared<State>(loop, descriptor, std::move(on_data), std::move(on_closed), most_unsent)) {
  state_->wait_to_read();
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
