// The gate on a Unix socket: routes, limits, metrics (docs/gate-service.md). One thread answers; workers evaluate.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "command/decision/gate_answers.h"
#include "command/serving/worker_pool.h"
#include "common/digest.h"
#include "signer/transport/event_loop.h"
#include "signer/transport/http_server.h"
#include "signer/transport/rate_limiter.h"

namespace countersign::command {

// Who may ask on a port, where the kernel knows nobody: whoever sends the token.
struct GatePort {
  std::string authority;  // where it listens, as "127.0.0.1:8787": what Host must be
  Digest token;           // SHA-256 of the bearer token
};

struct GateHttpOptions {
  std::set<std::uint32_t> peers;  // uids that may ask
  std::optional<GatePort> port;
  double requests_per_second = 200;
  double burst = 400;
  int in_flight = 64;
  std::size_t workers = 4;
  std::size_t waiting = 256;
  std::size_t batch_items = 64;
  std::size_t connections = 2048;
  std::chrono::seconds answer_within{10};  // the signer's answer too
  // As gait's `mcp serve --http-verdict-status strict`: 403 for block, 409 where something else stands between the call
  // and its execution; otherwise every verdict is a 200.
  bool status_by_verdict = false;
  std::size_t request_bytes = std::size_t{1} << 20;
  bool event_routes = false;  // /v1/evaluate/sse and /v1/evaluate/stream too
};

class GateHttp {
 public:
  GateHttp(transport::EventLoop& loop, GateAnswers& answers, GateHttpOptions options, const std::string& signer);

  Status serve(transport::Listener listener);
  // No new connections; true once nothing is left to answer.
  void stop_accepting() { server_.stop_accepting(); }
  bool idle() const { return server_.idle(); }
  void sweep() { limiter_.sweep(std::chrono::steady_clock::now()); }
  // Reads the policies again and counts it.
  Status reload();

  struct Exchange;
  struct Route;

 private:
  using Shared = std::shared_ptr<Exchange>;
  friend struct Route;

  void handle(const transport::HttpRequest& request, transport::Responder responder);
  // Why the peer may not ask anything; nothing where it may.
  std::optional<transport::HttpResponse> refusal_of(const transport::HttpRequest& request) const;
  void evaluate(const transport::HttpRequest& request, const Shared& exchange);
  void evaluate_batch(const transport::HttpRequest& request, const Shared& exchange);
  void policies(const transport::HttpRequest& request, const Shared& exchange);
  void reload_policies(const transport::HttpRequest& request, const Shared& exchange);
  void healthz(const transport::HttpRequest& request, const Shared& exchange);
  void readyz(const transport::HttpRequest& request, const Shared& exchange);
  void metrics(const transport::HttpRequest& request, const Shared& exchange);

  // Runs `job` on a worker and answers with what it gives; with 503 what waited too long for one.
  void on_worker(const Shared& exchange, std::function<transport::HttpResponse(client::SignerClient&)> job);
  void answer(const Shared& exchange, transport::HttpResponse response);

  transport::EventLoop& loop_;
  GateAnswers& judge_;
  GateHttpOptions options_;
  transport::RateLimiter limiter_;
  transport::HttpServer server_;
  std::map<std::pair<std::string, int>, std::uint64_t> answers_;  // by route and status
  std::map<std::string, std::uint64_t> verdicts_;
  // Seconds from the request to its answer, by the bounds of kSeconds; the last one counts the slower ones.
  std::vector<std::uint64_t> durations_;
  double seconds_ = 0;
  std::uint64_t expired_ = 0;  // waited too long for a worker
  std::uint64_t reloads_ = 0;
  std::uint64_t failed_reloads_ = 0;
  WorkerPool workers_;  // last: its jobs post to what stands above
};

}  // namespace countersign::command
