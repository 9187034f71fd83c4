// The broker as an MCP server over Streamable HTTP, on loopback or on a Unix socket (docs/broker.md). It knows no
// agents: it tells the broker who is there, the kernel's word on a Unix socket and the secret of `Authorization:
// Bearer`, and the broker says which agent that is. One thread answers; workers wait for the broker.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "command/broker/broker_connection.h"
#include "command/broker/mcp_sessions.h"
#include "command/serving/mcp_headers.h"
#include "command/serving/worker_pool.h"
#include "signer/transport/event_loop.h"
#include "signer/transport/http_server.h"
#include "signer/transport/rate_limiter.h"

namespace countersign::command {

struct McpHttpOptions {
  std::string broker;            // its socket
  std::string agent;             // the one of its agents that is served; empty for whichever the caller is
  std::string authority;         // "127.0.0.1:8123"; empty on a Unix socket
  std::chrono::seconds hold{0};  // how long a call is kept open while people decide
};

class McpHttp {
 public:
  // `loop` outlives it.
  McpHttp(transport::EventLoop& loop, McpHttpOptions options);

  Status serve(transport::Listener listener);
  // No new connections; calls that wait for people are answered within a second.
  void stop_accepting();
  bool idle() const { return server_.idle(); }
  void sweep();

 private:
  struct Exchange;
  struct Said;
  using Shared = std::shared_ptr<Exchange>;

  void handle(const transport::HttpRequest& request, transport::Responder responder);
  std::optional<McpRefusal> recognise(const transport::HttpRequest& request, Exchange& exchange) const;
  void post(const transport::HttpRequest& request, const Shared& exchange);
  std::optional<McpRefusal> place_in_session(const transport::HttpHeaders& headers, Exchange& exchange);
  void take_note(const Shared& exchange);
  void ask(const Shared& exchange);
  Said converse(const Exchange& exchange, BrokerConnection& broker);  // on a worker
  std::shared_ptr<broker::ToolNames> names_of(const std::string& agent);
  void finish(const Shared& exchange, Said said);
  bool may_wait(const Exchange& exchange);
  void wait(const Shared& exchange);
  void release(Exchange& exchange);
  void respond(const Shared& exchange, transport::HttpResponse response);
  void refuse(const Shared& exchange, const McpRefusal& refusal);

  transport::EventLoop& loop_;
  McpHttpOptions options_;
  transport::RateLimiter limiter_;
  McpSessions sessions_;
  std::map<std::string, std::size_t> under_way_;  // requests, by caller
  bool stopping_ = false;
  std::mutex names_mutex_;
  std::map<std::string, std::shared_ptr<broker::ToolNames>> names_;  // by agent; guarded by names_mutex_
  transport::HttpServer server_;
  WorkerPoolOf<BrokerConnection> workers_;  // last: its jobs post to what stands above
};

}  // namespace countersign::command
