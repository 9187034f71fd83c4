#include "gate/broker/upstream.h"

#include "gate/broker/child_upstream.h"
#include "gate/broker/http_upstream.h"

namespace countersign::broker {

std::unique_ptr<Upstream> make_upstream(std::string name, const ServerConfig& config,
                                        std::function<Status()> admitted) {
  if (config.url.empty()) return std::make_unique<ChildUpstream>(std::move(name), config, std::move(admitted));
  return std::make_unique<HttpUpstream>(std::move(name), config, std::move(admitted));
}

}  // namespace countersign::broker
