// What the connections of one server share; for this folder alone.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "signer/transport/http_connection.h"
#include "signer/transport/http_server.h"

namespace countersign::transport {

inline constexpr std::chrono::milliseconds kTick{100};

struct HttpServer::State : std::enable_shared_from_this<HttpServer::State> {
  struct Door {
    Listener listener;
    Handler handler;
    bool paused = false;
  };

  State(EventLoop& where, const HttpLimits& bounds);
  ~State();

  void open(Listener listener, Handler handler);
  void accept_some(Door& door);
  void admit(Door& door, int descriptor);
  // Closes the longest idle connection of the uid that holds most; false if all are busy.
  bool make_room();
  // Without a descriptor left: gives up the reserve for a moment, so that a waiting client is turned away, not left.
  void survive_exhaustion(Door& door);
  void tick();
  void forget(HttpConnection& connection);
  void became_ready(const Readiness::Event& event);
  void flush_soon(std::shared_ptr<HttpConnection> connection);

  std::uint64_t ticks_of(std::chrono::nanoseconds span) const {
    return static_cast<std::uint64_t>((span + kTick - std::chrono::nanoseconds(1)) / kTick) + 1;
  }

  EventLoop& loop;
  HttpLimits limits;
  HttpCounts counts;
  std::uint64_t now = 1;  // ticks
  std::vector<std::unique_ptr<Door>> doors;
  Readiness readiness;
  std::vector<std::shared_ptr<HttpConnection>> connections;
  std::vector<HttpConnection*> of_descriptor;  // null where a descriptor is no connection's
  std::vector<std::shared_ptr<HttpConnection>> unflushed;
  std::vector<std::shared_ptr<HttpConnection>> flushing;
  std::string request_id_prefix;  // of the request ids made here
  std::uint64_t made_ids = 0;
  int reserve = -1;
  bool stopping = false;
};

}  // namespace countersign::transport
