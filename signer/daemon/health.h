// Whether the signer can do its work now, and everything `countersign status` shows.
#pragma once

#include <string>
#include <vector>

#include "common/json.h"
#include "signer/daemon/services.h"

namespace countersign::daemon {

struct Finding {
  std::string what;
  std::string fix;
};

// What keeps the signer from signing for every role; empty when it is ready.
std::vector<Finding> obstacles(const Services& services);

// GET /readyz: {"ready":bool,"roles":{role:bool},"findings":[{"what","fix"}]}
Json readiness(const Services& services);

// GET /v1/status.
Json status(const Services& services, const transport::HttpCounts& http);

}  // namespace countersign::daemon
