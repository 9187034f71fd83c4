#include <algorithm>

#include "packs/runpack_parts.h"

namespace countersign::packs {

std::string runpack_of_traces(const std::string& run_id, std::vector<Json> traces) {
  std::ranges::stable_sort(traces, {}, [](const Json& trace) { return std::string(trace.text("observed_at")); });
  const std::string begin(traces.front().text("observed_at"));
  std::vector<std::string> known;
  RecordedRun run{run_id, begin, Json::object({{"os", "unknown"}, {"arch", "unknown"}, {"runtime", "countersign"}}),
                  {},     "",    ""};
  for (const Json& trace : traces) {
    const std::string_view at = trace.text("observed_at");
    const std::string intent(trace.text("intent_digest"));
    if (std::ranges::find(known, intent) == known.end()) {
      known.push_back(intent);
      Json row = runpack_record("intent", run_id, at);
      row.set("intent_id", intent);
      row.set("tool_name", trace.text("tool_name"));
      row.set("args_digest", trace.text("args_digest"));
      run.intents += row.canonical() + "\n";
    }
    Json row = runpack_record("result", run_id, at);
    row.set("intent_id", intent);
    row.set("status", trace.text("verdict"));
    const Json* signature = trace.find("signature");
    row.set("result_digest", signature == nullptr ? "" : signature->text("signed_digest"));
    run.results += row.canonical() + "\n";
    run.timeline.push_back(Json::object({{"event", trace.text("event_id")}, {"ts", at}}));
  }
  return runpack_of(std::move(run));
}

}  // namespace countersign::packs
