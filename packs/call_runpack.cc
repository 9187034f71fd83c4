#include "packs/call_runpack.h"

#include "packs/runpack_parts.h"

namespace countersign::packs {
namespace {

constexpr const char* kIntentId = "intent_1";

}  // namespace

std::string runpack_of_call(const DecidedCall& call) {
  const auto record = [&call](std::string_view kind) { return runpack_record(kind, call.run_id, call.created_at); };
  Json intent = record("intent");
  intent.set("intent_id", kIntentId);
  intent.set("tool_name", call.tool_name);
  intent.set("args_digest", call.args_digest);
  Json result = record("result");
  result.set("intent_id", kIntentId);
  result.set("status", result_status(call.verdict));
  result.set("result_digest", Json::object({{"verdict", call.verdict},
                                            {"reason_codes", Json::array(call.reason_codes)},
                                            {"violations", Json::array(call.violations)},
                                            {"trace_id", call.trace_id}})
                                  .digest()
                                  .hex());
  Json::Array timeline = {Json::object({{"event", "proxy_eval_start"}, {"ts", call.created_at}}),
                          Json::object({{"event", "proxy_eval_finish"}, {"ts", call.created_at}})};
  return runpack_of({call.run_id, call.created_at, runpack_environment(), std::move(timeline),
                     intent.canonical() + "\n", result.canonical() + "\n"});
}

}  // namespace countersign::packs
