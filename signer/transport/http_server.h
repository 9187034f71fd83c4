// HTTP/1.1 over Unix sockets and loopback: one thread, bounded in every direction, so that slow, huge, malformed and
// silent clients cost a descriptor each and nobody else's time.
//   Refused before any handler: chunked bodies, upgrades, Expect, a POST without `Content-Type: application/json`,
//   headers and bodies beyond the limits. Requests may be pipelined; answers keep their order on a connection, whatever
//   order handlers give them in.
//   At the cap of connections, or without descriptors, the longest idle connection of the uid that holds most makes
//   room; where all are busy the newcomer gets 503.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "signer/transport/event_loop.h"
#include "signer/transport/http_message.h"
#include "signer/transport/unix_socket.h"

namespace countersign::transport {

struct HttpLimits {
  std::size_t header = std::size_t{8} << 10;
  std::size_t body = std::size_t{1} << 20;
  std::size_t connections = 2048;
  bool keep_headers = false;   // HttpRequest::headers is filled
  std::size_t pipelined = 64;  // unanswered requests of one connection; beyond it nothing more is read
  // Measured in ticks of 100 ms: a phase ends at most one tick late.
  std::chrono::nanoseconds header_timeout = std::chrono::seconds(5);
  std::chrono::nanoseconds body_timeout = std::chrono::seconds(10);
  std::chrono::nanoseconds idle_timeout = std::chrono::seconds(60);
  std::chrono::nanoseconds write_timeout = std::chrono::seconds(10);
};

struct HttpCounts {
  std::uint64_t connections = 0;  // open now
  std::uint64_t accepted = 0;
  std::uint64_t evicted = 0;    // idle ones that made room
  std::uint64_t refused = 0;    // newcomers without room
  std::uint64_t malformed = 0;  // answered 4xx before a handler
  std::uint64_t timeouts = 0;
};

class HttpServer {
 public:
  // Called on the loop; must not block.
  using Handler = std::function<void(const HttpRequest&, Responder)>;

  // `loop` outlives the server and every Responder.
  HttpServer(EventLoop& loop, const HttpLimits& limits);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Listens and serves. Fails with Unavailable.
  Status serve(Listener listener, Handler handler);
  // The path of a listener that is no longer in_place(); empty where all are.
  std::string lost_socket() const;
  // No new connections; idle ones are closed, busy ones once they are answered.
  void stop_accepting();
  bool idle() const;  // nothing is waiting for an answer or on its way out
  HttpCounts counts() const;

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace countersign::transport
