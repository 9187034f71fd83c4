#include "command/evidence/pack_making.h"

#include <filesystem>

#include "command/evidence/pack_evidence.h"
#include "command/line/input_file.h"
#include "command/line/key_files.h"
#include "command/line/signer_address.h"
#include "common/text.h"
#include "packs/evidence_pack.h"
#include "signer/client/signer_client.h"

namespace countersign::command {
namespace {

packs::PackInputs inputs_of(const Arguments& arguments, PackEvidence evidence, const packs::Runpack& run) {
  packs::PackInputs inputs{run,
                           std::string(trimmed(arguments.text("case-id"))),
                           std::string(arguments.text("template", "incident_response")),
                           std::move(evidence.traces),
                           std::move(evidence.approval_audits),
                           std::move(evidence.credential_evidence),
                           std::move(evidence.inventories),
                           std::move(evidence.regress_results),
                           std::move(evidence.proofs)};
  inputs.rendered = arguments.is_on("render-pdf");
  return inputs;
}

std::string place_of(const std::string& out, const std::string& runpack, std::string_view pack_id) {
  if (!out.empty()) return out;
  return (std::filesystem::path(runpack).parent_path() / ("evidence_pack_" + std::string(pack_id) + ".zip")).string();
}

// `sign` makes the signed manifest of a draft.
template <typename Sign>
Result<MadePack> pack_of(const Arguments& arguments, PackEvidence evidence, const std::string& out, const Sign& sign) {
  MadePack made;
  if (evidence.proofs) {
    made.log_proofs = static_cast<std::int64_t>(evidence.proofs->log_proofs.size());
    made.unverified = static_cast<std::int64_t>(evidence.proofs->unverified.size());
  }
  const RunpackFile run = evidence.run;
  ASSIGN_OR_RETURN(packs::PackDraft draft, packs::draft_pack(inputs_of(arguments, std::move(evidence), run.runpack)));
  RETURN_IF_ERROR(prepare_output("evidence pack", place_of(out, run.path, "pack")));
  ASSIGN_OR_RETURN(made.manifest, sign(draft));
  made.controls = draft.controls;
  made.rendered = draft.rendered;
  made.path = place_of(out, run.path, made.manifest.text("pack_id"));
  RETURN_IF_ERROR(write_output(made.path, packs::sealed_pack(std::move(draft), made.manifest)));
  return made;
}

Result<MadePack> by_key_file(const Arguments& arguments, const std::string& out) {
  ASSIGN_OR_RETURN(const FileSigner signer, FileSigner::load(arguments));
  ASSIGN_OR_RETURN(PackEvidence evidence, gather_files(arguments));
  ASSIGN_OR_RETURN(MadePack made,
                   pack_of(arguments, std::move(evidence), out, [&](const packs::PackDraft& draft) -> Result<Json> {
                     Json manifest = packs::gait_manifest(draft);
                     const Digest digest = manifest.digest();
                     manifest.set("signatures", Json::Array{signer.envelope(digest)});
                     return manifest;
                   }));
  made.warnings = signer.warnings();
  made.notice = signer.notice();
  return made;
}

Result<MadePack> by_signer(const Arguments& arguments, const std::string& out) {
  client::SignerClient signer(signer_address(arguments).path);
  ASSIGN_OR_RETURN(const keymgmt::KeySet keys, signer.keys());
  ASSIGN_OR_RETURN(PackEvidence evidence, gather_recorded(arguments, keys, signer, out.empty()));
  ASSIGN_OR_RETURN(MadePack made,
                   pack_of(arguments, std::move(evidence), out, [&](const packs::PackDraft& draft) -> Result<Json> {
                     client::SignRequest request;
                     request.type = statement::StatementType::EvidencePack;
                     request.fields = draft.statement;
                     ASSIGN_OR_RETURN(auto answer, signer.sign(request));
                     if (const auto* refusal = std::get_if<client::Refusal>(&answer)) return refusal->error;
                     return std::move(std::get<client::Signed>(answer).statement);
                   }));
  made.by_signer = true;
  return made;
}

}  // namespace

Result<MadePack> make_pack(const Arguments& arguments, const std::string& out) {
  return in_key_file_mode(arguments) ? by_key_file(arguments, out) : by_signer(arguments, out);
}

}  // namespace countersign::command
