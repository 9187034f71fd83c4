#include "gate/call/tool_operation.h"

#include <gtest/gtest.h>

namespace countersign::gate {
namespace {

struct Case {
  const char* tool;
  std::vector<const char*> operations;
  bool changes;
};
const Case kCases[] = {
    {"tool.write", {}, true},
    {"tool.search", {}, false},
    {"db.delete_row", {}, true},
    {"mcp.function", {}, false},
    {"", {}, false},
    {"kb.frobnicate", {}, false},
    // The first word that is known counts, before any that only begins as one.
    {"get_and_delete", {}, false},
    {"delete_and_get", {}, true},
    {"runner.query", {}, false},
    {"deleted.items", {}, true},
    {"reader.items", {}, false},
    {"TOOL.Write", {}, true},
    // Targets that say what is done to them count instead.
    {"tool.search", {"write"}, true},
    {"tool.write", {"read"}, false},
    {"tool.search", {"read", " WRITE "}, true},
    {"tool.search", {"", ""}, false},
    {"tool.write", {""}, true},
    {"tool.search", {"transmogrify"}, true},
    {"tool.write", {"Read", "list", "head"}, false},
};

TEST(ToolOperation, SeemsToChangeSomethingByTargetsElseByItsName) {
  for (const Case& each : kCases) {
    Json intent = Json::object({{"tool_name", each.tool}, {"targets", Json::Array{}}});
    for (const char* operation : each.operations) {
      intent.find("targets")->as_array().push_back(Json::object({{"kind", "path"}, {"operation", operation}}));
    }
    EXPECT_EQ(seems_to_change_something(intent), each.changes) << intent.compact();
  }
}

}  // namespace
}  // namespace countersign::gate
