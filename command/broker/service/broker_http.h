// The broker on its Unix socket: routes and who the peer is (docs/broker.md). One thread answers; workers do what may
// take time.
#pragma once

#include <memory>
#include <string>

#include "command/broker/service/broker_service.h"
#include "command/serving/worker_pool.h"
#include "signer/transport/event_loop.h"
#include "signer/transport/http_server.h"
#include "signer/transport/rate_limiter.h"

namespace countersign::command {

class BrokerHttp {
 public:
  // All outlive it.
  BrokerHttp(transport::EventLoop& loop, BrokerService& service, const std::string& signer);

  Status serve(transport::Listener listener);
  void stop_accepting() { server_.stop_accepting(); }
  bool idle() const { return server_.idle(); }
  void sweep();

 private:
  struct Exchange;
  void handle(const transport::HttpRequest& request, transport::Responder responder);
  void answer(const std::shared_ptr<Exchange>& exchange, transport::HttpResponse response);

  transport::EventLoop& loop_;
  BrokerService& service_;
  transport::RateLimiter limiter_;
  transport::HttpServer server_;
  // Last: their jobs post to what stands above. What may wait for tools and vetting has workers of its own, so that
  // people are served while all of those wait.
  WorkerPool patient_;
  WorkerPool workers_;
};

}  // namespace countersign::command
