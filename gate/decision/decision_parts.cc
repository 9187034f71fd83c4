#include "gate/decision/decision_parts.h"

#include <algorithm>
#include <tuple>

namespace countersign::gate {
namespace {

int freeze_rank(const Json& decision) {
  const std::string_view status = decision.text("status");
  if (status == "invalid") return 3;
  if (status != "active") return 0;
  return decision.text("effect") == "block" ? 2 : 1;
}

int sandbox_rank(const Json& decision) {
  const std::string_view status = decision.text("status");
  if (status == "missing") return 3;
  if (status == "disallowed") return 2;
  return status == "invalid" ? 1 : 0;
}

void keep_worse(std::optional<Json>& kept, const std::optional<Json>& other, int (*rank)(const Json&)) {
  if (other && (!kept || rank(*other) > rank(*kept))) kept = other;
}

}  // namespace

void add_all(Texts& to, const Texts& from) {
  to.insert(to.end(), from.begin(), from.end());
}

void make_set(Texts& texts) {
  if (texts.size() < 2) return;
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
}

void keep_tighter(std::optional<RateRule>& kept, const std::optional<RateRule>& other) {
  const auto rank = [](const RateRule& rate) {
    return std::tuple<std::int64_t, bool, const std::string&>(rate.requests, rate.window == "hour", rate.scope);
  };
  if (other && (!kept || rank(*other) < rank(*kept))) kept = other;
}

void keep_least(std::int64_t& kept, std::int64_t other) {
  if (other > 0 && (kept == 0 || other < kept)) kept = other;
}

void keep_worse_freeze(std::optional<Json>& kept, const std::optional<Json>& other) {
  keep_worse(kept, other, freeze_rank);
}

void keep_worse_sandbox(std::optional<Json>& kept, const std::optional<Json>& other) {
  keep_worse(kept, other, sandbox_rank);
}

}  // namespace countersign::gate
