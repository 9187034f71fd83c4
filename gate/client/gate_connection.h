// A gate on its socket (docs/gate-service.md), as the command and the client library ask it.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "common/json.h"
#include "common/result.h"

namespace countersign::gate::client {

class GateConnection {
 public:
  // Connects at the first call; one connection, kept alive. `timeout` is of one whole exchange.
  GateConnection(std::string socket_path, std::chrono::nanoseconds timeout);
  GateConnection(GateConnection&&) noexcept;
  GateConnection& operator=(GateConnection&&) noexcept;
  ~GateConnection();

  // POST /v1/evaluate. The answer's members; its verdict may be any. A request is sent again on a fresh connection
  // only where it carries an idempotency key.
  // Fails with Unavailable where nobody listens, no whole answer comes in time, or the answer contradicts itself: its
  // verdict is none, or the trace it carries says something else. Otherwise as the gate refuses.
  Result<Json> evaluate(const Json& request);

 private:
  struct Connection;
  std::unique_ptr<Connection> connection_;
};

}  // namespace countersign::gate::client
