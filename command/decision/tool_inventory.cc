#include "command/decision/tool_inventory.h"

#include "command/decision/fail_closed_mode.h"
#include "command/line/input_file.h"
#include "common/text.h"
#include "gate/document/paths.h"

namespace countersign::command {

Result<std::optional<gate::ToolInventory>> read_tool_inventory(const Arguments& arguments, const gate::Intent& intent,
                                                               std::vector<std::string>& warnings) {
  const std::string path(trimmed(arguments.text("wrkr-inventory")));
  if (path.empty()) return std::optional<gate::ToolInventory>();
  const auto read = [&path]() -> Result<gate::ToolInventory> {
    ASSIGN_OR_RETURN(const std::string text, read_input("wrkr inventory", path));
    return gate::ToolInventory::parse(text, gate::cleaned_path(path));
  };
  Result<gate::ToolInventory> inventory = read();
  if (inventory) return std::optional(*std::move(inventory));
  if (fails_closed(arguments, intent)) {
    return Error{ErrorCode::Refused, "wrkr inventory unavailable in fail-closed mode: " + inventory.error().detail};
  }
  warnings.emplace_back("wrkr inventory unavailable; continuing without context enrichment");
  return std::optional<gate::ToolInventory>();
}

}  // namespace countersign::command
