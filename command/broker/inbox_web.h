// The broker's queue as a page on this machine, for the person who runs it and nobody else: it acts with their user and
// their key. A browser is let in once, by a link of random bits, and is known by a cookie from then on; what changes
// something also carries a token that only the page can read (no form of another site can send it).
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "command/broker/broker_desk.h"
#include "command/serving/worker_pool.h"
#include "signer/transport/event_loop.h"
#include "signer/transport/http_server.h"

namespace countersign::command {

class InboxWeb {
 public:
  // `arguments` as BrokerDesk takes them. `loop` outlives this.
  InboxWeb(transport::EventLoop& loop, const Arguments& arguments);

  // Serves on `listener`, which is a loopback one.
  Status serve(transport::Listener listener);
  // The address that lets one browser in, once.
  std::string link() const;
  void stop_accepting() { server_.stop_accepting(); }
  bool idle() const { return server_.idle() && under_way_ == 0; }
  // Since anybody who was let in asked for something.
  std::chrono::steady_clock::duration unused_for() const;

 private:
  struct Route;
  void handle(const transport::HttpRequest& request, transport::Responder responder);
  // Null where the request may go on: Host, Origin, Sec-Fetch-Site.
  std::optional<Error> misplaced(const transport::HttpRequest& request) const;
  bool is_let_in(const transport::HttpRequest& request) const;
  void open(const transport::HttpRequest& request, transport::Responder responder);
  void ask(const transport::HttpRequest& request, transport::Responder responder, const Route& route, std::string id);

  transport::EventLoop& loop_;
  std::string authority_;  // "127.0.0.1:PORT"
  std::string key_;        // of the link; empty once it was used
  std::string session_;    // what the cookie must hold; empty before anybody was let in
  std::string token_;      // what a POST must carry
  std::chrono::steady_clock::time_point used_;
  int under_way_ = 0;
  transport::HttpServer server_;
  WorkerPoolOf<BrokerDesk> worker_;  // one: a key may ask for a passphrase or a touch. Last: it posts to what is above
};

}  // namespace countersign::command
