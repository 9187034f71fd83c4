// A tool server that others run, reached by Streamable HTTP (Model Context Protocol 2025-03-26 to 2025-11-25 with a
// session, 2026-07-28 without). Its list is read anew for every judgement, since nothing tells of a change; those who
// ask at the same time share one that began after they asked.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>

#include "gate/broker/call_slots.h"
#include "gate/broker/http_post.h"
#include "gate/broker/upstream.h"

namespace countersign::broker {

class HttpUpstream : public Upstream {
 public:
  // As make_upstream().
  HttpUpstream(std::string name, const ServerConfig& config, std::function<Status()> admitted)
      : name_(std::move(name)),
        config_(config),
        admitted_(std::move(admitted)),
        slots_(config.parallel),
        lists_(config.url, config.ca) {}

  Result<Offers> offers() override;
  Result<Json> call(OfferKind kind, const Json& params, std::chrono::nanoseconds within) override;
  void stop() override;

 private:
  using Deadline = std::chrono::steady_clock::time_point;
  // What was agreed with the server.
  struct Agreed {
    std::string version;
    std::string session;  // empty where the server keeps none
    bool stateless = false;
    Json capabilities;
  };
  Status agree();
  Status agree_without_handshake();
  Result<std::vector<Offer>> list();
  Result<std::vector<std::string>> headers(const Agreed& agreed, const std::string& method, const Json& params) const;
  // One request and its result; `more` are further fields of its head. Reasons of its errors: "server_error" (the
  // server's own), "server_refused" (a status that says so), "not_sent"; others where nobody knows what the server did.
  Result<Json> request(HttpPost& http, const Agreed& agreed, const std::string& method, Json params, Deadline until,
                       std::string* session, const std::vector<std::string>& more = {});
  void tell(const Agreed& agreed, const Json& message, Deadline until) const;

  std::string name_;
  const ServerConfig& config_;
  std::function<Status()> admitted_;
  CallSlots slots_;
  std::mutex mutex_;
  HttpPost lists_;  // guarded by mutex_, as all that follows
  std::optional<Agreed> agreed_;
  std::atomic<std::uint64_t> lists_begun_ = 0;
  Offers offers_;
};

}  // namespace countersign::broker
