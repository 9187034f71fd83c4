#include "gate/context/inventory.h"

#include <algorithm>

#include "common/json.h"
#include "common/text.h"
#include "gate/document/gait_fields.h"

namespace countersign::gate {
namespace {

constexpr std::string_view kPrefix = "parse wrkr inventory: ";

Error refused(std::string_view detail) {
  return Error{ErrorCode::Invalid, std::string(kPrefix) + std::string(detail)};
}

// The list itself; null where there is none.
const Json* items_of(const Json& document) {
  if (document.is_array()) return &document;
  const Json* items = document.find("items");
  return items != nullptr && (items->is_array() || items->is_null()) ? items : nullptr;
}

void read_facts(GaitFields fields, ToolFacts& facts) {
  fields.text("tool_name", facts.tool_name);
  fields.text("data_class", facts.data_class);
  fields.text("endpoint_class", facts.endpoint_class);
  fields.text("autonomy_level", facts.autonomy_level);
  for (std::string* text : {&facts.tool_name, &facts.data_class, &facts.endpoint_class, &facts.autonomy_level}) {
    *text = lowered(trimmed(*text));
  }
}

bool lists_a_step(const std::vector<ScriptStep>& steps, const ToolInventory& inventory) {
  return std::any_of(steps.begin(), steps.end(),
                     [&](const ScriptStep& step) { return inventory.find(step.tool_name) != nullptr; });
}

}  // namespace

Result<ToolInventory> ToolInventory::parse(std::string_view text, std::string source) {
  const Result<Json> document = Json::parse(text, Json::Limits{.gait = true});
  if (!document) return refused(document.error().detail).at(document.error().field);
  const Json* items = items_of(*document);
  if (items == nullptr) return refused("expected a list of items, or an object with a list \"items\"");
  ToolInventory out;
  out.source_ = std::move(source);
  if (items->is_null()) return out;
  FirstError error{std::string(kPrefix)};
  const std::string_view list = document->is_array() ? "" : "items";
  const GaitFields whole(*document, "Inventory", error);
  for (std::size_t i = 0; i < items->as_array().size(); ++i) {
    const Json& item = items->as_array()[i];
    if (item.is_null()) continue;
    if (!item.is_object()) return refused("every item must be an object").at(whole.place().of(list, i));
    ToolFacts facts;
    read_facts(GaitFields(item, whole, list, i), facts);
    if (!facts.tool_name.empty()) out.tools_.insert_or_assign(facts.tool_name, facts);
  }
  RETURN_IF_ERROR(error.status());
  return out;
}

const ToolFacts* ToolInventory::find(std::string_view tool_name) const {
  const auto found = tools_.find(tool_name);
  return found == tools_.end() ? nullptr : &found->second;
}

JudgedIntent with_inventory(JudgedIntent judged, const ToolInventory& inventory) {
  const Intent& intent = judged.intent;
  if (intent.is_script()) {
    if (lists_a_step(*intent.fields().script, inventory)) judged.context.inventory = inventory.source();
    return judged;
  }
  const ToolFacts* facts = inventory.find(intent.fields().tool_name);
  if (facts == nullptr) return judged;
  judged.context.inventory = inventory.source();
  judged.intent =
      intent.with_tool_facts(facts->tool_name, facts->data_class, facts->endpoint_class, facts->autonomy_level);
  return judged;
}

}  // namespace countersign::gate
