#include "packs/call_runpack.h"

#include "packs/runpack_parts.h"

namespace countersign::packs {
namespace {

constexpr const char* kIntentId = "intent_1";

}  // namespace

std::string runpack_of_call(const DecidedCall& call) {
  const auto record = [&call](std::string_view kind) { return runpack_record(kind, call.run_id, call.created_at); };
  Json run = record("run");
  run.set("env", runpack_environment());
  run.set("timeline", Json::Array{Json::object({{"event", "proxy_eval_start"}, {"ts", call.created_at}}),
                                  Json::object({{"event", "proxy_eval_finish"}, {"ts", call.created_at}})});
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
  Json refs = record("refs");
  refs.set("receipts", Json::Array{});
  return assemble_runpack(record("manifest"),
                          {run.canonical(), intent.canonical() + "\n", result.canonical() + "\n", refs.canonical()});
}

}  // namespace countersign::packs
