#include "packs/runpack_parts.h"

namespace countersign::packs {

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

}  // namespace countersign::packs
