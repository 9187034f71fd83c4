// The tool inventory of `--wrkr-inventory`: what an organisation knows about its tools, which rules may ask for in
// context_tool_names, context_data_classes, context_endpoint_classes and context_autonomy_levels (reference:
// gait-formats §7.1, §5.3).
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "common/result.h"
#include "gate/context/context_evidence.h"

namespace countersign::gate {

struct ToolFacts {
  std::string tool_name;  // all lower-cased
  std::string data_class;
  std::string endpoint_class;
  std::string autonomy_level;
};

class ToolInventory {
 public:
  // `{"items":[…]}` or the list alone; unknown members are ignored, tools without a name too, the last of two entries
  // for one tool counts. Fails with Invalid, "parse wrkr inventory: …". `source` is the name under which answers and
  // traces say where the facts are from.
  static Result<ToolInventory> parse(std::string_view text, std::string source);

  // Null where the tool is not listed.
  const ToolFacts* find(std::string_view tool_name) const;
  const std::string& source() const { return source_; }

 private:
  std::map<std::string, ToolFacts, std::less<>> tools_;
  std::string source_;
};

// The intent with what is known of its tool, as it is hashed. Of a script only its steps are told
// (gate/decision/script_decision.h), and nothing is hashed, as in gait; the answer names the source all the same.
JudgedIntent with_inventory(JudgedIntent judged, const ToolInventory& inventory);

}  // namespace countersign::gate
