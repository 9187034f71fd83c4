// A refusal with everything that is told about it: to the caller, to the record and to the security owner.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/json.h"
#include "common/result.h"
#include "signer/config/events.h"

namespace countersign::daemon {

// Why a token of `redeem` does not count; `code` is gait's (gait-formats §8) or ours (docs/openapi.yaml lists both).
struct TokenFinding {
  std::string token_id;
  std::string code;
  bool operator==(const TokenFinding&) const = default;
};

struct Refusal {
  Error error;
  std::vector<TokenFinding> tokens{};
  std::optional<config::Event> event{};  // what the security owner is told; without one it is not recorded either
};

// [{"token_id","code"}…]
inline Json json_of(const std::vector<TokenFinding>& tokens) {
  Json::Array rows;
  for (const TokenFinding& token : tokens) {
    rows.push_back(Json::object({{"token_id", token.token_id}, {"code", token.code}}));
  }
  return rows;
}

}  // namespace countersign::daemon
