#include "signer/transport/http_connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <cerrno>

#include "signer/transport/http_response_text.h"
#include "signer/transport/http_server_state.h"
#include "signer/transport/reactor.h"

namespace countersign::transport {
namespace {

namespace http = boost::beast::http;

// After a refusal the rest of what the client is sending is read and dropped for a moment: closing at once would reset
// the connection before it reads why.
constexpr std::size_t kMostDrained = std::size_t{8} << 20;
constexpr std::chrono::seconds kDrainTime{2};
constexpr std::size_t kMostUnsent = std::size_t{4} << 20;
constexpr std::size_t kKeptCapacity = std::size_t{16} << 10;

}  // namespace

HttpConnection::HttpConnection(HttpServer::State& server, int descriptor, Peer peer, const HttpServer::Handler& handler)
    : server_(&server), descriptor_(descriptor), peer_(std::move(peer)), handler_(handler) {
  phase_since_ = server.now;
}

HttpConnection::~HttpConnection() {
  if (!closed_) ::close(descriptor_);
}

void HttpConnection::became_ready(const Readiness::Event& event) {
  if (closed_) return;
  if (event.writable && waiting_to_write_) {
    waiting_to_write_ = false;
    server_->readiness.want_writable(descriptor_, false);
    flush();
    if (closed_) return;
  }
  if (!event.readable) return;
  readable_ = true;
  ended_ = ended_ || event.ended;
  read_on();
}

void HttpConnection::enter(Phase phase) {
  phase_ = phase;
  phase_since_ = server_->now;
}

bool HttpConnection::may_read() const {
  if (closed_) return false;
  if (phase_ == Phase::Draining) return true;
  return !last_request_seen_ && unanswered() < server_->limits.pipelined && outgoing_.size() < kMostUnsent;
}

void HttpConnection::read_on() {
  if (read_queued_ || !readable_ || !may_read()) return;
  read();
  read_later();
}

void HttpConnection::read_later() {
  if (read_queued_ || !readable_ || !may_read()) return;
  read_queued_ = true;
  server_->loop.post([self = shared_from_this()] {
    self->read_queued_ = false;
    self->read_on();
  });
}

void HttpConnection::read() {
  char* buffer = server_->loop.reactor().read_buffer();
  const ssize_t got = ::recv(descriptor_, buffer, kReadSize, MSG_DONTWAIT);
  if (got < 0 && errno == EINTR) return;
  // A read that is not filled took all there was, and the kernel tells of what comes later; an end stays there.
  readable_ = got == 0 || (got > 0 && (ended_ || static_cast<std::size_t>(got) == kReadSize));
  if (got < 0 && errno == EAGAIN) return;
  if (got < 0) return close();
  if (phase_ == Phase::Draining) {
    drained_ += static_cast<std::size_t>(got);
    if (got == 0 || drained_ > kMostDrained) close();
    return;
  }
  if (got == 0) {
    ended_ = true;
    // A client may shut down its sending side and wait for what it asked; half a request is nothing.
    last_request_seen_ = true;
    incoming_.clear();
    if (!busy()) close();
    return;
  }
  take({buffer, static_cast<std::size_t>(got)});
}

void HttpConnection::take(std::string_view bytes) {
  if (incoming_.empty()) {
    const std::size_t used = consume(bytes);
    if (!closed_ && used < bytes.size()) incoming_.assign(bytes.substr(used));
    return;
  }
  incoming_.append(bytes);
  const std::size_t used = consume(incoming_);
  incoming_.erase(0, used);
  if (incoming_.empty() && incoming_.capacity() > kKeptCapacity) std::string().swap(incoming_);
}

std::size_t HttpConnection::consume(std::string_view bytes) {
  std::size_t used = 0;
  while (!closed_ && !last_request_seen_ && unanswered() < server_->limits.pipelined) {
    const std::string_view rest = bytes.substr(used);
    if (phase_ != Phase::Body) {
      if (rest.empty()) return used;
      if (!head_) {
        enter(Phase::Header);
        head_.emplace(server_->limits.keep_headers);
        head_->header_limit(static_cast<std::uint32_t>(server_->limits.header));
        head_->body_limit(server_->limits.body);
      }
      boost::beast::error_code code;
      used += head_->put(boost::asio::const_buffer(rest.data(), rest.size()), code);
      if (code == http::error::need_more) return used;
      if (code) {
        refuse_parse(code);
        return bytes.size();
      }
      if (!head_->is_header_done()) return used;
      if (const std::optional<Error> error = objection()) {
        refuse(*error, error->reason == "unsupported_media_type" ? 415
                       : error->reason == "expectation_failed"   ? 417
                                                                 : row_of(error->code).http_status);
        return bytes.size();
      }
      body_length_ = static_cast<std::size_t>(head_->content_length().value_or(0));
      enter(Phase::Body);
      continue;
    }
    if (rest.size() < body_length_) return used;
    used += body_length_;
    dispatch(rest.substr(0, body_length_));
  }
  return last_request_seen_ ? bytes.size() : used;
}

std::optional<Error> HttpConnection::objection() const {
  if (head_->chunked()) {
    return Error{ErrorCode::Invalid, "chunked bodies are not taken", "chunked_body", "Send a Content-Length."};
  }
  if (head_->upgrade()) return Error{ErrorCode::Invalid, "upgrades are not offered", "upgrade_refused"};
  if (head_->expects) return Error{ErrorCode::Invalid, "the Expect header is not taken", "expectation_failed"};
  if (head_->method == Method::Post && !head_->json) {
    return Error{ErrorCode::Invalid, "a POST needs Content-Type: application/json", "unsupported_media_type"};
  }
  return std::nullopt;
}

void HttpConnection::dispatch(std::string_view body) {
  Slot slot;
  slot.last = !head_->keep_alive();
  slot.http_1_1 = head_->http_1_1;
  if (is_request_id(head_->request_id)) {
    slot.request_id = std::move(head_->request_id);
  } else {
    slot.request_id = server_->request_id_prefix + std::to_string(++server_->made_ids);
  }
  const std::uint64_t ticket = first_ticket_ + slots_.size();
  const std::string_view target = head_->target;
  const std::size_t question = target.find('?');
  const std::string request_id = slot.request_id;
  if (slot.last) last_request_seen_ = true;
  slots_.push_back(std::move(slot));
  const HttpRequest request{head_->method,
                            target.substr(0, question),
                            question == std::string_view::npos ? std::string_view() : target.substr(question + 1),
                            body,
                            request_id,
                            head_->if_none_match,
                            peer_,
                            head_->headers};
  enter(Phase::Idle);
  handler_(request, Responder(shared_from_this(), ticket));
  head_.reset();
}

HttpConnection::Slot* HttpConnection::slot_of(std::uint64_t ticket) {
  if (closed_ || ticket < first_ticket_ || ticket - first_ticket_ >= slots_.size()) return nullptr;
  Slot& slot = slots_[ticket - first_ticket_];
  return slot.ready ? nullptr : &slot;
}

void HttpConnection::added_to(std::uint64_t ticket) {
  if (ticket != first_ticket_) return;
  release_answered();
  flush_soon();
}

void HttpConnection::answer(std::uint64_t ticket, HttpResponse response) {
  Slot* slot = slot_of(ticket);
  if (slot == nullptr || slot->begun) return;
  slot->ready = true;
  append_response(bytes_of(ticket, *slot), response, slot->request_id, slot->last);
  added_to(ticket);
}

void HttpConnection::begin(std::uint64_t ticket, const HttpResponse& head) {
  Slot* slot = slot_of(ticket);
  if (slot == nullptr || slot->begun) return;
  slot->begun = true;
  if (!slot->http_1_1) {
    slot->last = true;
    last_request_seen_ = true;
  }
  append_head(bytes_of(ticket, *slot), head, slot->request_id, slot->last,
              slot->http_1_1 ? Length::Chunked : Length::UntilClosed);
  part(ticket, head.body);
  added_to(ticket);
}

void HttpConnection::part(std::uint64_t ticket, std::string_view bytes) {
  Slot* slot = slot_of(ticket);
  if (slot == nullptr || !slot->begun || bytes.empty()) return;  // an empty chunk would be the end
  std::string& out = bytes_of(ticket, *slot);
  slot->http_1_1 ? append_chunk(out, bytes) : static_cast<void>(out += bytes);
  added_to(ticket);
}

void HttpConnection::end(std::uint64_t ticket) {
  Slot* slot = slot_of(ticket);
  if (slot == nullptr || !slot->begun) return;
  if (slot->http_1_1) bytes_of(ticket, *slot) += "0\r\n\r\n";
  slot->ready = true;
  added_to(ticket);
}

// What waited for the answers before it.
void HttpConnection::release_answered() {
  while (!slots_.empty()) {
    Slot& first = slots_.front();
    outgoing_ += first.bytes;
    first.bytes.clear();
    if (!first.ready) return;
    slots_.pop_front();
    ++first_ticket_;
  }
}

void HttpConnection::refuse(const Error& error, int status) {
  ++server_->counts.malformed;
  Slot slot;
  slot.last = true;
  if (head_ && is_request_id(head_->request_id)) slot.request_id = head_->request_id;
  slots_.push_back(std::move(slot));
  last_request_seen_ = true;
  head_.reset();
  HttpResponse response = HttpResponse::error(error);
  response.status = status;
  answer(first_ticket_ + slots_.size() - 1, std::move(response));
}

void HttpConnection::refuse_parse(const boost::beast::error_code& code) {
  if (code == http::error::body_limit) {
    return refuse(
        Error{ErrorCode::TooLarge, "a body may have " + std::to_string(server_->limits.body) + " bytes at most"}, 413);
  }
  if (code == http::error::header_limit) {
    return refuse(
        Error{ErrorCode::TooLarge, "a head may have " + std::to_string(server_->limits.header) + " bytes at most"},
        413);
  }
  refuse(Error{ErrorCode::Invalid, "this is no HTTP/1.1 request: " + code.message(), "bad_request"}, 400);
}

void HttpConnection::turn_away(const Error& error) {
  phase_ = Phase::Header;
  Slot slot;
  slot.last = true;
  slots_.push_back(std::move(slot));
  last_request_seen_ = true;
  answer(first_ticket_, HttpResponse::error(error));
}

void HttpConnection::flush_soon() {
  if (flush_queued_) return;
  flush_queued_ = true;
  server_->flush_soon(shared_from_this());
}

void HttpConnection::flush() {
  flush_queued_ = false;
  if (closed_ || waiting_to_write_) return;
  if (!outgoing_.empty()) {
    const ssize_t sent = ::send(descriptor_, outgoing_.data(), outgoing_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return close();
    if (sent > 0) outgoing_.erase(0, static_cast<std::size_t>(sent));
  }
  if (outgoing_.empty()) return after_flush();
  if (writing_since_ == 0) writing_since_ = server_->now;
  waiting_to_write_ = true;
  server_->readiness.want_writable(descriptor_, true);
}

void HttpConnection::after_flush() {
  writing_since_ = 0;
  if (outgoing_.capacity() > kKeptCapacity) std::string().swap(outgoing_);
  if (last_request_seen_ && unanswered() == 0) {
    if (phase_ == Phase::Draining) return;
    enter(Phase::Draining);
    ::shutdown(descriptor_, SHUT_WR);
    read_later();
    return;
  }
  // Reading may have stopped because too much was unanswered: what is buffered goes first.
  if (!incoming_.empty()) {
    const std::size_t used = consume(incoming_);
    incoming_.erase(0, used);
  }
  read_later();
}

void HttpConnection::tick(std::uint64_t now) {
  const HttpLimits& limits = server_->limits;
  const auto past = [&](std::uint64_t since, std::chrono::nanoseconds span) {
    return now - since > server_->ticks_of(span);
  };
  if (writing_since_ != 0 && past(writing_since_, limits.write_timeout)) {
    ++server_->counts.timeouts;
    return close();
  }
  switch (phase_) {
    case Phase::Idle:
      if (!busy() && past(phase_since_, limits.idle_timeout)) close();
      return;
    case Phase::Header:
    case Phase::Body:
      // A client that waits for room among its own unanswered requests is not slow.
      if (last_request_seen_ || unanswered() >= limits.pipelined) {
        phase_since_ = now;
        return;
      }
      if (!past(phase_since_, phase_ == Phase::Header ? limits.header_timeout : limits.body_timeout)) return;
      ++server_->counts.timeouts;
      return refuse(Error{ErrorCode::Invalid, "the request did not come whole in time", "request_timeout"}, 408);
    case Phase::Draining:
      if (past(phase_since_, kDrainTime)) close();
      return;
  }
}

void HttpConnection::close_when_idle() {
  if (!busy()) return close();
  last_request_seen_ = true;
}

void HttpConnection::close() {
  if (closed_) return;
  closed_ = true;
  const int descriptor = descriptor_;
  // May end this connection. The number must not be given to another one before it is forgotten.
  if (server_ != nullptr) server_->forget(*this);
  ::close(descriptor);
}

}  // namespace countersign::transport
