#include "command/evidence/pack_answer.h"

#include "common/text.h"
#include "gate/document/optional_members.h"

namespace countersign::command {
namespace {

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

}  // namespace

Result<std::string> pack_path(const Arguments& arguments) {
  std::string_view path = trimmed(arguments.text("path"));
  if (path.empty() && !arguments.positionals().empty()) path = trimmed(arguments.positionals().front());
  if (path.empty()) return invalid("expected <pack.zip>");
  return std::string(path);
}

Result<PackDemand> pack_demand(const Arguments& arguments, bool has_key) {
  const std::string_view profile = arguments.text("profile", "standard");
  if (profile != "standard" && profile != "strict") {
    return invalid("unsupported --profile value \"" + std::string(profile) + "\" (expected standard or strict)");
  }
  const PackDemand demand{profile == "strict" || arguments.is_on("require-signature"),
                          arguments.is_on("no-signature-check")};
  if (demand.signature && demand.unchecked) return invalid("a strict verification checks the signature");
  if (profile == "strict" && !has_key) {
    return invalid("strict verify profile requires --public-key/--public-key-env or private key source");
  }
  return demand;
}

void PackNames::add_to(Json& answer) const {
  answer.set("pack_id", pack_id);
  answer.set("pack_type", pack_type);
  answer.set("source_ref", source_ref);
}

Json pack_answer(std::string_view operation, bool good) {
  return Json::object(
      {{"schema_id", "gait.pack.output"}, {"schema_version", "1.0.0"}, {"ok", good}, {"operation", operation}});
}

Json pack_findings(const PackNames& names, const packs::ContentCheck& contents, std::int64_t proof_records,
                   const PackSignatures& signatures) {
  Json out{Json::Object{}};
  names.add_to(out);
  contents.add_to(out);
  // gait's name here for what a guard pack calls extra_files.
  if (Json* extra = out.find("extra_files")) {
    out.set("undeclared_files", Json(*extra));
    out.erase("extra_files");
  }
  gate::put(out, "proof_records_verified", proof_records);
  out.set("signature_status", signatures.status);
  gate::put(out, "signature_errors", signatures.errors);
  gate::put(out, "signatures_total", static_cast<std::int64_t>(signatures.total));
  gate::put(out, "signatures_valid", signatures.valid);
  return out;
}

}  // namespace countersign::command
