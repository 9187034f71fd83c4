#include "signer/statement/evidence_pack_fields.h"

#include <algorithm>

namespace countersign::statement {
namespace {

using enum Field::Kind;
using enum Field::Presence;

constexpr Field kControl[] = {
    {"control_id", Text, Required}, {"title", Text, Required}, {"evidence_paths", Texts, Required}};
constexpr Structure kControlShape{kControl};
constexpr Field kPointer[] = {{"pointer_id", Text, Required},
                              {"path", Text, Required},
                              {"type", Text, Required},
                              {"sha256", HexDigest, Required}};
constexpr Structure kPointerShape{kPointer};
constexpr Field kWindow[] = {{"from", Time, Required},
                             {"to", Time, Required},
                             {"window_seconds", Integer, Required},
                             {"selection_anchor", Text}};
constexpr Structure kWindowShape{kWindow};
constexpr Field kArtifact[] = {{"format", Text, Required}, {"path", Text, Required}, {"sha256", HexDigest, Required}};
constexpr Structure kArtifactShape{kArtifact};
constexpr Field kContent[] = {{"path", Text, Required}, {"sha256", HexDigest, Required}, {"type", Text, Required}};
constexpr Structure kContentShape{kContent};

constexpr std::string_view kContentTypes[] = {"runpack", "trace", "report", "evidence"};
constexpr std::size_t kPackIdDigits = 16;

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

const Json* content_named(const Json::Array& contents, std::string_view path) {
  const auto found = std::ranges::find(contents, path, [](const Json& content) { return content.text("path"); });
  return found == contents.end() ? nullptr : &*found;
}

Status check_contents(const Json::Array& contents) {
  std::string_view before;
  for (const Json& content : contents) {
    const std::string_view path = content.text("path");
    if (path <= before) return invalid("contents: paths must be sorted and each there once");
    if (path == kPackManifestName) return invalid("contents: the manifest does not list itself");
    if (std::ranges::find(kContentTypes, content.text("type")) == std::end(kContentTypes)) {
      return invalid("contents.type: must be runpack, trace, report or evidence");
    }
    before = path;
  }
  return ok();
}

// What points into the pack names a file that is there, by its digest.
Status check_references(const Json& fields, std::string_view member, const Json::Array& contents) {
  const Json* list = fields.find(member);
  if (list == nullptr) return ok();
  for (const Json& row : list->as_array()) {
    const Json* content = content_named(contents, row.text("path"));
    if (content == nullptr || content->text("sha256") != row.text("sha256")) {
      return invalid(std::string(member) + ": names a file that contents does not list so");
    }
  }
  return ok();
}

}  // namespace

const Structure& evidence_pack_structure() {
  static const Field fields[] = {{"schema_id", Text, Stamped},
                                 {"schema_version", Text, Stamped},
                                 {"created_at", Time, Required},
                                 {"producer_version", Text, Stamped},
                                 {"pack_id", Text, Stamped},
                                 {"run_id", Text, Required},
                                 {"case_id", Text},
                                 {"template_id", Text},
                                 {"generated_at", Time, Stamped},
                                 {"control_index", Objects, Optional, &kControlShape},
                                 {"evidence_pointers", Objects, Optional, &kPointerShape},
                                 {"incident_window", Object, Optional, &kWindowShape},
                                 {"rendered_artifacts", Objects, Optional, &kArtifactShape},
                                 {"contents", Objects, Required, &kContentShape},
                                 {"signatures", Objects, Sealed, &signature_structure()}};
  static const Structure structure{fields};
  return structure;
}

std::string evidence_pack_id(std::string_view run_id, const Json& contents) {
  return "pack_" + Json::object({{"run_id", run_id}, {"contents", contents}}).digest().hex().substr(0, kPackIdDigits);
}

Result<EvidencePackFields> read_evidence_pack_fields(const JsonTree& fields) {
  RETURN_IF_ERROR(read(evidence_pack_structure(), fields, fields.root(), Reading::Strict, ""));
  EvidencePackFields out{fields.root().json()};
  const Json::Array& contents = out.fields.find("contents")->as_array();
  if (contents.empty()) return invalid("contents: must list at least one file");
  RETURN_IF_ERROR(check_contents(contents));
  RETURN_IF_ERROR(check_references(out.fields, "evidence_pointers", contents));
  RETURN_IF_ERROR(check_references(out.fields, "rendered_artifacts", contents));
  return out;
}

StampedDocument stamped(const EvidencePackFields& pack, const Stamp& stamp) {
  const Json& given = pack.fields;
  Json members = given;
  members.set("schema_id", row_of(StatementType::EvidencePack).schema_id);
  members.set("schema_version", kSchemaVersion);
  members.set("producer_version", COUNTERSIGN_VERSION);
  members.set("pack_id", evidence_pack_id(given.text("run_id"), *given.find("contents")));
  members.set("generated_at", stamp.now.rfc3339());
  Json document{Json::Object{}};
  for (const Field& field : evidence_pack_structure().fields) {
    if (Json* member = members.find(field.name)) document.set(field.name, std::move(*member));
  }
  const Digest digest = document.digest();
  return {std::move(document), digest};
}

}  // namespace countersign::statement
