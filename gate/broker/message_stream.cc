#include "gate/broker/message_stream.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "gate/broker/upstream_messages.h"

namespace countersign::broker {
namespace {

using std::chrono::steady_clock;

constexpr int kMostUnasked = 1000;  // parts read between two calls
constexpr std::chrono::milliseconds kLongestPoll{1000};
constexpr std::size_t kReadSize = 65536;

int milliseconds_until(steady_clock::time_point until, std::chrono::milliseconds most) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - steady_clock::now());
  return static_cast<int>(std::clamp(left, std::chrono::milliseconds(0), most).count());
}

}  // namespace

MessageStream::~MessageStream() {
  ::close(descriptor_);
}

Status MessageStream::write(const Json& message, Deadline until) {
  const std::lock_guard whole(write_mutex_);
  const std::string line = message.compact() + "\n";
  std::size_t sent = 0;
  while (sent < line.size()) {
    const ssize_t wrote = ::send(descriptor_, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
    if (wrote > 0) {
      sent += static_cast<std::size_t>(wrote);
      continue;
    }
    if (errno == EINTR) continue;
    pollfd wanted{descriptor_, POLLOUT, 0};
    const int left = milliseconds_until(until, std::chrono::hours(1));
    if (errno == EAGAIN && left > 0 && poll(&wanted, 1, left) > 0) continue;
    const Error error{ErrorCode::Unavailable, "it does not read", sent == 0 ? "not_sent" : ""};
    const std::lock_guard lock(mutex_);
    give_up(error);  // half a message may stand there: nothing can follow it
    return error;
  }
  return ok();
}

// Under mutex_: everybody who waits learns of it.
void MessageStream::give_up(Error error) {
  if (!broken_) broken_ = std::move(error);
  news_.notify_all();
}

Status MessageStream::tell(const Json& message, Deadline until) {
  return write(message, until);
}

Result<Json> MessageStream::request(const std::string& method, Json params, Deadline until) {
  std::int64_t id = 0;
  {
    const std::lock_guard lock(mutex_);
    if (broken_) return Error{ErrorCode::Unavailable, broken_->detail, "not_sent"};
    id = next_id_++;
    waiting_.emplace(id, std::nullopt);
  }
  const Status sent =
      write(Json::object({{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", std::move(params)}}), until);
  if (sent) return wait_for(id, until);
  const std::lock_guard lock(mutex_);
  waiting_.erase(id);
  return sent.error();
}

Result<Json> MessageStream::wait_for(std::int64_t id, Deadline until) {
  Lock lock(mutex_);
  for (;;) {
    const auto mine = waiting_.find(id);
    if (mine->second) {
      const Json answer = *std::move(mine->second);
      waiting_.erase(mine);
      return result_in(answer);
    }
    const bool late = steady_clock::now() >= until;
    if (broken_ || late) {
      waiting_.erase(mine);  // an answer that comes yet is nobody's
      if (broken_) return *broken_;
      return Error{ErrorCode::Unavailable, "it was silent for too long"};
    }
    if (reading_) {
      news_.wait_until(lock, until);
    } else {
      read_some(lock, until);
    }
  }
}

void MessageStream::read_some(Lock& lock, Deadline until) {
  reading_ = true;
  lock.unlock();
  pollfd wanted{descriptor_, POLLIN, 0};
  const int ready = poll(&wanted, 1, milliseconds_until(until, kLongestPoll));
  lock.lock();
  reading_ = false;
  if (ready > 0) take_in(lock);
  news_.notify_all();  // one of those who wait goes on reading
}

// Reads once and hands out every whole line: what the kernel does not hold any more was looked at.
void MessageStream::take_in(Lock& lock) {
  if (broken_) return;
  char part[kReadSize];
  const ssize_t got = recv(descriptor_, part, sizeof part, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return give_up({ErrorCode::Unavailable, got == 0 ? "it ended" : "its stream broke"});
  buffer_.append(part, static_cast<std::size_t>(got));
  std::vector<Json> asked;
  std::size_t begin = 0;
  for (std::size_t end = 0; !broken_ && (end = buffer_.find('\n', begin)) != std::string::npos; begin = end + 1) {
    take_line(buffer_.substr(begin, end - begin), asked);
  }
  buffer_.erase(0, begin);
  if (buffer_.size() > kLongestServerMessage) give_up({ErrorCode::TooLarge, "its message has no end"});
  if (asked.empty() || broken_) return;
  lock.unlock();
  const Deadline until = steady_clock::now() + kHandshakeTime;
  for (const Json& each : asked) (void)write(answer_to_server(each), until);  // one that does not read is found out
  lock.lock();
}

void MessageStream::take_line(const std::string& line, std::vector<Json>& asked) {
  if (line.find_first_not_of(" \t\r") == std::string::npos) return;
  Result<Json> message = Json::parse(line, {.bytes = kLongestServerMessage});
  if (!message) return give_up(message.error());
  if (!message->is_object()) return give_up({ErrorCode::Invalid, "it sent something that is no message"});
  const Json* id = message->find("id");
  if (message->find("method") != nullptr) {
    id == nullptr ? on_note_(*message) : asked.push_back(*std::move(message));
    return;
  }
  const auto mine = id != nullptr && id->is_integer() ? waiting_.find(id->as_integer()) : waiting_.end();
  if (mine != waiting_.end()) mine->second = *std::move(message);  // otherwise of a call given up
}

Status MessageStream::listen() {
  Lock lock(mutex_);
  for (int heard = 0; heard < kMostUnasked; ++heard) {
    if (broken_) return *broken_;
    pollfd wanted{descriptor_, POLLIN, 0};
    if (poll(&wanted, 1, 0) <= 0) return ok();
    if (reading_) {
      news_.wait_for(lock, kLongestPoll);  // whoever reads was woken by the same bytes
    } else {
      take_in(lock);
      news_.notify_all();
    }
  }
  return Error{ErrorCode::OverLimit, "it does not stop talking"};
}

}  // namespace countersign::broker
