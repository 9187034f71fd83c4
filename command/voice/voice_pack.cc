// voice pack build|verify|inspect|diff: what was said in a call and why it was allowed, in one archive (docs/voice.md).
#include <filesystem>

#include "command/evidence/pack_answer.h"
#include "command/evidence/runpack_file.h"
#include "command/line/input_file.h"
#include "command/line/key_files.h"
#include "command/voice/commands.h"
#include "common/text.h"
#include "gate/document/optional_members.h"
#include "packs/call_pack.h"

namespace countersign::command {
namespace {

constexpr Flag kBuildFlags[] = {
    {"from", Flag::Kind::Text, "FILE", "the record of the call, JSON"},
    {"out", Flag::Kind::Text, "FILE", "where the pack goes (pack_<pack_id>.zip beside the record)"},
};
constexpr Flag kVerifyFlags[] = {
    {"path", Flag::Kind::Text, "FILE", "the pack, where it is no word of its own"},
    {"profile", Flag::Kind::Text, "NAME", "standard (default), or strict: a key must be named, and sign everything"},
    {"require-signature", Flag::Kind::Switch, "", "as strict asks"},
    {"no-signature-check", Flag::Kind::Switch, "", "a signed pack without a key is no failure, as in gait"},
};
constexpr Flag kInspectFlags[] = {
    {"path", Flag::Kind::Text, "FILE", "the pack, where it is no word of its own"},
};
constexpr Flag kDiffFlags[] = {
    {"output", Flag::Kind::Text, "FILE", "where the difference goes, as JSON"},
};

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

std::string text_of(const Arguments& arguments, std::string_view flag) {
  return std::string(trimmed(arguments.text(flag)));
}

PackNames names_of(const packs::CallPack& pack) {
  return {pack.pack_id(), packs::kCallType, pack.source_ref()};
}

Result<packs::CallPack> read_pack(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string bytes, read_archive("pack", path));
  return packs::CallPack::parse(bytes);
}

struct SourceRun {
  packs::Runpack run;
  std::string archive;
};

// Relative paths are the record's neighbours.
Result<SourceRun> source_run(const std::string& record_path, const std::string& runpack_path) {
  const std::filesystem::path named(runpack_path);
  const std::string path =
      named.is_absolute() ? runpack_path : (std::filesystem::path(record_path).parent_path() / named).string();
  ASSIGN_OR_RETURN(std::string archive, read_archive("source runpack", path));
  Result<packs::Runpack> run = packs::Runpack::parse(archive);
  if (!run) return Error{ErrorCode::VerificationFailed, "verify source runpack: " + run.error().detail, "bad_runpack"};
  if (!run->verified()) return invalid("source runpack failed integrity checks");
  return SourceRun{*std::move(run), std::move(archive)};
}

// Nobody signs unless a key is named, as in gait.
Result<std::optional<FileSigner>> pack_signer(const Arguments& given) {
  const std::string mode = lowered(text_of(given, "key-mode"));
  const bool named = !text_of(given, "private-key").empty() || !text_of(given, "private-key-env").empty();
  if (!mode.empty() && mode != "none" && mode != "dev" && mode != "prod") {
    return invalid("--key-mode must be none, dev, or prod");
  }
  if ((mode.empty() || mode == "none") && !named) return std::optional<FileSigner>();
  Arguments arguments = given;
  if (mode.empty() || mode == "none") arguments.set("key-mode", "prod");
  ASSIGN_OR_RETURN(FileSigner signer, FileSigner::load(arguments));
  return std::optional(std::move(signer));
}

packs::PackSigner signing_by(const FileSigner& signer) {
  return {signer.public_key().gait_key_id(), [&signer](const Digest& digest) { return signer.envelope(digest); },
          [&signer](std::string_view text) { return signer.text_signature(text); }};
}

Result<int> build(Call& call, const Arguments& arguments) {
  std::string from = text_of(arguments, "from");
  if (from.empty() && !arguments.positionals().empty()) from = std::string(trimmed(arguments.positionals().front()));
  if (from.empty()) return invalid("--from is required");
  ASSIGN_OR_RETURN(const std::optional<FileSigner> signer, pack_signer(arguments));
  ASSIGN_OR_RETURN(const Json document, read_document("call record", from));
  ASSIGN_OR_RETURN(const packs::CallRecord record, packs::CallRecord::parse(document));
  ASSIGN_OR_RETURN(const SourceRun source, source_run(from, record.runpack_path));
  std::optional<packs::PackSigner> signing;
  if (signer) signing = signing_by(*signer);
  const packs::BuiltCallPack pack =
      packs::build_call_pack(record, source.run, source.archive, signing ? &*signing : nullptr);
  const std::string pack_id(pack.manifest.text("pack_id"));
  std::string out = text_of(arguments, "out");
  if (out.empty()) out = (std::filesystem::path(from).parent_path() / ("pack_" + pack_id + ".zip")).string();
  RETURN_IF_ERROR(prepare_output("pack", out));
  RETURN_IF_ERROR(write_output(out, pack.archive));
  call.console.tell(signer ? signer->notice() : "voice pack build: unsigned; --private-key FILE signs it");
  if (!call.json) {
    call.console.answer("pack          " + out + "\npack id       " + pack_id + "\ncall          " +
                        displayed(record.call_id) + "\n");
    return 0;
  }
  Json members = pack_answer("build", true);
  members.set("path", out);
  PackNames{pack_id, packs::kCallType, record.call_id}.add_to(members);
  if (signer && !signer->warnings().empty()) members.set("warnings", Json::array(signer->warnings()));
  answer_as_gait(call, std::move(members));
  return 0;
}

Result<int> verify(Call& call, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const std::string path, pack_path(arguments));
  ASSIGN_OR_RETURN(const std::optional<SourcedPublicKey> key, verify_key(arguments, ""));
  ASSIGN_OR_RETURN(const PackDemand demand, pack_demand(arguments, key.has_value()));
  ASSIGN_OR_RETURN(const packs::CallPack pack, read_pack(path));
  ASSIGN_OR_RETURN(const packs::CallPack::Check check, pack.check(key ? &key->key : nullptr, demand.signature));
  const std::string& status = check.signature_status;
  const bool believed = status == "verified" || (!demand.signature && !key && status == "missing") ||
                        (status == "skipped" && demand.unchecked);
  const bool good = pack.contents().passed() && believed;
  if (call.json) {
    Json members = pack_answer("verify", good);
    members.set("path", path);
    names_of(pack).add_to(members);
    members.set("verify", pack_findings(names_of(pack), pack.contents(), check.proof_records,
                                        {status, check.signature_errors, pack.signatures(), check.signatures_valid}));
    answer_as_gait(call, std::move(members));
  } else {
    call.console.answer((good ? "verified      " : "NOT verified  ") + path + "\npack          " +
                        std::string(pack.pack_id()) + "\ncall          " + displayed(pack.source_ref()) +
                        "\nsignature     " + status + "\n");
  }
  for (const std::string& error : check.signature_errors) call.console.tell("voice pack verify: " + error);
  if (status == "skipped" && !demand.unchecked) {
    call.console.tell("hint: name the key (--public-key), or pass --no-signature-check");
  }
  return good ? 0 : row_of(ErrorCode::VerificationFailed).exit_code;
}

