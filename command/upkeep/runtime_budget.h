// Runtime budgets: what each class of commands and requests may take (docs/slo/runtime_slo.md). Data in one file,
// judged against a report of measurements.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "common/result.h"

namespace countersign::command {

struct Budget {
  std::string name;
  double p50_ms = 0;
  double p95_ms = 0;
  double p99_ms = 0;
  double error_rate = 0;
};

// The file: {"schema_id":"countersign.runtime_slo_budgets","schema_version":"1.0.0","classes":{NAME:{"p50_ms","p95_ms",
// "p99_ms","error_rate"}}}. Fails with Invalid, naming what is wrong.
Result<std::vector<Budget>> parse_budgets(std::string_view text);

// What was measured of one class: milliseconds of each success, and how many failed.
struct Measurements {
  std::string name;
  std::vector<double> milliseconds;
  std::int64_t errors = 0;
};

// {"name","samples","errors","error_rate","p50_ms","p95_ms","p99_ms"}; percentiles by nearest rank, of the successes.
Json measured_json(Measurements measured);

// The report with each class's budget, `within` and `over` (the members that are too large), and `ok`. A class without
// a measurement, or without a budget, is not within. `classes` is a list of measured_json.
Json judged_report(Json report, const std::vector<Budget>& budgets);

}  // namespace countersign::command
