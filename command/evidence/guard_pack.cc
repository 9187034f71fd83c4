// guard pack: the evidence of one run in one archive, its manifest signed.
#include "command/evidence/commands.h"
#include "command/evidence/pack_evidence.h"
#include "command/evidence/pack_making.h"
#include "command/line/command.h"
#include "command/line/signer_address.h"
#include "common/text.h"
#include "gate/document/optional_members.h"
#include "signer/statement/statement.h"

namespace countersign::command {
namespace {

std::span<const Flag> flags() {
  static const std::vector<Flag> all = [] {
    std::vector<Flag> out(std::begin(kEvidenceFlags), std::end(kEvidenceFlags));
    out.push_back(
        {"out", Flag::Kind::Text, "FILE", "where the pack goes (evidence_pack_<pack_id>.zip beside the runpack)"});
    out.insert(out.end(), std::begin(kPackFlags), std::end(kPackFlags));
    out.push_back(kSignerFlag);
    return out;
  }();
  return all;
}

void answer(Call& call, const MadePack& pack) {
  if (!pack.notice.empty()) call.console.tell(pack.notice);
  if (pack.unverified > 0) {
    call.console.tell("warning: " + std::to_string(pack.unverified) + " documents in the pack did not verify: see " +
                      "report.txt in it");
  }
  const Json& manifest = pack.manifest;
  if (!call.json) {
    std::string text = "pack          " + pack.path + "\npack id       " + std::string(manifest.text("pack_id")) +
                       "\nrun           " + std::string(manifest.text("run_id")) + "\ntemplate      " +
                       std::string(manifest.text("template_id")) + "\n";
    if (pack.by_signer) text += "log proofs    " + std::to_string(pack.log_proofs) + "\n";
    call.console.answer(text);
    return;
  }
  Json members = Json::object({{"ok", true},
                               {"pack_path", pack.path},
                               {"pack_id", manifest.text("pack_id")},
                               {"run_id", manifest.text("run_id")},
                               {"template_id", manifest.text("template_id")},
                               {"controls", pack.controls},
                               {"manifest_path", pack.path + "#" + std::string(statement::kPackManifestName)}});
  gate::put(members, "rendered", pack.rendered);
  gate::put(members, "log_proofs", pack.log_proofs);
  gate::put(members, "unverified", pack.unverified);
  if (!pack.warnings.empty()) members.set("warnings", Json::array(pack.warnings));
  answer_as_gait(call, std::move(members));
}

Result<int> pack(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "unexpected positional arguments"};
  if (trimmed(arguments.text("run")).empty()) return Error{ErrorCode::Invalid, "--run is required"};
  ASSIGN_OR_RETURN(const MadePack made, make_pack(arguments, std::string(trimmed(arguments.text("out")))));
  answer(call, made);
  return 0;
}

}  // namespace

Command guard_pack_command() {
  return {"guard pack",
          "--run ID|PATH [--template NAME] [--trace FILES] [flags]",
          "Packs the evidence of a run into one signed archive",
          "The signer's ledger gives everything that was signed and executed in the run, its log the proofs; evidence\n"
          "of the run beside its runpack, or in the folder that --run names, is compared with it. All of it must\n"
          "verify and be recorded: else exit 2, naming each. report.html and report.txt in the pack are for people.\n"
          "The signer's trace key signs the manifest. The peer needs `evidence` and `sign:pack` or `sign:trace`.",
          "countersign guard pack --run run_7 --case-id INC-7 --published /srv/countersign-published --json",
          flags(),
          Positionals::Anywhere,
          Shape::Gait,
          pack};
}

}  // namespace countersign::command
