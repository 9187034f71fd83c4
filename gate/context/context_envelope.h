// A context envelope: the record of what an agent read before it asked (reference: gait-formats §13). Nobody signs it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/json.h"
#include "common/result.h"

namespace countersign::gate {

class ContextEnvelope {
 public:
  // At most 1 MiB; unknown and repeated members are refused; the digest is recomputed and must match where given.
  // Fails with Invalid (exit 6).
  static Result<ContextEnvelope> parse(std::string_view text);
  static Result<ContextEnvelope> parse(const std::string& text) { return parse(std::string_view(text)); }
  static Result<ContextEnvelope> parse(const Json& document);

  const std::string& set_id() const { return set_id_; }
  const std::string& set_digest() const { return set_digest_; }  // hex
  const std::string& mode() const { return mode_; }              // "best_effort" or "required"
  const std::vector<std::string>& refs() const { return refs_; }
  // Whole seconds since the oldest record was retrieved, or since the envelope was made where it has none; 0 for a
  // moment in the future.
  std::int64_t age_seconds(UtcTime now) const;

 private:
  ContextEnvelope() = default;
  std::string set_id_;
  std::string set_digest_;
  std::string mode_;
  std::vector<std::string> refs_;
  UtcTime oldest_;
};

}  // namespace countersign::gate
