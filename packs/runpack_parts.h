// A runpack put together from its parts.
#pragma once

#include <string>

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

}  // namespace countersign::packs
