// A runpack put together from its parts.
#pragma once

#include <string>
#include <string_view>

#include "common/json.h"
#include "packs/runpack.h"

namespace countersign::packs {

struct RunpackParts {
  std::string run;      // run.json
  std::string intents;  // intents.jsonl
  std::string results;  // results.jsonl
  std::string refs;     // refs.json
};

// `manifest` has schema, times, producer and run_id; what it lists and its digest are added here.
std::string assemble_runpack(Json manifest, RunpackParts parts);

// The head of a runpack's document: gait.runpack.<kind>, made now by us.
Json runpack_record(std::string_view kind, std::string_view run_id, std::string_view created_at);

// What was recorded of a run without receipts.
struct RecordedRun {
  std::string_view run_id;
  std::string_view created_at;
  Json environment;
  Json::Array timeline;
  std::string intents;  // intents.jsonl
  std::string results;  // results.jsonl
};
std::string runpack_of(RecordedRun recorded);

// Where a run was recorded: {os, arch, runtime}, with gait's names of operating system and architecture.
Json runpack_environment();

// "error" where the call may not run as it is, "ok" otherwise.
std::string_view result_status(std::string_view verdict);

}  // namespace countersign::packs