Result<int> inspect(Call& call, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const std::string path, pack_path(arguments));
  ASSIGN_OR_RETURN(const packs::CallPack pack, read_pack(path));
  const std::optional<Json> payload = pack.payload();
  if (!call.json) {
    std::string text =
        "pack          " + std::string(pack.pack_id()) + "\ncall          " + displayed(pack.source_ref()) + "\n";
    for (const Json& row : pack.manifest().find("contents")->as_array()) {
      text += "file          " + displayed(row.text("path")) + "\n";
    }
    call.console.answer(text);
    return 0;
  }
  Json found{Json::Object{}};
  names_of(pack).add_to(found);
  found.set("manifest", pack.manifest());
  if (payload) found.set("call_payload", *payload);
  Json members = pack_answer("inspect", true);
  members.set("path", path);
  names_of(pack).add_to(members);
  members.set("inspect", std::move(found));
  answer_as_gait(call, std::move(members));
  return 0;
}

Result<int> diff(Call& call, const Arguments& arguments) {
  if (arguments.positionals().size() != 2) return invalid("expected <left> <right>");
  ASSIGN_OR_RETURN(const packs::CallPack left, read_pack(std::string(trimmed(arguments.positionals()[0]))));
  ASSIGN_OR_RETURN(const packs::CallPack right, read_pack(std::string(trimmed(arguments.positionals()[1]))));
  Json difference = packs::pack_difference(left, right);
  const bool same = !difference.find("summary")->find("changed")->as_bool();
  const std::string output = text_of(arguments, "output");
  if (!output.empty()) {
    RETURN_IF_ERROR(prepare_output("pack difference", output));
    RETURN_IF_ERROR(write_output(output, difference.compact()));
  }
  const int exit_code = same ? 0 : row_of(ErrorCode::VerificationFailed).exit_code;
  if (call.json) {
    Json members = pack_answer("diff", same);
    gate::put(members, "path", output);
    members.set("diff", Json::object({{"Result", std::move(difference)}}));
    answer_as_gait(call, std::move(members));
    return exit_code;
  }
  std::string text = same ? "equal         " + std::string(left.pack_id()) + "\n" : "";
  for (const auto& [member, title] : {std::pair{"added_files", "added         "},
                                      {"removed_files", "removed       "},
                                      {"changed_files", "changed       "}}) {
    for (const std::string& file : gate::texts_of(difference.find("summary")->find(member))) {
      text += title + displayed(file) + "\n";
    }
  }
  if (!same && text.empty()) text = "changed       the manifest alone\n";
  call.console.answer(text);
  return exit_code;
}

}  // namespace

