// trace triage: a decision as an item for an issue tracker, the same one each time.
#include <filesystem>

#include "command/evidence/commands.h"
#include "command/evidence/triage_item.h"
#include "command/line/command.h"
#include "command/line/input_file.h"
#include "command/line/verifying_keys.h"
#include "common/text.h"
#include "signer/process/child_program.h"
#include "signer/statement/statement.h"

namespace countersign::command {
namespace {

constexpr Flag kFlags[] = {
    {"trace", Flag::Kind::Text, "FILE", "the trace"},
    {"dry-run", Flag::Kind::Switch, "", "show the item and file nothing (the default)"},
    {"live", Flag::Kind::Switch, "", "file it with beads: bd create TITLE --description TEXT"},
    {"bd-bin", Flag::Kind::Text, "PROGRAM", "beads' program (bd, along PATH)"},
    {"verify", Flag::Kind::Switch, "", "refuse a trace that does not verify; implied by --trust and --public-key"},
    kVerifyingFlags[0],
    kVerifyingFlags[1],
    kTrustFlag,
    kSignerFlag,
};

Status file(const Arguments& arguments, const Json& item) {
  const std::string program(arguments.text("bd-bin", "bd"));
  const auto done = process::run_program(
      {program, "create", std::string(item.text("title")), "--description", std::string(item.text("description"))}, "");
  if (done && done->exit_code == 0) return ok();
  return Error{ErrorCode::Unavailable,
               program + (done ? " ended with " + std::to_string(done->exit_code) : " cannot be run"),
               "triage_not_filed", "--dry-run shows the item; install beads (bd), or name it with --bd-bin"};
}

Result<int> triage(Call& call, const Arguments& arguments) {
  const std::string given(arguments.text("trace"));
  if (given.empty() || !arguments.positionals().empty()) return Error{ErrorCode::Invalid, "--trace FILE is required"};
  if (arguments.is_on("live") && arguments.is_on("dry-run")) {
    return Error{ErrorCode::Invalid, "either --dry-run or --live"};
  }
  ASSIGN_OR_RETURN(const Json trace, read_document("trace", given));
  if (trace.text("schema_id") != "gait.gate.trace") return Error{ErrorCode::Invalid, given + " is no trace"};
  if (arguments.is_on("verify") || arguments.given("trust") || arguments.given("public-key")) {
    ASSIGN_OR_RETURN(const keymgmt::KeySet keys, verifying_keys(arguments, keymgmt::Role::Trace));
    RETURN_IF_ERROR(statement::VerifiedDocument::verify(statement::StatementType::Trace, trace, keys));
  }
  std::error_code error;
  const std::string path = std::filesystem::canonical(given, error).string();
  const bool live = arguments.is_on("live");
  const Json item = triage_item(trace, error ? given : path, live ? "live" : "dry_run");
  if (live) RETURN_IF_ERROR(file(arguments, item));
  call.console.answer(call.json ? item.compact() + "\n"
                                : std::string(item.text("title")) + "\n\n" + std::string(item.text("description")));
  return 0;
}

}  // namespace

Command trace_triage_command() {
  return {
      "trace triage",
      "--trace FILE [--dry-run | --live] [--bd-bin PROGRAM]",
      "Makes an item for an issue tracker of a decision, the same one each time",
      "The verdict, why, and under which policy. Nothing is filed without --live. Exit 2: --verify, and it does not.",
      "countersign trace triage --trace trace.json --json",
      kFlags,
      Positionals::Anywhere,
      Shape::Ours,
      triage};
}

}  // namespace countersign::command
