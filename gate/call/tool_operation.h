// Whether a tool call changes anything, as gait guesses it where it packs evidence unasked (gait's mcp serve).
#pragma once

#include <string_view>

#include "common/json.h"

namespace countersign::gate {

// By the operations of the intent's targets where some target has one: any that does not only read changes something.
// Otherwise by the words of the tool's name: "db.delete_row" does, "kb.search" does not, and what has no known word
// does not. Nothing is decided by it.
bool seems_to_change_something(const Json& intent);

}  // namespace countersign::gate
