// release sign: digests of files, signed by the release role in the formats that people's tools read.
#include <algorithm>
#include <filesystem>

#include "command/line/comma_list.h"
#include "command/line/command.h"
#include "command/line/input_file.h"
#include "command/line/signer_address.h"
#include "command/release/commands.h"
#include "command/release/hashed_file.h"
#include "common/durable_file.h"
#include "signer/client/signer_client.h"
#include "signer/statement/release_fields.h"

namespace countersign::command {
namespace {

namespace fs = std::filesystem;

constexpr Flag kFlags[] = {
    {"format", Flag::Kind::Text, "LIST", "all, openssl, cosign, signify, minisign, sshsig, dsse, tuf; comma-separated"},
    {"version", Flag::Kind::Text, "TEXT", "of what is released"},
    {"builder", Flag::Kind::Text, "TEXT", "who or what built it"},
    {"source-revision", Flag::Kind::Text, "TEXT", "what it was built from"},
    {"out-dir", Flag::Kind::Text, "DIR", "where manifest and signatures go (the folder of the first file)"},
    {"approval-token", Flag::Kind::Text, "FILE", "an approver's token, where the signer demands one"},
    {"approval-token-chain", Flag::Kind::Text, "FILES", "several approvers' tokens, comma-separated"},
    {"quiet", Flag::Kind::Switch, "", "no progress on stderr"},
    kSignerFlag,
};

Error invalid(std::string detail, std::string reason) {
  return Error{ErrorCode::Invalid, std::move(detail), std::move(reason)};
}

Result<Json> artifact_rows(Call& call, const Arguments& arguments) {
  std::vector<statement::ReleaseArtifact> artifacts;
  for (const std::string& path : arguments.positionals()) {
    const std::string name = fs::path(path).filename().string();
    std::function<void(std::uint64_t, std::uint64_t)> progress;
    if (!arguments.is_on("quiet")) {
      progress = [&call, name](std::uint64_t done, std::uint64_t whole) {
        call.console.tell("hashed " + std::to_string(done >> 20) + " of " + std::to_string(whole >> 20) + " MiB of " +
                          name);
      };
    }
    ASSIGN_OR_RETURN(const HashedFile hashed, hash_file(path, progress));
    artifacts.push_back({name, hashed.sha256, hashed.size});
  }
  std::ranges::sort(artifacts, {}, &statement::ReleaseArtifact::name);
  Json::Array rows;
  for (std::size_t i = 0; i < artifacts.size(); ++i) {
    if (i > 0 && artifacts[i].name == artifacts[i - 1].name) {
      return invalid("two files are named " + artifacts[i].name, "artifact_repeated");
    }
    rows.push_back(Json::object(
        {{"name", artifacts[i].name}, {"sha256", artifacts[i].sha256.hex()}, {"size", artifacts[i].size}}));
  }
  return Json(std::move(rows));
}

Result<std::vector<Json>> tokens(const Arguments& arguments) {
  std::vector<std::string> paths = comma_list(arguments.text("approval-token-chain"));
  if (arguments.given("approval-token")) paths.emplace_back(arguments.text("approval-token"));
  std::vector<Json> documents;
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(Json token, read_document("approval token", path));
    documents.push_back(std::move(token));
  }
  return documents;
}

Result<int> sign(Call& call, const Arguments& arguments) {
  if (arguments.positionals().empty())
    return invalid("release sign takes the files of the release", "artifact_missing");
  Json fields{Json::Object{}};
  for (const auto& [flag, member] : {std::pair("version", "version"), std::pair("builder", "builder"),
                                     std::pair("source-revision", "source_revision")}) {
    if (!arguments.given(flag)) return invalid("release sign needs --" + std::string(flag), "flag_missing");
    fields.set(member, arguments.text(flag));
  }
  ASSIGN_OR_RETURN(Json rows, artifact_rows(call, arguments));
  fields.set("artifacts", std::move(rows));
  fields.set("formats", Json::array(comma_list(arguments.text("format", statement::kAllFormats))));
  client::SignRequest request{statement::StatementType::Release, std::move(fields), {}, {}, {}, {}};
  ASSIGN_OR_RETURN(request.redeem, tokens(arguments));

  std::string folder(arguments.text("out-dir"));
  if (folder.empty()) folder = fs::path(arguments.positionals().front()).parent_path().string();
  if (folder.empty()) folder = ".";
  // Before an approval is spent on it.
  RETURN_IF_ERROR(prepare_output("manifest", folder + "/" + std::string(statement::kReleaseManifest)));

  client::SignerClient signer(signer_address(arguments).path);
  ASSIGN_OR_RETURN(const auto answer, signer.sign(request));
  if (const auto* refusal = std::get_if<client::Refusal>(&answer)) {
    Error error = refusal->error;
    // 403 stands for several codes; this one is a "not yet" (exit 4).
    if (error.reason == "release_approval_required") error.code = ErrorCode::ApprovalRequired;
    return error;
  }
  const client::Signed& signed_release = std::get<client::Signed>(answer);
  const Json* files = signed_release.statement.find("files");
  if (files == nullptr || !files->is_array()) {
    return Error{ErrorCode::Internal, "the signer's answer holds no files", "answer_invalid"};
  }
  Json::Array written;
  std::string text;
  for (const Json& file : files->as_array()) {
    const std::string path = folder + "/" + std::string(fs::path(file.text("name")).filename());
    std::string content(file.text("content"));
    if (file.find("content_base64") != nullptr) {
      ASSIGN_OR_RETURN(const Bytes bytes, from_base64(file.text("content_base64")));
      content = text_of(bytes);
    }
    RETURN_IF_ERROR(write_durable(path, content, 0644));
    written.push_back(path);
    text += path + "\n";
  }
  call.console.answer(call.json ? Json::object({{"ok", true},
                                                {"kid", signed_release.kid},
                                                {"log_index", signed_release.log_index},
                                                {"signed_at", signed_release.statement.text("signed_at")},
                                                {"files", std::move(written)},
                                                {"redeemed", Json::array(signed_release.redeemed)}})
                                          .compact() +
                                      "\n"
                                : text);
  return 0;
}

}  // namespace

Command release_sign_command() {
  return {
      "release sign",
      "FILE… --version TEXT --builder TEXT --source-revision TEXT [--format LIST]",
      "Signs files of a release in the formats of openssl, cosign, signify, minisign, sshsig, DSSE and TUF",
      "Only digests leave this machine. The signer writes the manifest (SHA-256, size and name of each file) and "
      "signs\n"
      "it, an in-toto statement and TUF targets. Where the signer demands approvals (exit 4), the message says how.",
      "countersign release sign tool.tar.gz tool.deb --version 1.2.3 --builder ci --source-revision a8c3d18",
      kFlags,
      Positionals::Anywhere,
      Shape::Ours,
      sign};
}

}  // namespace countersign::command
