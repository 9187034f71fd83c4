// config check: everything wrong with a configuration, without starting anything.
#include "command/line/command.h"
#include "command/upkeep/commands.h"
#include "signer/config/config.h"

namespace countersign::command {
namespace {

Result<int> check(Call& call, const Arguments& arguments) {
  if (arguments.positionals().size() != 1) return Error{ErrorCode::Invalid, "config check takes one file"};
  const std::vector<config::Finding> findings = config::check(arguments.positionals().front());
  bool usable = true;
  Json::Array rows;
  std::string text;
  for (const config::Finding& finding : findings) {
    usable = usable && !finding.error;
    rows.push_back(finding.to_json());
    text += std::string(finding.error ? "error: " : "warning: ") + finding.text() + "\n";
    if (!finding.hint.empty()) text += "  fix: " + finding.hint + "\n";
  }
  call.console.answer(call.json
                          ? Json::object({{"ok", usable}, {"findings", std::move(rows)}}).compact() + "\n"
                          : text + (usable ? "the configuration can be used\n" : "the configuration cannot be used\n"));
  return usable ? 0 : row_of(ErrorCode::Invalid).exit_code;
}

}  // namespace

Command config_check_command() {
  return {"config check",
          "FILE",
          "Checks a configuration without starting anything",
          "Exits 0 when it can be used, also with warnings, and 6 when not.",
          "countersign config check /etc/countersign/countersign.yaml",
          {},
          Positionals::Anywhere,
          Shape::Ours,
          check};
}

}  // namespace countersign::command
