#include "command/mcp/job_stop.h"

#include <algorithm>
#include <filesystem>

#include "common/durable_file.h"
#include "common/json.h"
#include "common/text.h"

namespace countersign::command {
namespace {

constexpr std::string_view kStopped = "emergency_stopped";
constexpr std::size_t kLongestId = 128;

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// As gait names jobs; no other name is a folder's.
bool is_job_id(std::string_view id) {
  const auto fits = [](char c) { return is_alphanumeric(c) || c == '.' || c == '_' || c == ':' || c == '-'; };
  return !id.empty() && id.size() <= kLongestId && is_alphanumeric(id.front()) && std::ranges::all_of(id, fits);
}

Result<Json> state_of(std::string_view root, std::string_view job_id) {
  if (!is_job_id(job_id)) return Error{ErrorCode::Invalid, "this is no job's id"};
  const std::filesystem::path path = std::filesystem::path(root) / job_id / "state.json";
  ASSIGN_OR_RETURN(const std::string text, read_file(path.string()));
  ASSIGN_OR_RETURN(Json state, Json::parse(text, {.gait = true}));
  if (trimmed(state.text("job_id")) != job_id || trimmed(state.text("status")).empty()) {
    return Error{ErrorCode::Invalid, path.string() + " is no state of that job"};
  }
  return state;
}

}  // namespace

JobStop job_stop(std::string_view root, std::string_view job_id) {
  const std::string_view id = trimmed(job_id);
  if (trimmed(root).empty() || id.empty()) return {};
  const Result<Json> state = state_of(trimmed(root), id);
  if (!state) return {"emergency_stop_state_unavailable", "job_status_unavailable=" + state.error().detail};
  // gait says both where it says one.
  const bool stopped = trimmed(state->text("status")) == kStopped || trimmed(state->text("stop_reason")) == kStopped;
  return {stopped ? "emergency_stop_preempted" : "", ""};
}

}  // namespace countersign::command
