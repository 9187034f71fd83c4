// demo: gait's demo run, to try packs out with.
#include <chrono>

#include "command/evidence/commands.h"
#include "command/evidence/runpack_file.h"
#include "command/line/command.h"
#include "command/line/input_file.h"

namespace countersign::command {
namespace {

Result<int> demo(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "unexpected positional arguments"};
  const auto started = std::chrono::steady_clock::now();
  const std::string run(packs::kDemoRun);
  const std::string path = std::string(kPackFolder) + "/runpack_" + run + ".zip";
  RETURN_IF_ERROR(prepare_output("runpack", path));
  RETURN_IF_ERROR(write_output(path, packs::demo_runpack()));
  // What lies on the disk now is what the answer is about.
  ASSIGN_OR_RETURN(const RunpackFile file, read_runpack(path));
  const bool verified = file.runpack.verified();
  const std::string footer = "GAIT run_id=" + run + " manifest=sha256:" + file.runpack.manifest_digest() +
                             " verify=\"gait verify " + run + "\"";
  const auto spent = std::chrono::steady_clock::now() - started;
  if (call.json) {
    answer_as_gait(
        call, Json::object({{"ok", verified},
                            {"mode", "standard"},
                            {"run_id", run},
                            {"bundle", "./" + path},
                            {"ticket_footer", footer},
                            {"verify", verified ? "ok" : "failed"},
                            {"duration_ms", std::int64_t{std::chrono::ceil<std::chrono::milliseconds>(spent).count()}},
                            {"next_commands", Json::array({"gait verify " + run + " --json",
                                                           "gait regress bootstrap --from " + run +
                                                               " --json --junit ./gait-out/junit.xml",
                                                           "gait demo --durable", "gait demo --policy"})},
                            {"metrics_opt_in", "export GAIT_ADOPTION_LOG=./gait-out/adoption.jsonl"}}));
  } else {
    call.console.answer("run_id=" + run + "\nbundle=./" + path + "\nticket_footer=" + footer +
                        "\nverify=" + (verified ? "ok" : "failed") + "\n");
  }
  return verified ? 0 : row_of(ErrorCode::VerificationFailed).exit_code;
}

}  // namespace

Command demo_command() {
  return {"demo",
          "",
          "Writes the demo run's pack to gait-out",
          "The same run every time, byte for byte; `guard pack --run run_demo` and `verify run_demo` take it.",
          "countersign demo --json",
          {},
          Positionals::Anywhere,
          Shape::Gait,
          demo};
}

}  // namespace countersign::command
