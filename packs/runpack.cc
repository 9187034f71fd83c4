#include "packs/runpack.h"

#include "common/text.h"
#include "gate/document/gait_fields.h"

namespace countersign::packs {
namespace {

constexpr std::string_view kManifest = "manifest.json";
constexpr std::string_view kManifestSchema = "gait.runpack.manifest";

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, "runpack: " + std::move(detail), "bad_runpack"};
}

Result<Json> document(const std::vector<ZipFile>& files, std::string_view name) {
  const std::string* content = content_named(files, name);
  if (content == nullptr) return invalid("there is no " + std::string(name));
  Result<Json> json = Json::parse(*content, {.bytes = ZipLimits{}.content, .gait = true});
  if (!json) return invalid(std::string(name) + ": " + json.error().detail);
  if (!json->is_object()) return invalid(std::string(name) + " holds no JSON object");
  return json;
}

// The number of JSON objects, one a line.
Result<std::int64_t> objects_in(const std::vector<ZipFile>& files, std::string_view name) {
  const std::string* content = content_named(files, name);
  if (content == nullptr) return invalid("there is no " + std::string(name));
  std::int64_t count = 0;
  for (const std::string_view line : lines_of(*content)) {
    if (line.empty()) continue;
    const Result<Json> json = Json::parse(line, {.gait = true});
    if (!json || !json->is_object()) return invalid(std::string(name) + " holds a line that is no JSON object");
    ++count;
  }
  return count;
}

Json receipt_of(const Json& given, gate::FirstError& error) {
  gate::GaitFields fields(given, "Refs.receipts", error);
  Json out{Json::Object{}};
  for (const char* name : {"ref_id", "source_type", "source_locator", "content_digest"}) {
    std::string text;
    fields.text(name, text);
    out.set(name, text);
  }
  UtcTime at;
  fields.time("retrieved_at", at);
  out.set("retrieved_at", at.rfc3339());
  return out;
}

Result<Json::Array> receipts_of(const std::vector<ZipFile>& files) {
  ASSIGN_OR_RETURN(const Json refs, document(files, "refs.json"));
  gate::FirstError error("runpack: refs.json: ");
  gate::GaitFields fields(refs, "Refs", error);
  Json::Array receipts;
  for (const Json* receipt : fields.structures("receipts")) receipts.push_back(receipt_of(*receipt, error));
  RETURN_IF_ERROR(error.status());
  return receipts;
}

// gait hashes the members it knows, with an empty manifest_digest.
std::string digest_of(const Json& manifest, const Json& files) {
  Json known{Json::Object{}};
  for (const char* name : {"schema_id", "schema_version", "created_at", "producer_version", "run_id", "capture_mode"}) {
    known.set(name, manifest.text(name));
  }
  known.set("files", files);
  known.set("manifest_digest", "");
  return known.digest().hex();
}

}  // namespace

Result<Runpack> Runpack::parse(std::string_view archive) {
  ASSIGN_OR_RETURN(const std::vector<ZipFile> files, read_zip(archive));
  ASSIGN_OR_RETURN(const Json manifest, document(files, kManifest));
  if (manifest.text("schema_id") != kManifestSchema)
    return invalid("manifest.json is no " + std::string(kManifestSchema));
  Runpack out;
  gate::FirstError error("runpack: manifest.json: ");
  gate::GaitFields fields(manifest, "Manifest", error);
  fields.text("run_id", out.run_id_);
  fields.text("capture_mode", out.capture_mode_);
  fields.text("manifest_digest", out.manifest_digest_);
  fields.time("created_at", out.created_at_);
  out.signatures_ = fields.structures("signatures").size();
  Json::Array listed;
  for (const Json* file : fields.structures("files")) {
    gate::GaitFields row(*file, "Manifest.files", error);
    std::string path, digest;
    row.text("path", path);
    row.text("sha256", digest);
    listed.push_back(Json::object({{"path", path}, {"sha256", digest}}));
  }
  RETURN_IF_ERROR(error.status());
  if (out.run_id_.empty()) return invalid("manifest.json names no run_id");
  const Json list(std::move(listed));
  out.expected_digest_ = digest_of(manifest, list);
  out.contents_ = check_contents(files, list, kManifest);
  ASSIGN_OR_RETURN(out.intents_, objects_in(files, "intents.jsonl"));
  ASSIGN_OR_RETURN(out.results_, objects_in(files, "results.jsonl"));
  ASSIGN_OR_RETURN(out.receipts_, receipts_of(files));
  return out;
}

}  // namespace countersign::packs
