// One command of the program: its words, flags and act, and how it answers. The table of all is in
// command/command_table.cc; adding a command is a file, a line in its room's commands.h and a row there.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "command/line/arguments.h"
#include "command/line/console.h"
#include "common/json.h"
#include "common/result.h"

namespace countersign::command {

// One call of the program.
struct Call {
  std::vector<std::string> argv;  // with argv[0]
  Console& console;
  bool json = false;
  std::optional<Error> failure{};  // why it ends as it does, where the command knows more than the exit code
};

// How errors and answers look: gait's where gait has the command, ours elsewhere (interfaces of the command line).
enum class Shape { Gait, Ours };

struct Command {
  std::string_view words;     // "gate eval"
  std::string_view synopsis;  // after the words in --help: "--policy FILE --intent FILE"
  std::string_view summary;   // one line
  std::string_view manual;    // what --help says beyond the flags
  std::string_view example;
  std::span<const Flag> flags;  // `--json` and `--help` are added to every command
  Positionals positionals;
  Shape shape;
  // Returns the exit code. An Error is printed in the command's shape and ends with its code's exit code.
  Result<int> (*act)(Call& call, const Arguments& arguments);
  // What gait's `--explain` prints instead of acting; empty for the summary. A command with a flag of that name acts on
  // it itself under `--json`.
  std::string_view explanation = {};
};

// gait's answer of one line, with `correlation_id`.
void answer_as_gait(Call& call, Json members);
// gait's members of a failure ("error", "error_code", …), ours as `error_detail`; add to them what the command knows.
Json gait_error(const Error& error);
// On stderr: what is wrong, and of a document the path of the member that is.
void tell_refusal(Call& call, std::string_view words, const Error& error);
// {"ok":false,"error":{"code","message","hint","field"}}, without what is empty.
Json our_error(const Error& error);

}  // namespace countersign::command
