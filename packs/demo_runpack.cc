#include "packs/runpack_parts.h"

namespace countersign::packs {
namespace {

constexpr const char* kAt = "2026-02-05T00:00:00Z";
constexpr const char* kEnd = "2026-02-05T00:00:02Z";
// gait's demo run says so whatever gait made it; the manifest's digest, which people quote, depends on it.
constexpr const char* kProducer = "0.0.0-dev";

// One step of the demo. The digests are of texts that gait's demo does not carry either.
struct Step {
  const char* number;
  const char* tool;
  const char* args_digest;
  const char* result_digest;
  const char* content_digest;
  const char* query_digest;
};
constexpr Step kSteps[] = {
    {"1", "tool.search", "33d148a7de89102bce5e2be136ca2acc3398ff9970a1f922faa3838eae837e3c",
     "0b2abfe8ba8a9dae03e92bcb4fe8fb733661a8b0560dda0ce8d7ac553e7a79a6",
     "1ef0ae7bbe4ce6c99ab744fe8c27582178d69c660538ef6a4b201cf5a944e17a",
     "8d26786e78884f230bfa85f4909203158ab8ee8d1594552d44683022f3648cde"},
    {"2", "tool.fetch", "413bb0e0bc0c5edcf3e44cef4789853dbb53814cadff7a6de916a5bc234fa094",
     "720147a526e393e30ecb3763416b33c37b20f96811888a4329b441d829429874",
     "3460ebae1c45bfd069074b365281354cfdf41b82ffb05c7eedd6775446fcd3a4",
     "4719075bc5d7eda1eaafc8cd29f8fa36c3bb9371b5f03bc1476874cba2afd892"},
    {"3", "tool.summarize", "c2feaac143150e8935e8fe34dce53259f4e2ddfcafb1cf06b38b1857c5f3fd09",
     "5f44ff128eef1407277add237677988314f390aebf1572cbc9000c915b283a05",
     "971212bd7810de3b6630bf22a40a0e85d0360ee99f74e58e6b1ed8668b157501",
     "f16b050b60285df8e76b18f5f239fabab9a9d349f0462032d434fcb393e33f70"},
};

Json record(std::string_view schema) {
  return Json::object({{"schema_id", "gait.runpack." + std::string(schema)},
                       {"schema_version", "1.0.0"},
                       {"created_at", kAt},
                       {"producer_version", kProducer},
                       {"run_id", kDemoRun}});
}

std::string run_json() {
  Json run = record("run");
  run.set("env", Json::object({{"os", "demo"}, {"arch", "demo"}, {"runtime", "go"}}));
  run.set("timeline", Json::Array{Json::object({{"event", "start"}, {"ts", kAt}}),
                                  Json::object({{"event", "finish"}, {"ts", kEnd}})});
  return run.canonical();
}

Json intent_of(const Step& step) {
  Json intent = record("intent");
  intent.set("intent_id", std::string("intent_") + step.number);
  intent.set("tool_name", step.tool);
  intent.set("args_digest", step.args_digest);
  return intent;
}

Json result_of(const Step& step) {
  Json result = record("result");
  result.set("intent_id", std::string("intent_") + step.number);
  result.set("status", "ok");
  result.set("result_digest", step.result_digest);
  return result;
}

std::string lines(Json (*line)(const Step&)) {
  std::string out;
  for (const Step& step : kSteps) out += line(step).canonical() + "\n";
  return out;
}

std::string refs_json() {
  Json::Array receipts;
  for (const Step& step : kSteps) {
    receipts.push_back(Json::object({{"ref_id", std::string("ref_") + step.number},
                                     {"source_type", "demo"},
                                     {"source_locator", step.tool},
                                     {"query_digest", step.query_digest},
                                     {"content_digest", step.content_digest},
                                     {"retrieved_at", kAt},
                                     {"redaction_mode", "reference"},
                                     {"immutability", "unknown"}}));
  }
  Json refs = record("refs");
  refs.set("context_ref_count", static_cast<std::int64_t>(receipts.size()));
  refs.set("receipts", std::move(receipts));
  return refs.canonical();
}

}  // namespace

std::string demo_runpack() {
  return assemble_runpack(record("manifest"), {run_json(), lines(intent_of), lines(result_of), refs_json()});
}

}  // namespace countersign::packs
