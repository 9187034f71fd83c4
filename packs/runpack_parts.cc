#include "packs/runpack_parts.h"

namespace countersign::packs {
namespace {

#if defined(__x86_64__)
constexpr const char* kArchitecture = "amd64";
#elif defined(__aarch64__)
constexpr const char* kArchitecture = "arm64";
#else
constexpr const char* kArchitecture = "unknown";
#endif

}  // namespace

Json runpack_record(std::string_view kind, std::string_view run_id, std::string_view created_at) {
  return Json::object({{"schema_id", "gait.runpack." + std::string(kind)},
                       {"schema_version", "1.0.0"},
                       {"created_at", created_at},
                       {"producer_version", COUNTERSIGN_VERSION},
                       {"run_id", run_id}});
}

Json runpack_environment() {
  return Json::object({{"os", "linux"}, {"arch", kArchitecture}, {"runtime", "countersign"}});
}

std::string_view result_status(std::string_view verdict) {
  return verdict == "block" || verdict == "require_approval" ? "error" : "ok";
}

std::string assemble_runpack(Json manifest, RunpackParts parts) {
  std::vector<ZipFile> files = {{"intents.jsonl", std::move(parts.intents)},
                                {"refs.json", std::move(parts.refs)},
                                {"results.jsonl", std::move(parts.results)},
                                {"run.json", std::move(parts.run)}};
  Json::Array listed;
  for (const ZipFile& file : files) {
    listed.push_back(Json::object({{"path", file.name}, {"sha256", sha256(file.content).hex()}}));
  }
  manifest.set("capture_mode", "reference");
  manifest.set("files", std::move(listed));
  // gait hashes the manifest with an empty digest in it.
  manifest.set("manifest_digest", "");
  manifest.set("manifest_digest", manifest.digest().hex());
  files.insert(files.begin() + 1, {"manifest.json", manifest.canonical()});
  return zip_archive(files);
}

std::string runpack_of(RecordedRun recorded) {
  const auto record = [&](std::string_view kind) { return runpack_record(kind, recorded.run_id, recorded.created_at); };
  Json run = record("run");
  run.set("env", std::move(recorded.environment));
  run.set("timeline", std::move(recorded.timeline));
  Json refs = record("refs");
  refs.set("receipts", Json::Array{});
  return assemble_runpack(record("manifest"), {run.canonical(), std::move(recorded.intents),
                                               std::move(recorded.results), refs.canonical()});
}

}  // namespace countersign::packs
