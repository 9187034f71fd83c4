// Method and path → what is done: one table. Each row names its operation, which says on which sockets it is served and
// which word under `peers` permits it (signer/config/operation.h).
#pragma once

#include <memory>

#include "signer/config/operation.h"
#include "signer/daemon/services.h"
#include "signer/transport/http_server.h"

namespace countersign::daemon {

class Router {
 public:
  Router(Services& services, const transport::HttpServer& server) : services_(services), server_(server) {}

  transport::HttpServer::Handler handler(config::Socket socket);

  struct Exchange;
  struct Route;

 private:
  using Shared = std::shared_ptr<Exchange>;
  friend struct Route;

  void serve(config::Socket socket, const transport::HttpRequest& request, transport::Responder responder);

  void sign(const transport::HttpRequest& request, const Shared& exchange);
  void sign_batch(const transport::HttpRequest& request, const Shared& exchange);
  void verify(const transport::HttpRequest& request, const Shared& exchange);
  void nonce(const transport::HttpRequest& request, const Shared& exchange);
  void decisions(const transport::HttpRequest& request, const Shared& exchange);
  void requests(const transport::HttpRequest& request, const Shared& exchange);
  void request(const transport::HttpRequest& request, const Shared& exchange);
  void evidence(const transport::HttpRequest& request, const Shared& exchange);
  void executed(const transport::HttpRequest& request, const Shared& exchange);
  void revoke_approval(const transport::HttpRequest& request, const Shared& exchange);
  void keys(const transport::HttpRequest& request, const Shared& exchange);
  void key(const transport::HttpRequest& request, const Shared& exchange);
  void jwks(const transport::HttpRequest& request, const Shared& exchange);
  void checkpoint(const transport::HttpRequest& request, const Shared& exchange);
  void tile(const transport::HttpRequest& request, const Shared& exchange);
  void proof(const transport::HttpRequest& request, const Shared& exchange);
  void healthz(const transport::HttpRequest& request, const Shared& exchange);
  void readyz(const transport::HttpRequest& request, const Shared& exchange);
  void metrics(const transport::HttpRequest& request, const Shared& exchange);
  void status(const transport::HttpRequest& request, const Shared& exchange);
  using KeyChange = void (KeyCustody::*)(const Json&, const Caller&, KeyCustody::Done);
  void change_keys(const transport::HttpRequest& request, const Shared& exchange, KeyChange change);
  void halt(const transport::HttpRequest& request, const Shared& exchange);
  void publish(const transport::HttpRequest& request, const Shared& exchange);
  void acknowledge(const transport::HttpRequest& request, const Shared& exchange);
  void propose_keys(const transport::HttpRequest& request, const Shared& exchange);
  void published_file(const transport::HttpRequest& request, const Shared& exchange);
  void stage_key(const transport::HttpRequest& request, const Shared& exchange);
  void activate_key(const transport::HttpRequest& request, const Shared& exchange);
  void check_ledger(const transport::HttpRequest& request, const Shared& exchange);
  void ceremonies(const transport::HttpRequest& request, const Shared& exchange);
  void ceremony(const transport::HttpRequest& request, const Shared& exchange);
  void open_ceremony(const transport::HttpRequest& request, const Shared& exchange);
  void act_in_ceremony(const transport::HttpRequest& request, const Shared& exchange);
  void reset_time(const transport::HttpRequest& request, const Shared& exchange);

  // Parses, authorises, admits and signs one request.
  void sign_one(const JsonTree& body, std::string_view bytes, const transport::Peer& peer, std::string_view request_id,
                SignService::Done done);
  // The answer to a signature with the proof of its record, once a checkpoint covers it.
  void answer_with_proof(const Shared& exchange, const std::string& text);
  void answer(const Shared& exchange, transport::HttpResponse response);
  void answer(const Shared& exchange, const Result<Json>& result);

  Services& services_;
  const transport::HttpServer& server_;
};

}  // namespace countersign::daemon
