// guard pack: the evidence of one run in one archive, its manifest signed.
#include <filesystem>
#include <functional>
#include <memory>

#include "command/command.h"
#include "command/commands.h"
#include "command/input_file.h"
#include "command/key_files.h"
#include "command/pack_evidence.h"
#include "command/signer_address.h"
#include "common/text.h"
#include "gate/optional_members.h"
#include "signer/client/signer_client.h"

namespace countersign::command {
namespace {

constexpr Flag kFlags[] = {
    {"run", Flag::Kind::Text, "ID", "the run, or the path of its runpack"},
    {"out", Flag::Kind::Text, "FILE", "where the pack goes (evidence_pack_<pack_id>.zip beside the runpack)"},
    {"case-id", Flag::Kind::Text, "TEXT", "the incident or ticket it is for"},
    {"template", Flag::Kind::Text, "NAME", "soc2, pci or incident_response (default)"},
    {"trace", Flag::Kind::Text, "FILES", "traces of the run, separated by commas"},
    {"approval-audit", Flag::Kind::Text, "FILES", "approval audits beside those in the runpack's folder"},
    {"credential-evidence", Flag::Kind::Text, "FILES", "credential evidence beside that in the runpack's folder"},
    {"inventory", Flag::Kind::Text, "FILES", "inventories of tools"},
    {"regress", Flag::Kind::Text, "FILES", "results of regression runs"},
    {"render-pdf", Flag::Kind::Switch, "", "add summary.pdf, a page for people"},
    kSignerFlag,
};

// Who signs the manifest, and whose signatures count on the evidence.
struct PackSigner {
  std::optional<keymgmt::KeySet> keys;  // none: evidence is taken as its own digest says
  std::function<Result<Json>(const packs::PackDraft& draft)> sign;
  std::vector<std::string> warnings;
  std::string notice;
};

// The signer's trace key, whose word sets pack id and time.
Result<PackSigner> signer_of(const Arguments& arguments) {
  auto signer = std::make_shared<client::SignerClient>(signer_address(arguments).path);
  PackSigner out;
  ASSIGN_OR_RETURN(out.keys, signer->keys());
  out.sign = [signer](const packs::PackDraft& draft) -> Result<Json> {
    client::SignRequest request;
    request.type = statement::StatementType::EvidencePack;
    request.fields = draft.statement;
    ASSIGN_OR_RETURN(auto answer, signer->sign(request));
    if (const auto* refusal = std::get_if<client::Refusal>(&answer)) return refusal->error;
    return std::move(std::get<client::Signed>(answer).statement);
  };
  return out;
}

Result<PackSigner> key_file_signer(const Arguments& arguments) {
  ASSIGN_OR_RETURN(const FileSigner signer, FileSigner::load(arguments));
  PackSigner out;
  out.sign = [signer](const packs::PackDraft& draft) -> Result<Json> {
    Json manifest = packs::gait_manifest(draft);
    const Digest digest = manifest.digest();
    manifest.set("signatures", Json::Array{signer.envelope(digest)});
    return manifest;
  };
  out.warnings = signer.warnings();
  out.notice = signer.notice();
  return out;
}

std::string place_of(const Arguments& arguments, const std::string& runpack, std::string_view pack_id) {
  const std::string out(trimmed(arguments.text("out")));
  if (!out.empty()) return out;
  return (std::filesystem::path(runpack).parent_path() / ("evidence_pack_" + std::string(pack_id) + ".zip")).string();
}

void answer(Call& call, const Json& manifest, const packs::PackDraft& draft, const std::string& path,
            const PackSigner& signer) {
  if (!signer.notice.empty()) call.console.tell(signer.notice);
  if (!call.json) {
    call.console.answer("pack          " + path + "\npack id       " + std::string(manifest.text("pack_id")) +
                        "\nrun           " + std::string(manifest.text("run_id")) + "\ntemplate      " +
                        std::string(manifest.text("template_id")) + "\n");
    return;
  }
  Json members = Json::object({{"ok", true},
                               {"pack_path", path},
                               {"pack_id", manifest.text("pack_id")},
                               {"run_id", manifest.text("run_id")},
                               {"template_id", manifest.text("template_id")},
                               {"controls", draft.controls},
                               {"manifest_path", path + "#" + std::string(statement::kPackManifestName)}});
  gate::put(members, "rendered", draft.rendered);
  if (!signer.warnings.empty()) members.set("warnings", Json::array(signer.warnings));
  answer_as_gait(call, std::move(members));
}

Result<int> pack(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "unexpected positional arguments"};
  if (trimmed(arguments.text("run")).empty()) return Error{ErrorCode::Invalid, "--run is required"};
  const bool key_files = in_key_file_mode(arguments);
  ASSIGN_OR_RETURN(const PackSigner signer, key_files ? key_file_signer(arguments) : signer_of(arguments));
  ASSIGN_OR_RETURN(const PackEvidence evidence, gather_evidence(arguments, signer.keys));
  packs::PackInputs inputs{evidence.run.runpack,
                           std::string(trimmed(arguments.text("case-id"))),
                           std::string(arguments.text("template", "incident_response")),
                           evidence.traces,
                           evidence.approval_audits,
                           evidence.credential_evidence,
                           evidence.inventories,
                           evidence.regress_results};
  inputs.whole_traces = !key_files;
  inputs.rendered = arguments.is_on("render-pdf");
  ASSIGN_OR_RETURN(packs::PackDraft draft, packs::draft_pack(inputs));
  RETURN_IF_ERROR(prepare_output("evidence pack", place_of(arguments, evidence.run.path, "pack")));
  ASSIGN_OR_RETURN(const Json manifest, signer.sign(draft));
  const std::string path = place_of(arguments, evidence.run.path, manifest.text("pack_id"));
  RETURN_IF_ERROR(write_output(path, packs::sealed_pack(draft, manifest)));
  answer(call, manifest, draft, path, signer);
  return 0;
}

}  // namespace

Command guard_pack_command() {
  return {"guard pack",
          "--run ID|PATH [--template NAME] [--trace FILES] [flags]",
          "Packs the evidence of a run into one signed archive",
          "Approval audits and credential evidence beside the runpack are found; traces are named. All of it must\n"
          "verify: forged evidence exits 2. The signer's trace key signs the manifest.",
          "countersign guard pack --run run_demo --template incident_response --trace ./gait-out/trace.json --json",
          kFlags,
          Positionals::Anywhere,
          Shape::Gait,
          pack};
}

}  // namespace countersign::command
