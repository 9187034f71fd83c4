// A tool server that the broker runs: a child in a sandbox that speaks MCP over its standard streams (Model Context
// Protocol, "stdio" transport, protocol versions 2024-11-05 to 2025-11-25).
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>

#include "gate/broker/call_slots.h"
#include "gate/broker/message_stream.h"
#include "gate/broker/upstream.h"

namespace countersign::broker {

class ChildUpstream : public Upstream {
 public:
  // As make_upstream(); `admitted` is asked before each start.
  ChildUpstream(std::string name, const ServerConfig& config, std::function<Status()> admitted)
      : name_(std::move(name)), config_(config), admitted_(std::move(admitted)), slots_(config.parallel) {}
  ChildUpstream(const ChildUpstream&) = delete;
  ChildUpstream& operator=(const ChildUpstream&) = delete;
  ~ChildUpstream() override { ChildUpstream::stop(); }

  // The same list until the server is started again or says that it changed.
  Result<Offers> offers() override;
  // A server that was silent for too long is ended when its other calls are over.
  Result<Json> call(OfferKind kind, const Json& params, std::chrono::nanoseconds within) override;
  // Ends the child and everything it started.
  void stop() override;

 private:
  // All under life_mutex_; what ends the child waits for its calls.
  bool lives();
  Status start();
  Status shake_hands();
  Result<std::vector<Offer>> list();
  void end();

  std::string name_;
  const ServerConfig& config_;
  std::function<Status()> admitted_;
  CallSlots slots_;
  std::atomic<bool> spent_ = false;  // it is ended before it is used again
  std::atomic<bool> list_changed_ = true;
  std::mutex pid_mutex_;
  pid_t pid_ = -1;                         // written under both mutexes
  std::mutex life_mutex_;                  // before pid_mutex_
  std::unique_ptr<MessageStream> stream_;  // guarded by life_mutex_, and by slots_: it stays while a call is under way
  Json capabilities_;                      // as it greeted; guarded by life_mutex_, as offers_
  Offers offers_;
};

}  // namespace countersign::broker
