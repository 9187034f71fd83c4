#include "command/line/command.h"
#include "command/upkeep/commands.h"

namespace countersign::command {
namespace {

Result<int> version(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "unexpected positional arguments"};
  if (call.json) {
    answer_as_gait(call, Json::object({{"ok", true}, {"version", COUNTERSIGN_VERSION}}));
  } else {
    call.console.answer("countersign " COUNTERSIGN_VERSION "\n");
  }
  return 0;
}

}  // namespace

Command version_command() {
  return {
      "version",   "",     "Says which version this is", "", "countersign version --json", {}, Positionals::EndFlags,
      Shape::Gait, version};
}

}  // namespace countersign::command
