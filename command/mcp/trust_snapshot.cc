#include "command/mcp/trust_snapshot.h"

#include "command/line/input_file.h"

namespace countersign::command {

ReadSnapshot read_trust_snapshot(const gate::McpTrust& policy) {
  using State = gate::GivenSnapshot::State;
  const Result<std::string> text = read_input("trust snapshot", policy.snapshot);
  if (!text) return {{State::Unavailable, {}}, text.error().detail};
  Result<gate::TrustSnapshot> snapshot = gate::TrustSnapshot::parse(*text);
  if (!snapshot) return {{State::Malformed, {}}, snapshot.error().detail};
  return {{State::Read, *std::move(snapshot)}, {}};
}

}  // namespace countersign::command
