// The other end: one kept-alive connection, one request at a time, synchronous.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/result.h"
#include "signer/transport/http_message.h"

namespace countersign::transport {

struct HttpAnswer {
  int status = 0;
  std::string body;
  std::string request_id;
  std::string etag;
  std::string retry_after;
};

// The error in an answer that is not 200, of the class that its code or else its status names; `who` answered.
Error error_of(const HttpAnswer& answer, std::string_view who);

class HttpClient {
 public:
  struct Timeouts {
    std::chrono::nanoseconds connect = std::chrono::seconds(5);
    std::chrono::nanoseconds answer = std::chrono::seconds(30);  // of one whole exchange
  };
  // What may be sent a second time when a kept-alive connection turns out to be dead.
  enum class Repeat { Safe, Unsafe };

  HttpClient(std::string socket_path, const Timeouts& timeouts);
  explicit HttpClient(std::string socket_path) : HttpClient(std::move(socket_path), Timeouts()) {}
  HttpClient(HttpClient&&) noexcept;
  HttpClient& operator=(HttpClient&&) noexcept;
  ~HttpClient();

  // Fails with Unavailable when nobody listens, no whole answer comes in time, or the connection breaks; the reason is
  // then "no_connection" (nothing was sent) or "no_answer" (the request may have been carried out).
  Result<HttpAnswer> get(std::string_view target);
  // `meanwhile` is called once, when the request has left and before its answer is awaited.
  Result<HttpAnswer> post(std::string_view target, std::string_view json, Repeat repeat,
                          const std::function<void()>& meanwhile = {});

 private:
  struct Connection;
  Result<HttpAnswer> exchange(const std::string& request, Repeat repeat, std::function<void()> meanwhile = {});
  std::string path_;
  Timeouts timeouts_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace countersign::transport
