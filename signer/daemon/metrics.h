// What Prometheus reads at GET /metrics.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "signer/daemon/holder_pool.h"
#include "signer/daemon/key_health.h"
#include "signer/daemon/publication_health.h"
#include "signer/ledger/background_check.h"
#include "signer/transport/http_server.h"

namespace countersign::daemon {

// What is read at the moment of asking.
struct Gauges {
  transport::HttpCounts http;
  std::vector<HolderState> holders;
  std::uint64_t ledger_size = 0;
  std::uint64_t uncommitted = 0;
  std::uint64_t unrecorded_refusals = 0;
  std::vector<RoleKeys> keys;
  std::vector<Deadline> publication;
  UtcTime now;
  bool clock_stopped = false;
  bool ready = false;
  std::optional<ledger::CheckReport> ledger_check;
};

class Metrics {
 public:
  Metrics();
  ~Metrics();

  // `route` is a literal: its characters outlive this.
  void answered(std::string_view route, int status);
  void signed_one(std::string_view type, std::chrono::nanoseconds took);
  void refused(std::string_view code);

  std::string text(const Gauges& gauges);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace countersign::daemon
