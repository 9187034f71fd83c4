#include "command/decision/kill_switch_journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "gate/document/optional_members.h"

namespace countersign::command {

Status journal_kill_switch(const std::string& state_path, const gate::TraceInputs& inputs,
                           const std::string& trace_id) {
  const std::optional<Json>& finding = inputs.decision.kill_switch;
  if (!finding || finding->text("status") != "active") return ok();
  const gate::IntentFields& fields = inputs.judged.intent.fields();
  Json line = Json::object({{"schema_id", "gait.gate.kill_switch_journal"},
                            {"schema_version", "1.0.0"},
                            {"created_at", fields.created_at.rfc3339()},
                            {"producer_version", COUNTERSIGN_VERSION},
                            {"source", "gate_eval"},
                            {"trace_id", trace_id},
                            {"tool_name", fields.tool_name}});
  gate::put(line, "agent_id", fields.context.agent_id);
  gate::put(line, "identity", fields.context.identity);
  for (const std::string_view name : {"reason_codes", "matched_entry_ids"}) {
    if (const Json* member = finding->find(name)) line.set(name, *member);
  }
  const std::string path = (std::filesystem::path(state_path).parent_path() / "kill_switch_journal.jsonl").string();
  const auto failed = [&path] { return Error{ErrorCode::Unavailable, "write " + path + ": " + std::strerror(errno)}; };
  const int file = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return failed();
  // One write: lines of several evaluations do not mix.
  const std::string text = line.compact() + "\n";
  const bool written =
      ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(file) == 0;
  const Status status = written ? ok() : failed();
  ::close(file);
  return status;
}

}  // namespace countersign::command
