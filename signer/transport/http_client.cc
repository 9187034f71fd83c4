#include "signer/transport/http_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cerrno>
#include <utility>

namespace countersign::transport {
namespace {

namespace http = boost::beast::http;
using Moment = std::chrono::steady_clock::time_point;

constexpr std::uint64_t kLongestAnswer = std::uint64_t{64} << 20;
constexpr std::size_t kReadAtOnce = std::size_t{64} << 10;

Error broken(std::string what) {
  return Error{ErrorCode::Unavailable, std::move(what), "no_answer"};
}

// False once `deadline` has passed.
bool wait_for(int descriptor, short events, Moment deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd waited{descriptor, events, 0};
    const int ready = ::poll(&waited, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

std::string text_of_field(const http::response_parser<http::string_body>& parser, std::string_view name) {
  const auto found = parser.get().find(boost::beast::string_view(name.data(), name.size()));
  if (found == parser.get().end()) return {};
  return std::string(found->value().data(), found->value().size());
}

}  // namespace

struct HttpClient::Connection {
  explicit Connection(int fd) : descriptor(fd) {}
  ~Connection() { ::close(descriptor); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int descriptor;
  bool used = false;

  // Whether the server has closed it while it was idle.
  bool stale() const {
    char byte = 0;
    const ssize_t got = ::recv(descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got >= 0 || (errno != EAGAIN && errno != EINTR);
  }

  // False where the connection broke; the server may have answered already (a refusal of a body it does not want).
  Result<bool> send(std::string_view bytes, Moment deadline) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(descriptor, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent >= 0) {
        bytes.remove_prefix(static_cast<std::size_t>(sent));
      } else if (errno == EPIPE || errno == ECONNRESET) {
        return false;
      } else if (errno != EAGAIN && errno != EINTR) {
        return broken("the signer's connection fails");
      } else if (!wait_for(descriptor, POLLOUT, deadline)) {
        return broken("the signer does not take the request in time");
      }
    }
    return true;
  }

  // `any` becomes true with the first byte of an answer.
  Result<HttpAnswer> receive(Moment deadline, bool& any, bool& keep) {
    http::response_parser<http::string_body> parser;
    parser.eager(true);
    parser.body_limit(kLongestAnswer);
    std::string buffer;
    std::string chunk(kReadAtOnce, '\0');
    while (!parser.is_done()) {
      if (!wait_for(descriptor, POLLIN, deadline)) return broken("the signer does not answer in time");
      const ssize_t got = ::recv(descriptor, chunk.data(), chunk.size(), MSG_DONTWAIT);
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (got <= 0) return broken("the signer closed the connection without an answer");
      any = true;
      buffer.append(chunk, 0, static_cast<std::size_t>(got));
      boost::beast::error_code code;
      const std::size_t taken = parser.put(boost::asio::const_buffer(buffer.data(), buffer.size()), code);
      buffer.erase(0, taken);
      if (code && code != http::error::need_more) return broken("the answer is no HTTP/1.1: " + code.message());
    }
    HttpAnswer answer;
    answer.status = parser.get().result_int();
    answer.request_id = text_of_field(parser, "X-Request-Id");
    answer.etag = text_of_field(parser, "ETag");
    answer.retry_after = text_of_field(parser, "Retry-After");
    keep = parser.keep_alive() && buffer.empty();
    answer.body = std::move(parser.get().body());
    return answer;
  }
};

HttpClient::HttpClient(std::string socket_path, const Timeouts& timeouts)
    : path_(std::move(socket_path)), timeouts_(timeouts) {}
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient& HttpClient::operator=(HttpClient&&) noexcept = default;
HttpClient::~HttpClient() = default;

Result<HttpAnswer> HttpClient::get(std::string_view target) {
  std::string request = "GET ";
  request += target;
  request += " HTTP/1.1\r\nHost: countersign\r\n\r\n";
  return exchange(request, Repeat::Safe);
}

Result<HttpAnswer> HttpClient::post(std::string_view target, std::string_view json, Repeat repeat,
                                    const std::function<void()>& meanwhile) {
  std::string request = "POST ";
  request += target;
  request += " HTTP/1.1\r\nHost: countersign\r\nContent-Type: application/json\r\nContent-Length: ";
  request += std::to_string(json.size());
  request += "\r\n\r\n";
  request += json;
  return exchange(request, repeat, meanwhile);
}

Result<HttpAnswer> HttpClient::exchange(const std::string& request, Repeat repeat, std::function<void()> meanwhile) {
  const Moment deadline = std::chrono::steady_clock::now() + timeouts_.answer;
  if (connection_ && connection_->stale()) connection_.reset();
  for (;;) {
    if (!connection_) {
      Result<int> descriptor = connect_to(path_, timeouts_.connect);
      if (!descriptor) {
        return Error{ErrorCode::Unavailable, descriptor.error().detail, "no_connection",
                     "Is countersignd running? See `systemctl status countersignd` or `countersign status`."};
      }
      connection_ = std::make_unique<Connection>(*descriptor);
    }
    const bool reused = connection_->used;
    connection_->used = true;
    bool any = false;
    bool keep = false;
    const Result<bool> sent = connection_->send(request, deadline);
    if (const auto act = sent && *sent ? std::exchange(meanwhile, nullptr) : nullptr) act();
    Result<HttpAnswer> answer = sent ? connection_->receive(deadline, any, keep) : Result<HttpAnswer>(sent.error());
    if (answer) {
      if (!keep || !*sent) connection_.reset();
      return answer;
    }
    connection_.reset();
    const bool time_left = std::chrono::steady_clock::now() < deadline;
    if (!reused || any || repeat == Repeat::Unsafe || !time_left) return answer;
  }
}

namespace {

// The class of an answer whose `code` is a precise reason, by its status (common/result.cc has the table).
ErrorCode code_for(int status) {
  switch (status) {
    case 403:
      return ErrorCode::Refused;
    case 404:
      return ErrorCode::NotFound;
    case 409:
      return ErrorCode::Conflict;
    case 413:
      return ErrorCode::TooLarge;
    case 429:
      return ErrorCode::OverLimit;
    case 503:
      return ErrorCode::Unavailable;
    default:
      return status >= 500 ? ErrorCode::Internal : ErrorCode::Invalid;
  }
}

}  // namespace

Error error_of(const HttpAnswer& answer, std::string_view who) {
  const Result<Json> body = Json::parse(answer.body);
  const Json* object = body ? body->find("error") : nullptr;
  if (object == nullptr) {
    return Error{code_for(answer.status), std::string(who) + " answered with status " + std::to_string(answer.status)};
  }
  const std::string code(object->text("code"));
  const std::optional<ErrorCode> named = error_code_named(code);
  return Error{named.value_or(code_for(answer.status)), std::string(object->text("message")),
               named ? std::string() : code, std::string(object->text("hint"))}
      .at(std::string(object->text("field")));
}

}  // namespace countersign::transport
