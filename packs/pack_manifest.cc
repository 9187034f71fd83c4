#include "packs/pack_manifest.h"

#include <algorithm>

#include "common/text.h"
#include "gate/document/gait_fields.h"
#include "gate/document/optional_members.h"
#include "packs/content_check.h"
#include "signer/statement/statement.h"

namespace countersign::packs {
namespace {

using gate::FirstError;
using gate::GaitFields;

constexpr std::string_view kSchemaId = "gait.pack.manifest";

Error no_manifest(std::string detail) {
  return Error{ErrorCode::VerificationFailed, "parse manifest: " + std::move(detail), "bad_manifest"};
}

// Its known members in file order, strictly read; `wrong` becomes the first thing that is.
class ManifestReader {
 public:
  explicit ManifestReader(const Json& given) : error_("parse pack manifest: "), fields_(given, "Manifest", error_) {}

  Result<Json> read() {
    Json out{Json::Object{}};
    text(fields_, "schema_id", out);
    text(fields_, "schema_version", out);
    UtcTime created_at;
    fields_.time("created_at", created_at);
    out.set("created_at", created_at.rfc3339());
    for (const std::string_view name : {"producer_version", "pack_id", "pack_type", "source_ref"}) {
      text(fields_, name, out);
    }
    out.set("contents", rows("contents", {"path", "sha256", "type"}, {}));
    Json signatures = rows("signatures", {"alg", "key_id", "sig"}, "signed_digest");
    if (!signatures.as_array().empty()) out.set("signatures", std::move(signatures));
    fields_.refuse_unknown();
    if (const Status status = error_.status(); !status) return no_manifest(status.error().detail);
    if (out.text("schema_id") != kSchemaId) {
      return no_manifest("unsupported manifest schema_id: " + std::string(out.text("schema_id")));
    }
    if (out.text("schema_version") != kPackVersion) {
      return no_manifest("unsupported manifest schema_version: " + std::string(out.text("schema_version")));
    }
    if (trimmed(out.text("source_ref")).empty()) return no_manifest("manifest missing source_ref");
    if (created_at.is_zero()) return no_manifest("manifest missing created_at");
    if (trimmed(out.text("producer_version")).empty()) return no_manifest("manifest missing producer_version");
    return out;
  }

 private:
  static void text(GaitFields& fields, std::string_view name, Json& out) {
    std::string value;
    fields.text(name, value);
    out.set(name, value);
  }

  // Every one of `required` must say something; `optional` is left out where empty.
  Json rows(std::string_view list, std::initializer_list<std::string_view> required, std::string_view optional) {
    Json::Array out;
    for (const Json* each : fields_.structures(list)) {
      GaitFields row(*each, fields_, list, out.size());
      Json made{Json::Object{}};
      for (const std::string_view name : required) {
        text(row, name, made);
        if (trimmed(made.text(name)).empty()) error_.add(std::string(name) + " is required", row.place().of(name));
      }
      if (!optional.empty()) {
        std::string value;
        row.text(optional, value);
        gate::put(made, optional, value);
      }
      row.refuse_unknown();
      out.push_back(std::move(made));
    }
    return Json(std::move(out));
  }

  FirstError error_;
  GaitFields fields_;
};

}  // namespace

std::string pack_id_of(Json manifest) {
  manifest.set("pack_id", "");
  manifest.erase("signatures");
  return manifest.digest().hex();
}

Json pack_manifest(const std::vector<ZipFile>& files, const PackNames& names) {
  Json::Array contents;
  for (const ZipFile& file : files) {
    contents.push_back(
        Json::object({{"path", file.name}, {"sha256", sha256(file.content).hex()}, {"type", entry_type(file.name)}}));
  }
  Json manifest = Json::object({{"schema_id", kSchemaId},
                                {"schema_version", kPackVersion},
                                {"created_at", kPackCreatedAt},
                                {"producer_version", names.producer_version},
                                {"pack_id", ""},
                                {"pack_type", names.pack_type},
                                {"source_ref", names.source_ref},
                                {"contents", std::move(contents)}});
  manifest.set("pack_id", pack_id_of(manifest));
  return manifest;
}

Result<Json> read_pack_manifest(const std::vector<ZipFile>& files) {
  const std::string* manifest = content_named(files, statement::kPackManifestName);
  if (manifest == nullptr) {
    return Error{ErrorCode::Invalid, "missing " + std::string(statement::kPackManifestName), "bad_pack"};
  }
  const Result<Json> json = Json::parse(*manifest, {.gait = true});
  if (!json) return no_manifest(json.error().detail);
  if (!json->is_object()) return no_manifest("it is no JSON object");
  return ManifestReader(*json).read();
}

std::vector<ZipFile> proven_files(const std::vector<ZipFile>& files) {
  std::vector<ZipFile> out;
  for (const ZipFile& file : files) {
    if (file.name != statement::kPackManifestName && file.name != kProofRecordsName) out.push_back(file);
  }
  std::ranges::sort(out, {}, &ZipFile::name);
  return out;
}

}  // namespace countersign::packs
