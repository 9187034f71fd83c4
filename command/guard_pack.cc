// guard pack: the evidence of one run in one archive, its manifest signed.
#include <filesystem>

#include "command/command.h"
#include "command/commands.h"
#include "command/input_file.h"
#include "command/pack_evidence.h"
#include "command/signer_address.h"
#include "common/text.h"
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
    kSignerFlag,
};

// The signer's word on the manifest: it sets pack id and time, and signs.
Result<Json> signed_manifest(client::SignerClient& signer, const Json& fields) {
  client::SignRequest request;
  request.type = statement::StatementType::EvidencePack;
  request.fields = fields;
  ASSIGN_OR_RETURN(auto answer, signer.sign(request));
  if (const auto* refusal = std::get_if<client::Refusal>(&answer)) return refusal->error;
  return std::move(std::get<client::Signed>(answer).statement);
}

std::string place_of(const Arguments& arguments, const std::string& runpack, std::string_view pack_id) {
  const std::string out(trimmed(arguments.text("out")));
  if (!out.empty()) return out;
  return (std::filesystem::path(runpack).parent_path() / ("evidence_pack_" + std::string(pack_id) + ".zip")).string();
}

Result<int> pack(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "unexpected positional arguments"};
  if (trimmed(arguments.text("run")).empty()) return Error{ErrorCode::Invalid, "--run is required"};
  client::SignerClient signer(signer_address(arguments).path);
  ASSIGN_OR_RETURN(const keymgmt::KeySet keys, signer.keys());
  ASSIGN_OR_RETURN(const PackEvidence evidence, gather_evidence(arguments, keys));
  packs::PackInputs inputs{evidence.run.runpack,
                           std::string(trimmed(arguments.text("case-id"))),
                           std::string(arguments.text("template", "incident_response")),
                           evidence.traces,
                           evidence.approval_audits,
                           evidence.credential_evidence,
                           evidence.inventories,
                           evidence.regress_results,
                           true};
  ASSIGN_OR_RETURN(packs::PackDraft draft, packs::draft_pack(inputs));
  RETURN_IF_ERROR(prepare_output("evidence pack", place_of(arguments, evidence.run.path, "pack")));
  ASSIGN_OR_RETURN(const Json manifest, signed_manifest(signer, draft.statement));
  const std::int64_t controls = draft.controls;
  const std::string path = place_of(arguments, evidence.run.path, manifest.text("pack_id"));
  RETURN_IF_ERROR(write_output(path, packs::sealed_pack(std::move(draft), manifest)));
  if (call.json) {
    answer_as_gait(call, Json::object({{"ok", true},
                                       {"pack_path", path},
                                       {"pack_id", manifest.text("pack_id")},
                                       {"run_id", manifest.text("run_id")},
                                       {"template_id", manifest.text("template_id")},
                                       {"controls", controls},
                                       {"manifest_path", path + "#" + std::string(statement::kPackManifestName)}}));
  } else {
    call.console.answer("pack          " + path + "\npack id       " + std::string(manifest.text("pack_id")) +
                        "\nrun           " + std::string(manifest.text("run_id")) + "\ntemplate      " +
                        std::string(manifest.text("template_id")) + "\n");
  }
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
