#include "command/decision/script_registry.h"

#include "command/decision/fail_closed_mode.h"
#include "command/line/input_file.h"
#include "common/text.h"

namespace countersign::command {

ScriptRegistry::ScriptRegistry(const Arguments& settings)
    : settings_(&settings), path_(trimmed(settings.text(kRegistryFlag.name))) {}

Status ScriptRegistry::read(const GateInputs& inputs, const keymgmt::KeySet& keys, UtcTime now,
                            std::vector<std::string>& warnings) {
  const auto entries = [this]() -> Result<std::vector<gate::ApprovedScript>> {
    ASSIGN_OR_RETURN(const std::string text, read_input("approved script registry", path_));
    return gate::read_registry(text);
  };
  Result<std::vector<gate::ApprovedScript>> found = entries();
  if (!found && fails_closed(*settings_, inputs.judged.intent)) {
    return Error{ErrorCode::Refused,
                 "approved script registry unavailable in fail-closed mode: " + found.error().detail};
  }
  if (!found) return std::move(found).error();
  for (gate::ApprovedScript& entry : *found) {
    if (const Status verified = entry.verify(keys, now)) {
      entries_.push_back(std::move(entry));
    } else {
      warnings.push_back("approved script " + entry.pattern_id() + " does not count: " + verified.error().detail);
    }
  }
  read_ = true;
  return ok();
}

Result<gate::Decision> ScriptRegistry::judge(const GateInputs& inputs, gate::Decision decided,
                                             const keymgmt::KeySet& keys, UtcTime now,
                                             std::vector<std::string>& warnings) {
  if (!read_) RETURN_IF_ERROR(read(inputs, keys, now, warnings));
  const gate::RegistryFinding finding =
      gate::registry_finding(entries_, inputs.judged.intent, inputs.policy_digest, now);
  if (finding.entry != nullptr) {
    return gate::pre_approved(std::move(decided), inputs.judged.intent, *finding.entry, now);
  }
  decided.registry_reason = finding.reason;
  return decided;
}

}  // namespace countersign::command
