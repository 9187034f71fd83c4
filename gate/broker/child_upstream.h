// A tool server that the broker runs: a child in a sandbox that speaks MCP over its standard streams (Model Context
// Protocol, "stdio" transport, protocol versions 2024-11-05 to 2025-11-25). One call at a time.
#pragma once

#include <mutex>

#include "gate/broker/upstream.h"

namespace countersign::broker {

class ChildUpstream : public Upstream {
 public:
  // As make_upstream(); `admitted` is asked before each start.
  ChildUpstream(std::string name, const ServerConfig& config, std::function<Status()> admitted)
      : name_(std::move(name)), config_(config), admitted_(std::move(admitted)) {}
  ChildUpstream(const ChildUpstream&) = delete;
  ChildUpstream& operator=(const ChildUpstream&) = delete;
  ~ChildUpstream() override { ChildUpstream::stop(); }

  // The same list until the server is started again or says that it changed.
  Result<Tools> tools() override;
  Result<Json> call(const std::string& tool, const Json& arguments, std::chrono::nanoseconds within) override;
  // Ends the child and everything it started.
  void stop() override;

 private:
  using Deadline = std::chrono::steady_clock::time_point;
  Status start();
  Result<Json> request(const std::string& method, Json params, Deadline until);
  Status send(const Json& message, Deadline until);
  Result<Json> receive(Deadline until);            // the next message, whole
  void hear(const Json& message, Deadline until);  // what it says unasked
  Status listen();                                 // to what it said since the last answer, without waiting
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
