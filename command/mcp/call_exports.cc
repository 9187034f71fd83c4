#include "command/mcp/call_exports.h"

#include "common/clock.h"
#include "common/text.h"
#include "gate/document/gait_line.h"
#include "gate/document/optional_members.h"

namespace countersign::command {
namespace {

std::int64_t number(const Json& object, std::string_view name) {
  const Json* member = object.find(name);
  return member != nullptr && member->is_integer() ? member->as_integer() : 0;
}

// What a trace says of its delegation: the token, else the chain.
struct Delegation {
  std::string_view reference;
  std::int64_t depth = 0;
};

Delegation delegation_of(const Json& trace) {
  const Json* given = trace.find("delegation_ref");
  if (given == nullptr) return {};
  const std::string_view token = trimmed(given->text("delegation_token_ref"));
  return {token.empty() ? trimmed(given->text("chain_digest")) : token, number(*given, "delegation_depth")};
}

}  // namespace

std::string log_line(const Json& answer, const Json& trace, std::string_view session_id) {
  Json line = Json::object({{"created_at", trace.text("created_at")},
                            {"producer_version", COUNTERSIGN_VERSION},
                            {"run_id", answer.text("run_id")}});
  gate::put(line, "session_id", session_id);
  line.set("trace_id", answer.text("trace_id"));
  gate::put(line, "trace_path", answer.text("trace_path"));
  line.set("tool_name", answer.text("tool_name"));
  line.set("verdict", answer.text("verdict"));
  gate::put(line, "reason_codes", gate::texts_of(answer.find("reason_codes")));
  line.set("policy_digest", answer.text("policy_digest"));
  line.set("intent_digest", answer.text("intent_digest"));
  gate::put(line, "decision_latency_ms", number(answer, "decision_latency_ms"));
  const Delegation delegation = delegation_of(trace);
  gate::put(line, "delegation_ref", delegation.reference);
  gate::put(line, "delegation_depth", delegation.depth);
  return gate::gait_log_line(line);
}

Result<std::string> otel_line(const Json& answer, const Json& trace, std::string_view session_id) {
  ASSIGN_OR_RETURN(const UtcTime at, UtcTime::parse(trace.text("created_at")));
  const Delegation delegation = delegation_of(trace);
  Json attributes = Json::object({{"gait.session_id", trimmed(session_id)},
                                  {"gait.decision_latency_ms", number(answer, "decision_latency_ms")},
                                  {"gait.delegation_ref", delegation.reference},
                                  {"gait.delegation_depth", delegation.depth},
                                  {"gait.reason_codes", Json::array(gate::texts_of(answer.find("reason_codes")))}});
  for (const char* name : {"run_id", "trace_path", "tool_name", "verdict", "policy_digest", "intent_digest"}) {
    attributes.set("gait." + std::string(name), trimmed(answer.text(name)));
  }
  return Json::object({{"time_unix_nano", std::int64_t{(at - UtcTime::from_unix(0)).count()}},
                       {"severity_text", "INFO"},
                       {"body", "gait.mcp.proxy.decision"},
                       {"trace_id", answer.text("trace_id")},
                       {"attributes", std::move(attributes)}})
      .gait_line();
}

}  // namespace countersign::command
