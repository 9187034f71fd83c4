// pack verify: whether a run pack is what its signed manifest says, and nothing more.
#include <optional>

#include "command/evidence/commands.h"
#include "command/evidence/runpack_file.h"
#include "command/line/command.h"
#include "command/line/key_files.h"
#include "common/text.h"
#include "gate/optional_members.h"
#include "packs/run_pack.h"

namespace countersign::command {
namespace {

constexpr Flag kFlags[] = {
    {"path", Flag::Kind::Text, "FILE", "the pack, instead of the word"},
    {"profile", Flag::Kind::Text, "NAME", "standard (default), or strict: a key must be named"},
    {"require-signature", Flag::Kind::Switch, "", "as strict"},
    {"no-signature-check", Flag::Kind::Switch, "", "files and digests only, as gait does where it has no key"},
};

struct SignatureFinding {
  std::string status;  // missing, skipped, verified, failed
  std::vector<std::string> errors;
  std::int64_t valid = 0;
};

SignatureFinding judge(const packs::RunPack& pack, const std::optional<SourcedPublicKey>& key) {
  if (pack.signatures() == 0) return {"missing", {"manifest has no signatures"}};
  if (!key) return {"skipped", {"public key not configured"}};
  std::vector<std::string> errors = pack.unsigned_by(key->key);
  if (!errors.empty()) return {"failed", std::move(errors)};
  return {"verified", {}, 1};
}

Json answer_of(const std::string& path, const packs::RunPack& pack, const SignatureFinding& signature, bool good) {
  const Json named = Json::object(
      {{"pack_id", pack.pack_id()}, {"pack_type", pack.manifest().text("pack_type")}, {"source_ref", pack.run_id()}});
  Json found = named;
  pack.contents().add_to(found);
  // gait's name here for what a guard pack calls extra_files.
  if (const Json* extra = found.find("extra_files")) {
    found.set("undeclared_files", *extra);
    found.erase("extra_files");
  }
  gate::put(found, "proof_records_verified", pack.proof_records());
  if (!pack.pack_id_is_right()) found.set("pack_id_mismatch", true);
  gate::put(found, "faults", pack.faults());
  found.set("signature_status", signature.status);
  gate::put(found, "signature_errors", signature.errors);
  gate::put(found, "signatures_total", static_cast<std::int64_t>(pack.signatures()));
  gate::put(found, "signatures_valid", signature.valid);
  Json answer = Json::object({{"schema_id", "gait.pack.output"},
                              {"schema_version", "1.0.0"},
                              {"ok", good},
                              {"operation", "verify"},
                              {"path", path}});
  for (const auto& [name, value] : named.as_object()) answer.set(name, value);
  answer.set("verify", std::move(found));
  return answer;
}

std::string told(const std::string& path, const packs::RunPack& pack, const SignatureFinding& signature, bool good) {
  std::string text = (good ? "verified      " : "NOT verified  ") + path + "\npack          " +
                     displayed(pack.pack_id()) + "\nrun           " + displayed(pack.run_id()) + "\nsignature     " +
                     signature.status + "\n";
  for (const std::string& fault : pack.faults()) text += "FAILED        " + displayed(fault) + "\n";
  for (const std::string& error : signature.errors) text += "FAILED        " + displayed(error) + "\n";
  return text;
}

Result<std::string> path_of(const Arguments& arguments) {
  std::string path(trimmed(arguments.text("path")));
  const std::vector<std::string>& words = arguments.positionals();
  if (path.empty() && words.size() == 1) path = words.front();
  if (path.empty() || words.size() > 1) return Error{ErrorCode::Invalid, "expected <pack.zip>"};
  return path;
}

Result<int> verify(Call& call, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const std::string path, path_of(arguments));
  const std::string_view profile = arguments.text("profile", "standard");
  if (profile != "standard" && profile != "strict") {
    return Error{ErrorCode::Invalid,
                 "unsupported --profile value \"" + std::string(profile) + "\" (expected standard or strict)"};
  }
  const bool unchecked = arguments.is_on("no-signature-check");
  const bool strict = profile == "strict" || arguments.is_on("require-signature");
  if (strict && unchecked) return Error{ErrorCode::Invalid, "a strict verification checks the signature"};
  ASSIGN_OR_RETURN(const std::string bytes, read_archive("pack", path));
  ASSIGN_OR_RETURN(const packs::RunPack pack, packs::RunPack::parse(bytes));
  // Only a key that is named: a run pack is of no time, and a published key counts for one.
  ASSIGN_OR_RETURN(std::optional<SourcedPublicKey> key, verify_key(arguments, ""));
  if (unchecked) key.reset();
  if (!key && strict) {
    return Error{ErrorCode::Invalid,
                 "strict verify profile requires --public-key/--public-key-env or private key source"};
  }
  const SignatureFinding signature = judge(pack, key);
  const bool good = pack.contents().passed() && pack.pack_id_is_right() && pack.faults().empty() &&
                    (signature.status == "verified" || unchecked);
  if (call.json) {
    answer_as_gait(call, answer_of(path, pack, signature, good));
  } else {
    call.console.answer(told(path, pack, signature, good));
  }
  return good ? 0 : row_of(ErrorCode::VerificationFailed).exit_code;
}

}  // namespace

Command pack_verify_command() {
  return {
      "pack verify",
      "PATH [--profile strict] [--public-key FILE]",
      "Checks a run pack: files, digests, id, the runpack within, proof records and signatures",
      "Exits 0 verified, 2 where something in it is missing, changed, not listed or of another run, or a signature\n"
      "does not verify, cannot be checked or is missing; 6 unreadable. Without a key flag no signature can be "
      "checked.\n"
      "Run packs are what `mcp proxy --pack-out` makes; `guard verify` checks evidence packs.",
      "countersign pack verify pack.zip --public-key trace_public.key --json",
      kFlags,
      Positionals::Anywhere,
      Shape::Gait,
      verify};
}

}  // namespace countersign::command
