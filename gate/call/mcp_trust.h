// Trust in the server that offers a tool: a policy's mcp_trust, judged against a snapshot of what a scanner or registry
// said of servers (reference: gait-formats §6.2, §16.1, §17; gait.mcp.trust_snapshot 1.0.0).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/json.h"
#include "common/result.h"
#include "gate/decision/evaluate.h"
#include "gate/document/gait_fields.h"
#include "gate/policy/policy.h"

namespace countersign::gate {

// What is said of a server, by itself or by the call that goes to it.
struct McpServer {
  std::string server_id;
  std::string server_name;
  std::string publisher;
  std::string source;

  // All trimmed; publisher and source in lower case. What is wrong sticks in the fields' error.
  static McpServer read(GaitFields fields);
  // A description of its own. Fails with Invalid, "parse server description: …", and where it names no server.
  static Result<McpServer> parse(std::string_view text);
  // Under which it is looked up: the id, or else the name, in lower case. Empty where there is neither.
  std::string key() const;
};

struct TrustEntry {
  McpServer server;
  std::string status;         // empty, trusted, allow, pass; anything else is distrust
  std::string evidence_path;  // where the judgement is from
  double score = 0;
  UtcTime updated_at;
  bool registry_verified = false;  // signature and publisher hold, and the pin where there is one
};

class TrustSnapshot {
 public:
  // Fails with Invalid, "parse trust snapshot: …", on another schema, on an entry that names no server, and on two
  // entries for one server.
  static Result<TrustSnapshot> parse(std::string_view text);
  // Null where the server is not listed.
  const TrustEntry* find(std::string_view key) const;

 private:
  std::map<std::string, TrustEntry, std::less<>> entries_;  // by key()
};

// The snapshot as it could be had when the decision was made.
struct GivenSnapshot {
  enum class State { Read, Unavailable, Malformed };
  State state = State::Unavailable;
  TrustSnapshot snapshot;
};

struct TrustFinding {
  Json members;  // `mcp_trust` of traces and answers, in file order
  McpServer server;
  std::vector<std::string> reason_codes;
  bool enforced = false;  // not trusted, and the risk class demands trust
};

// Precondition: `policy` is enabled. `server` is null where the call names none; a finding is enforced where
// `risk_class` is one that the policy demands trust for.
TrustFinding trust_in(const McpTrust& policy, const McpServer* server, std::string_view risk_class,
                      const GivenSnapshot& given, UtcTime now);

// The decision with the finding's reasons and, where it is enforced, not milder than the policy's action. A dry run,
// which runs nothing, stays one, as in gait.
Decision with_trust(Decision decision, const McpTrust& policy, const TrustFinding& finding);

}  // namespace countersign::gate
