// A tool server behind the broker: a child in a sandbox that speaks MCP over its standard streams (Model Context
// Protocol, "stdio" transport, protocol versions 2024-11-05 to 2025-11-25). One call at a time.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/json.h"
#include "common/result.h"
#include "gate/broker/broker_config.h"

namespace countersign::broker {

class Upstream {
 public:
  // `config` outlives it. Starts nothing yet; `admitted` is asked before each start, and its error is the caller's.
  Upstream(std::string name, const ServerConfig& config, std::function<Status()> admitted)
      : name_(std::move(name)), config_(config), admitted_(std::move(admitted)) {}
  Upstream(const Upstream&) = delete;
  Upstream& operator=(const Upstream&) = delete;
  ~Upstream() { stop(); }

  // What the server offers, started where it is not running: tool objects of MCP, the same list until the server is
  // started again or says that it changed. Fails with Unavailable,
  // reason "server_unavailable", where it does not start, does not shake hands, or answers nonsense.
  using Tools = std::shared_ptr<const std::vector<Json>>;
  Result<Tools> tools();

  // A tools/call. Fails with Unavailable: "server_unavailable" before anything was sent, "outcome_unknown" where the
  // server died or was silent after it, and is never asked again then: it may have done it.
  Result<Json> call(const std::string& tool, const Json& arguments, std::chrono::nanoseconds within);

  // Ends the child and everything it started.
  void stop();

 private:
  using Deadline = std::chrono::steady_clock::time_point;
  Status start();
  Result<Json> request(const std::string& method, Json params, Deadline until);
  Status send(const Json& message, Deadline until);
  Result<Json> receive(Deadline until);            // the next message, whole
  void hear(const Json& message, Deadline until);  // what it says unasked
  Status listen();                                 // to what it said since the last answer, without waiting
  void answer(const Json& asked, Deadline until);
  Result<std::vector<Json>> list();
  void end();

  std::string name_;
  const ServerConfig& config_;
  std::function<Status()> admitted_;
  std::mutex mutex_;
  pid_t pid_ = -1;  // guarded by mutex_, as all that follows
  int stream_ = -1;
  std::string buffer_;
  std::int64_t next_id_ = 1;
  bool list_changed_ = true;
  Tools tools_;
};

}  // namespace countersign::broker
