#include <cmath>
#include <map>

#include "gate/vetting/advisories.h"

namespace countersign::vetting {
namespace {

struct Weight {
  std::string_view metric;
  char value;
  double weight;
};
// FIRST, CVSS v3.1, §7.4. PR depends on the scope.
constexpr Weight kWeights[] = {
    {"AV", 'N', 0.85}, {"AV", 'A', 0.62}, {"AV", 'L', 0.55}, {"AV", 'P', 0.2}, {"AC", 'L', 0.77}, {"AC", 'H', 0.44},
    {"UI", 'N', 0.85}, {"UI", 'R', 0.62}, {"C", 'H', 0.56},  {"C", 'L', 0.22}, {"C", 'N', 0},     {"I", 'H', 0.56},
    {"I", 'L', 0.22},  {"I", 'N', 0},     {"A", 'H', 0.56},  {"A", 'L', 0.22}, {"A", 'N', 0},
};
constexpr Weight kPrivileges[] = {{"U", 'N', 0.85}, {"U", 'L', 0.62}, {"U", 'H', 0.27},
                                  {"C", 'N', 0.85}, {"C", 'L', 0.68}, {"C", 'H', 0.5}};

template <std::size_t N>
std::optional<double> weight(const Weight (&table)[N], std::string_view metric, char value) {
  for (const Weight& row : table) {
    if (row.metric == metric && row.value == value) return row.weight;
  }
  return std::nullopt;
}

// §7.1, "Roundup": the smallest number with one decimal that is not below.
double rounded_up(double score) {
  const auto scaled = static_cast<long>(std::lround(score * 100000));
  return scaled % 10000 == 0 ? static_cast<double>(scaled) / 100000.0
                             : (std::floor(static_cast<double>(scaled) / 10000) + 1) / 10.0;
}

}  // namespace

std::optional<double> cvss_base_score(std::string_view vector) {
  if (!vector.starts_with("CVSS:3.")) return std::nullopt;
  std::map<std::string, char, std::less<>> metrics;
  for (std::string_view rest = vector; !rest.empty();) {
    const std::size_t end = std::min(rest.find('/'), rest.size());
    const std::string_view part = rest.substr(0, end);
    const std::size_t colon = part.find(':');
    if (colon == std::string_view::npos || colon + 2 > part.size()) return std::nullopt;
    metrics[std::string(part.substr(0, colon))] = part[colon + 1];
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  const auto value = [&](std::string_view name) {
    const auto found = metrics.find(name);
    return found == metrics.end() ? '?' : found->second;
  };
  const char scope = value("S");
  const auto attack = weight(kWeights, "AV", value("AV"));
  const auto complexity = weight(kWeights, "AC", value("AC"));
  const auto privileges = weight(kPrivileges, std::string_view(&scope, 1), value("PR"));
  const auto interaction = weight(kWeights, "UI", value("UI"));
  const auto confidentiality = weight(kWeights, "C", value("C"));
  const auto integrity = weight(kWeights, "I", value("I"));
  const auto availability = weight(kWeights, "A", value("A"));
  if (!attack || !complexity || !privileges || !interaction || !confidentiality || !integrity || !availability)
    return std::nullopt;
  const double base = 1 - (1 - *confidentiality) * (1 - *integrity) * (1 - *availability);
  const bool changed = scope == 'C';
  const double impact = changed ? 7.52 * (base - 0.029) - 3.25 * std::pow(base - 0.02, 15) : 6.42 * base;
  if (impact <= 0) return 0.0;
  const double exploitability = 8.22 * *attack * *complexity * *privileges * *interaction;
  return rounded_up(std::min((changed ? 1.08 : 1.0) * (impact + exploitability), 10.0));
}

}  // namespace countersign::vetting
