#include "command/upkeep/runtime_budget.h"

#include <algorithm>
#include <cmath>

#include "common/json_fields.h"

namespace countersign::command {
namespace {

struct Limit {
  const char* name;
  double Budget::*member;
};
constexpr Limit kLimits[] = {{"p50_ms", &Budget::p50_ms},
                             {"p95_ms", &Budget::p95_ms},
                             {"p99_ms", &Budget::p99_ms},
                             {"error_rate", &Budget::error_rate}};

Result<Budget> parse_budget(const std::string& name, const Json& json) {
  JsonFields fields(json, "classes." + name);
  Budget out{name};
  for (const Limit& limit : kLimits) {
    ASSIGN_OR_RETURN(const Json* value, fields.required(limit.name));
    if (!value->is_number() || value->as_double() < 0) return fields.wrong(limit.name, "is not a number from 0");
    out.*limit.member = value->as_double();
  }
  RETURN_IF_ERROR(fields.finish());
  return out;
}

double percentile(const std::vector<double>& sorted, double part) {
  if (sorted.empty()) return 0;
  const auto rank = static_cast<std::size_t>(std::ceil(part * static_cast<double>(sorted.size())));
  return std::round(sorted[std::max<std::size_t>(rank, 1) - 1] * 1000) / 1000;
}

Json judged(Json row, const Budget& budget) {
  Json limits{Json::Object{}};
  Json::Array over;
  for (const Limit& limit : kLimits) {
    limits.set(limit.name, budget.*limit.member);
    const Json* value = row.find(limit.name);
    if (value == nullptr || !value->is_number() || value->as_double() > budget.*limit.member)
      over.emplace_back(limit.name);
  }
  const Json* samples = row.find("samples");
  if (samples == nullptr || !samples->is_integer() || samples->as_integer() < 1) over.emplace_back("samples");
  row.set("budget", std::move(limits));
  row.set("within", over.empty());
  row.set("over", std::move(over));
  return row;
}

const Json* row_named(const Json* rows, std::string_view name) {
  if (rows == nullptr || !rows->is_array()) return nullptr;
  const auto row =
      std::ranges::find_if(rows->as_array(), [name](const Json& each) { return each.text("name") == name; });
  return row == rows->as_array().end() ? nullptr : &*row;
}

}  // namespace

Result<std::vector<Budget>> parse_budgets(std::string_view text) {
  ASSIGN_OR_RETURN(const Json json, Json::parse(text));
  JsonFields fields(json, "");
  ASSIGN_OR_RETURN(const std::string schema, fields.text("schema_id"));
  if (schema != "countersign.runtime_slo_budgets") return fields.wrong("schema_id", "is not that of budgets");
  ASSIGN_OR_RETURN(const std::string version, fields.text("schema_version"));
  if (version != "1.0.0") return fields.wrong("schema_version", "is not 1.0.0");
  fields.take("comment");
  ASSIGN_OR_RETURN(const Json* classes, fields.required("classes"));
  if (!classes->is_object() || classes->as_object().empty()) return fields.wrong("classes", "is no object of classes");
  RETURN_IF_ERROR(fields.finish());
  std::vector<Budget> out;
  for (const auto& [name, limits] : classes->as_object()) {
    ASSIGN_OR_RETURN(Budget budget, parse_budget(name, limits));
    out.push_back(std::move(budget));
  }
  return out;
}

Json measured_json(Measurements measured) {
  std::ranges::sort(measured.milliseconds);
  const auto successes = static_cast<std::int64_t>(measured.milliseconds.size());
  const std::int64_t samples = successes + measured.errors;
  const double rate = samples == 0 ? 1 : static_cast<double>(measured.errors) / static_cast<double>(samples);
  return Json::object({{"name", measured.name},
                       {"samples", samples},
                       {"errors", measured.errors},
                       {"error_rate", rate},
                       {"p50_ms", percentile(measured.milliseconds, 0.50)},
                       {"p95_ms", percentile(measured.milliseconds, 0.95)},
                       {"p99_ms", percentile(measured.milliseconds, 0.99)}});
}

Json judged_report(Json report, const std::vector<Budget>& budgets) {
  const Json* measured = report.find("classes");
  Json::Array rows;
  bool all_within = true;
  for (const Budget& budget : budgets) {
    const Json* row = row_named(measured, budget.name);
    rows.push_back(judged(row == nullptr ? Json::object({{"name", budget.name}, {"samples", 0}}) : *row, budget));
    all_within = all_within && rows.back().find("within")->as_bool();
  }
  if (measured != nullptr && measured->is_array()) {
    for (const Json& row : measured->as_array()) {
      if (std::ranges::find(budgets, row.text("name"), &Budget::name) != budgets.end()) continue;
      Json unknown = row;
      unknown.set("within", false);
      unknown.set("over", Json::Array{"no budget"});
      rows.push_back(std::move(unknown));
      all_within = false;
    }
  }
  report.set("classes", std::move(rows));
  report.set("ok", all_within);
  return report;
}

}  // namespace countersign::command