Command voice_pack_build_command() {
  return {"voice pack build",
          "--from FILE [--out FILE] [--key-mode none|dev|prod] [--private-key FILE]",
          "Makes a pack of what happened in a call, if nothing was said in it that was not allowed",
          "Exits 6 where the record is malformed, lacks an event that every call has, or has a sentence without say "
          "token,\n"
          "receipt and earlier allow. Unsigned unless a key file signs it, as gait's.",
          "countersign voice pack build --from call_record.json --out call.zip --json",
          kBuildFlags,
          Positionals::Anywhere,
          Shape::Gait,
          build};
}

Command voice_pack_verify_command() {
  return {
      "voice pack verify",
      "PATH [--profile standard|strict] [--public-key FILE]",
      "Checks a call pack: files, digests, id, proof records, what it says of the call, signatures",
      "Exits 0 verified, 2 not, 6 unreadable. With a key the pack must be signed by it; --profile strict wants each\n"
      "proof record signed as well.",
      "countersign voice pack verify call.zip --public-key release_public.key --json",
      kVerifyFlags,
      Positionals::Anywhere,
      Shape::Gait,
      verify};
}

Command voice_pack_inspect_command() {
  return {"voice pack inspect",
          "PATH",
          "What a call pack says of itself; nothing is verified but its id",
          "",
          "countersign voice pack inspect call.zip --json",
          kInspectFlags,
          Positionals::Anywhere,
          Shape::Gait,
          inspect};
}

Command voice_pack_diff_command() {
  return {"voice pack diff",
          "LEFT RIGHT [--output FILE]",
          "Which files two call packs do not have in common",
          "Exits 0 where they are equal and 2 where they are not.",
          "countersign voice pack diff monday.zip tuesday.zip --json",
          kDiffFlags,
          Positionals::Anywhere,
          Shape::Gait,
          diff};
}

}  // namespace countersign::command
