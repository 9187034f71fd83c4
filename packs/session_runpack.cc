#include "packs/session_runpack.h"

#include "packs/runpack_parts.h"

namespace countersign::packs {
namespace {

Json list_or_null(const Json& event, std::string_view name) {
  const Json* list = event.find(name);
  return list == nullptr || !list->is_array() || list->as_array().empty() ? Json() : *list;
}

std::string result_digest(const Json& event) {
  return Json::object({{"verdict", event.text("verdict")},
                       {"reason_codes", list_or_null(event, "reason_codes")},
                       {"violations", list_or_null(event, "violations")},
                       {"trace_id", event.text("trace_id")},
                       {"trace_path", event.text("trace_path")}})
      .digest()
      .hex();
}

}  // namespace

std::string runpack_of_session(std::string_view run_id, std::string_view created_at, std::int64_t index,
                               const std::vector<Json>& events) {
  RecordedRun run{run_id, created_at, runpack_environment(), {}, "", ""};
  std::int64_t count = 0;
  for (const Json& event : events) {
    const std::string_view at = event.text("created_at");
    const std::string intent_id = "intent_" + std::to_string(++count);
    Json intent = runpack_record("intent", run_id, at);
    intent.set("intent_id", intent_id);
    intent.set("tool_name", event.text("tool_name"));
    intent.set("args_digest", event.text("intent_digest"));
    run.intents += intent.canonical() + "\n";
    Json result = runpack_record("result", run_id, at);
    result.set("intent_id", intent_id);
    result.set("status", result_status(event.text("verdict")));
    result.set("result_digest", result_digest(event));
    run.results += result.canonical() + "\n";
    run.timeline.push_back(Json::object({{"event", "session_event"}, {"ts", at}, {"ref", event.text("trace_id")}}));
  }
  run.timeline.push_back(Json::object(
      {{"event", "session_checkpoint_emitted"}, {"ts", created_at}, {"ref", "checkpoint:" + std::to_string(index)}}));
  return runpack_of(std::move(run));
}

}  // namespace countersign::packs
