// A tool server behind the broker, spoken to by the Model Context Protocol: a child in a sandbox (child_upstream.h), or
// one that others run and that is reached by HTTP (http_upstream.h).
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/json.h"
#include "common/result.h"
#include "gate/broker/broker_config.h"
#include "gate/broker/offer.h"

namespace countersign::broker {

class Upstream {
 public:
  virtual ~Upstream() = default;

  // What the server offers, the same list while nothing changed. Fails with Unavailable, reason "server_unavailable",
  // where it does not start, does not shake hands, or answers nonsense; as `admitted` does.
  using Offers = std::shared_ptr<const std::vector<Offer>>;
  virtual Result<Offers> offers() = 0;

  // Asks for one of them (call_params()). An error of the server itself is a result with isError, as a tool's own
  // failure is. Fails with Unavailable: "server_unavailable" before anything was sent, "outcome_unknown" where the
  // server died or was silent after it, and is never asked again then: it may have done it.
  virtual Result<Json> call(OfferKind kind, const Json& params, std::chrono::nanoseconds within) = 0;

  // Ends what was started.
  virtual void stop() = 0;
};

// As the configuration says, which outlives it. Starts nothing yet; `admitted` is asked before the server is used.
std::unique_ptr<Upstream> make_upstream(std::string name, const ServerConfig& config, std::function<Status()> admitted);

}  // namespace countersign::broker
