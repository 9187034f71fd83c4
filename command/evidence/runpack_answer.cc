#include "command/evidence/runpack_answer.h"

namespace countersign::command {

Json runpack_answer(const RunpackFile& file, bool signature_required) {
  const packs::Runpack& run = file.runpack;
  const bool right = run.verified() && !signature_required;
  Json answer = Json::object({{"ok", right}, {"path", file.path}, {"run_id", run.run_id()}});
  run.contents().add_to(answer);
  answer.set("manifest_digest", run.manifest_digest());
  if (!run.manifest_digest_is_right()) answer.set("manifest_digest_mismatch", true);
  answer.set("signature_status", run.signatures() == 0 ? "missing" : "skipped");
  if (run.signatures() == 0) {
    answer.set("signature_note",
               "unsigned local/dev artifacts are expected by default; use --require-signature for strict verification");
  }
  if (right) {
    answer.set("next_commands",
               Json::array({"gait regress bootstrap --from " + run.run_id() + " --json --junit ./gait-out/junit.xml",
                            "gait demo --durable", "gait demo --policy"}));
  }
  return answer;
}

}  // namespace countersign::command
