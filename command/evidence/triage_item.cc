#include "command/evidence/triage_item.h"

#include <vector>

#include "common/joined.h"
#include "gate/document/optional_members.h"

namespace countersign::command {
namespace {

std::string listed(const std::vector<std::string>& words) {
  return words.empty() ? "none" : joined(words, ", ");
}

}  // namespace

Json triage_item(const Json& trace, const std::string& path, std::string_view mode) {
  const Json* ours = trace.find("countersign");
  const std::vector<std::string> reasons = gate::texts_of(ours == nullptr ? nullptr : ours->find("reason_codes"));
  const std::vector<std::string> violations = gate::texts_of(trace.find("violations"));
  const std::string verdict(trace.text("verdict"));
  const std::string tool(trace.text("tool_name"));
  const std::string id(trace.text("trace_id"));
  const std::string description = "Gait trace bridge report\n\nTrace Path: " + path + "\nTrace ID: " + id +
                                  "\nVerdict: " + verdict + "\nTool Name: " + tool +
                                  "\nPolicy Digest: " + std::string(trace.text("policy_digest")) +
                                  "\nIntent Digest: " + std::string(trace.text("intent_digest")) +
                                  "\nViolations: " + listed(violations) + "\nReason Codes: " + listed(reasons) +
                                  "\n\nFollow-up:\n- if blocked unexpectedly, validate policy match and reason codes\n"
                                  "- if expected block, convert incident to regression fixture\n";
  return Json::object({{"ok", true},
                       {"mode", mode},
                       {"trace_path", path},
                       {"trace_id", id},
                       {"verdict", verdict},
                       {"tool_name", tool},
                       {"policy_digest", trace.text("policy_digest")},
                       {"intent_digest", trace.text("intent_digest")},
                       {"violations", Json::array(violations)},
                       {"reason_codes", Json::array(reasons)},
                       {"title", "Gait " + verdict + ": " + tool + " (" + id + ")"},
                       {"description", description}});
}

}  // namespace countersign::command
