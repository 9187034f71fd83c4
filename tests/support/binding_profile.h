// The profile that a probe writes of a module which holds to its attributes, for tests that measure nothing themselves.
#pragma once

#include <string>

#include "common/digest.h"
#include "common/durable_file.h"
#include "common/json.h"

namespace countersign::test {

inline std::string binding_profile(const std::string& module, const std::string& serial) {
  const Result<std::string> library = read_file(module, std::size_t{64} << 20);
  const Json none(Json::Array{});
  Json json = Json::object(
      {{"profile", 1},
       {"module", module},
       {"library", library ? sha256(*library).hex() : ""},
       {"description", "test-only"},
       {"token",
        Json::object({{"label", ""}, {"serial", serial}, {"manufacturer", ""}, {"model", ""}, {"firmware", ""}})},
       {"measured_at", "2026-01-01T00:00:00Z"},
       {"kinds", Json::array({"ed25519", "p256"})},
       {"departures", none},
       {"unknown_history", none},
       {"measurements", none},
       {"mechanisms", none},
       {"attestation", "none"},
       {"trust", "binding"}});
  json.set("digest", json.digest().hex());
  return json.compact();
}

}  // namespace countersign::test
