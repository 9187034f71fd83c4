// verify: whether a runpack holds exactly what its manifest says. verify chain: that, and a trace beside it.
#include "command/evidence/commands.h"
#include "command/evidence/runpack_answer.h"
#include "command/line/command.h"
#include "command/line/input_file.h"
#include "command/line/trace_answer.h"
#include "command/line/verifying_keys.h"

namespace countersign::command {
namespace {

constexpr Flag kVerifyFlags[] = {
    {"require-signature", Flag::Kind::Switch, "", "an unsigned runpack is refused; all runpacks are unsigned today"},
};

constexpr Flag kChainFlags[] = {
    {"run", Flag::Kind::Text, "ID", "the run, or the path of its runpack"},
    {"trace", Flag::Kind::Text, "FILE", "a trace of that run"},
    kVerifyingFlags[0],
    kVerifyingFlags[1],
    kVerifyingFlags[2],
    kVerifyingFlags[3],
};

void tell(Call& call, const Json& answer) {
  const bool good = answer.find("ok")->as_bool();
  call.console.answer((good ? "verified      " : "NOT verified  ") + std::string(answer.text("path")) +
                      "\nrun           " + std::string(answer.text("run_id")) + "\nmanifest      " +
                      std::string(answer.text("manifest_digest")) + "\n");
}

int exit_code(bool good) {
  return good ? 0 : row_of(ErrorCode::VerificationFailed).exit_code;
}

Result<int> verify(Call& call, const Arguments& arguments) {
  if (arguments.positionals().size() != 1) return Error{ErrorCode::Invalid, "expected run_id or runpack path"};
  ASSIGN_OR_RETURN(const RunpackFile file, read_runpack(arguments.positionals().front()));
  const Json answer = runpack_answer(file, arguments.is_on("require-signature"));
  if (call.json) {
    answer_as_gait(call, answer);
  } else {
    tell(call, answer);
  }
  return exit_code(answer.find("ok")->as_bool());
}

Result<int> verify_chain(Call& call, const Arguments& arguments) {
  const std::string run(arguments.text("run"));
  if (run.empty() || !arguments.positionals().empty()) return Error{ErrorCode::Invalid, "--run is required"};
  ASSIGN_OR_RETURN(const RunpackFile file, read_runpack(run));
  Json answer = Json::object({{"run", runpack_answer(file, false)}});
  bool good = file.runpack.verified();
  if (const std::string path(arguments.text("trace")); !path.empty()) {
    ASSIGN_OR_RETURN(const keymgmt::KeySet keys, verifying_keys(arguments, keymgmt::Role::Trace));
    ASSIGN_OR_RETURN(const Json trace, read_document("trace record", path));
    const TraceCheck check = check_trace(path, trace, keys);
    good = good && check.verified.has_value();
    answer.set("trace", check.members);
  }
  answer.set("ok", good);
  if (call.json) {
    answer_as_gait(call, answer);
  } else {
    tell(call, *answer.find("run"));
    if (const Json* trace = answer.find("trace")) {
      call.console.answer("trace         " + std::string(trace->text("signature_status")) + "\n");
    }
  }
  return exit_code(good);
}

}  // namespace

Command verify_command() {
  return {"verify",
          "RUN_ID|PATH",
          "Checks that a runpack holds exactly what its manifest says",
          "A run id is looked for as gait-out/runpack_<id>.zip, then in ~/.gait/runpacks. Exits 0 verified, 2 not,\n"
          "6 where there is none.",
          "countersign verify run_demo --json",
          kVerifyFlags,
          Positionals::Anywhere,
          Shape::Gait,
          verify};
}

Command verify_chain_command() {
  return {"verify chain",
          "--run ID [--trace FILE] [--public-key FILE | --trust DIR | --signer SOCKET]",
          "Checks a runpack and a trace of its run",
          "Exits 0 where both verify, 2 where one does not.",
          "countersign verify chain --run run_demo --trace ./gait-out/trace.json --json",
          kChainFlags,
          Positionals::Anywhere,
          Shape::Gait,
          verify_chain};
}

}  // namespace countersign::command
