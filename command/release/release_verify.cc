// release verify: every signature that lies beside a manifest, and the files it names.
#include <algorithm>
#include <filesystem>

#include "command/line/command.h"
#include "command/line/verifying_keys.h"
#include "command/release/commands.h"
#include "command/release/hashed_file.h"
#include "command/release/release_signatures.h"
#include "common/clock.h"
#include "common/durable_file.h"

namespace countersign::command {
namespace {

namespace fs = std::filesystem;

constexpr Flag kFlags[] = {
    {"dir", Flag::Kind::Text, "DIR", "where manifest and signatures are (the folder of the first file)"},
    {"quiet", Flag::Kind::Switch, "", "no progress on stderr"},
    kVerifyingFlags[0],
    kVerifyingFlags[1],
    kVerifyingFlags[2],
    kVerifyingFlags[3],
};

Error unverified(std::string reason, std::string detail) {
  return Error{ErrorCode::VerificationFailed, std::move(detail), std::move(reason)};
}

Status check_artifact(Call& call, const Arguments& arguments, const std::string& path,
                      const std::vector<statement::ReleaseArtifact>& artifacts) {
  const std::string name = fs::path(path).filename().string();
  const auto listed = std::ranges::find(artifacts, name, &statement::ReleaseArtifact::name);
  if (listed == artifacts.end()) return unverified("artifact_unlisted", "the manifest does not list " + name);
  std::function<void(std::uint64_t, std::uint64_t)> progress;
  if (!arguments.is_on("quiet")) {
    progress = [&call, name](std::uint64_t done, std::uint64_t whole) {
      call.console.tell("hashed " + std::to_string(done >> 20) + " of " + std::to_string(whole >> 20) + " MiB of " +
                        name);
    };
  }
  ASSIGN_OR_RETURN(const HashedFile hashed, hash_file(path, progress));
  if (hashed.size == listed->size && hashed.sha256 == listed->sha256) return ok();
  return unverified("artifact_mismatch", name + " is not the file that was signed");
}

Result<int> verify(Call& call, const Arguments& arguments) {
  std::string folder(arguments.text("dir"));
  if (folder.empty() && !arguments.positionals().empty()) {
    folder = fs::path(arguments.positionals().front()).parent_path().string();
  }
  if (folder.empty()) folder = ".";
  ASSIGN_OR_RETURN(const keymgmt::KeySet keys, verifying_keys(arguments, keymgmt::Role::Release));
  ASSIGN_OR_RETURN(const std::string manifest, read_file(folder + "/" + std::string(statement::kReleaseManifest)));
  ASSIGN_OR_RETURN(const std::vector<statement::ReleaseArtifact> artifacts,
                   statement::parse_release_manifest(manifest));
  const SignedManifest signed_manifest{manifest, artifacts, keys, SystemClock().now()};
  Json::Array rows;
  std::string text;
  for (const ReleaseSignatureFile& each : release_signature_files()) {
    const std::string path = folder + "/" + std::string(each.name);
    const Result<std::string> content = read_file(path);
    if (!content && content.error().code == ErrorCode::NotFound) continue;
    if (!content) return content.error();
    const Result<std::string> kid = each.verify(*content, signed_manifest);
    if (!kid) return unverified(kid.error().wire_code(), std::string(each.name) + ": " + kid.error().detail);
    rows.push_back(Json::object({{"file", each.name}, {"format", each.format}, {"kid", *kid}}));
    text += "verified " + std::string(each.name) + " (" + *kid + ")\n";
  }
  if (rows.empty()) return unverified("signature_missing", "no signature lies beside the manifest in " + folder);
  std::vector<std::string> paths = arguments.positionals();
  if (paths.empty()) {
    for (const statement::ReleaseArtifact& each : artifacts) paths.push_back(folder + "/" + each.name);
  }
  for (const std::string& path : paths) {
    RETURN_IF_ERROR(check_artifact(call, arguments, path, artifacts));
    text += "matches  " + fs::path(path).filename().string() + "\n";
  }
  call.console.answer(
      call.json
          ? Json::object({{"ok", true}, {"signatures", std::move(rows)}, {"artifacts", Json::array(paths)}}).compact() +
                "\n"
          : text);
  return 0;
}

}  // namespace

Command release_verify_command() {
  return {"release verify",
          "[FILE…] [--dir DIR] [--public-key FILE | --trust DIR | --signer SOCKET]",
          "Checks files against a release's manifest, and every signature beside it",
          "One signature at least must be there, and every one that is there must verify. Without files, all that the\n"
          "manifest lists are checked. Exits 0 verified, 2 not.",
          "countersign release verify tool.tar.gz --public-key release.pem",
          kFlags,
          Positionals::Anywhere,
          Shape::Ours,
          verify};
}

}  // namespace countersign::command
