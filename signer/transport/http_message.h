// One HTTP request as a handler sees it, and its answer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/json.h"
#include "common/result.h"
#include "signer/transport/unix_socket.h"

namespace countersign::transport {

enum class Method { Get, Post, Delete, Other };

// The fields of a request's head, names in lower case, in their order.
using HttpHeaders = std::vector<std::pair<std::string, std::string>>;
// The value of the field. Fails with NotFound where there is none; with Invalid, reason "repeated_header", where it
// stands more than once: two readers could choose different ones.
Result<std::string> header_value(const HttpHeaders& headers, std::string_view name);

// All views are valid only during the handler's call: what outlives it is copied.
struct HttpRequest {
  Method method = Method::Other;
  std::string_view path;   // as sent, without the query
  std::string_view query;  // as sent, without '?'
  std::string_view body;   // at most HttpLimits::body bytes; JSON by its Content-Type where there is one
  std::string_view request_id;
  std::string_view if_none_match;
  const Peer& peer;
  const HttpHeaders& headers;  // empty unless HttpLimits::keep_headers
};

// The decoded value of `name` in a query ("a=1&b=%20"). Fails with Invalid on bad percent-encoding and on a repeated
// name; NotFound where absent.
Result<std::string> query_value(std::string_view query, std::string_view name);
// Percent-decoding; fails with Invalid on a bad escape or a NUL.
Result<std::string> percent_decoded(std::string_view text);

struct HttpResponse {
  int status = 200;
  std::string body;
  std::string_view content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;  // Content-Length and X-Request-Id are added

  static HttpResponse json(const Json& value, int status = 200);
  // `{"error":{"code","message","hint","field"?}}` and the status of the error's code; 429 and 503 carry Retry-After:
  // 1, and `members`, where not null, are added to the error's object.
  static HttpResponse error(const Error& error, const Json* members = nullptr);
};

// The error's object as every answer carries it.
Json error_json(const Error& error);

// The duty to answer one request, on the loop's thread. Dropping it unanswered answers 500: no request is met with
// silence.
class Responder {
 public:
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void answer(std::uint64_t ticket, HttpResponse response) = 0;
    virtual void begin(std::uint64_t ticket, const HttpResponse& head) = 0;
    virtual void part(std::uint64_t ticket, std::string_view bytes) = 0;
    virtual void end(std::uint64_t ticket) = 0;
    virtual bool listens() const = 0;
  };

  Responder(std::shared_ptr<Sink> sink, std::uint64_t ticket) : sink_(std::move(sink)), ticket_(ticket) {}
  Responder(Responder&&) noexcept = default;
  Responder& operator=(Responder&& other) noexcept;
  ~Responder();

  void send(HttpResponse response);

  // An answer of unknown length instead: its head, whose body is the first part, then parts as they come. end(), or
  // dropping this, ends it.
  void begin(const HttpResponse& head);
  void part(std::string_view bytes);
  void end();
  // False once the peer is known to be gone, or to send nothing more.
  bool listens() const { return sink_ && sink_->listens(); }

 private:
  std::shared_ptr<Sink> sink_;
  std::uint64_t ticket_;
  bool begun_ = false;
};

}  // namespace countersign::transport
