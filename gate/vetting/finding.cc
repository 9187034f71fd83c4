#include "gate/vetting/finding.h"

#include <algorithm>
#include <map>

#include "common/text.h"

namespace countersign::vetting {
namespace {

struct SeverityWord {
  std::string_view word;
  Severity severity;
};
constexpr SeverityWord kSeverityWords[] = {
    {"critical", Severity::Critical}, {"high", Severity::High},       {"error", Severity::High},
    {"medium", Severity::Medium},     {"moderate", Severity::Medium}, {"warning", Severity::Medium},
    {"low", Severity::Low},           {"info", Severity::Low},        {"note", Severity::Low},
    {"negligible", Severity::Low},    {"none", Severity::Low},
};

constexpr std::string_view kCategoryNames[] = {"vulnerability", "secret",        "malware", "injection", "install_hook",
                                               "code",          "configuration", "archive", "dependency"};
constexpr std::string_view kOutcomeNames[] = {"clean", "findings", "unavailable", "failed", "not_applicable"};
constexpr std::string_view kSeverityNames[] = {"low", "medium", "high", "critical"};

template <typename Enum, std::size_t N>
std::optional<Enum> named(const std::string_view (&names)[N], std::string_view name) {
  for (std::size_t i = 0; i < N; ++i) {
    if (names[i] == name) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

Error malformed() {
  return Error{ErrorCode::Internal, "a scanner's report has not the form this program writes", "vetting_report"};
}

Result<Finding> finding_from_json(const Json& json) {
  const auto category = named<Category>(kCategoryNames, json.text("category"));
  const auto severity = named<Severity>(kSeverityNames, json.text("severity"));
  const Json* line = json.find("line");
  if (!category || !severity || line == nullptr || !line->is_integer()) return malformed();
  return Finding{*category,
                 *severity,
                 std::string(json.text("rule")),
                 std::string(json.text("title")),
                 std::string(json.text("detail")),
                 std::string(json.text("path")),
                 static_cast<int>(line->as_integer()),
                 std::string(json.text("subject"))};
}

}  // namespace

std::string_view name_of(Severity severity) {
  return kSeverityNames[static_cast<std::size_t>(severity)];
}

Severity severity_named(std::string_view word) {
  const std::string lower = lowered(trimmed(word));
  for (const SeverityWord& row : kSeverityWords) {
    if (row.word == lower) return row.severity;
  }
  return Severity::High;
}

std::string_view name_of(Category category) {
  return kCategoryNames[static_cast<std::size_t>(category)];
}

std::string_view name_of(Outcome outcome) {
  return kOutcomeNames[static_cast<std::size_t>(outcome)];
}

std::vector<Finding> distinct(const std::vector<ScannerReport>& reports) {
  std::map<std::string, Finding> by_subject;
  for (const ScannerReport& report : reports) {
    for (const Finding& finding : report.findings) {
      std::string subject = std::string(name_of(finding.category)) + '\n';
      subject += finding.subject.empty() ? finding.path + '\n' + std::to_string(finding.line) + '\n' + finding.rule
                                         : finding.subject;
      const auto [place, is_new] = by_subject.emplace(std::move(subject), finding);
      if (!is_new && finding.severity > place->second.severity) place->second = finding;
    }
  }
  std::vector<Finding> all;
  for (auto& [subject, finding] : by_subject) all.push_back(std::move(finding));
  return all;
}

Json to_json(const ScannerReport& report) {
  Json::Array findings;
  for (const Finding& finding : report.findings) {
    findings.push_back(Json::object({{"category", name_of(finding.category)},
                                     {"severity", name_of(finding.severity)},
                                     {"rule", finding.rule},
                                     {"title", finding.title},
                                     {"detail", finding.detail},
                                     {"path", finding.path},
                                     {"line", finding.line},
                                     {"subject", finding.subject}}));
  }
  return Json::object({{"scanner", report.scanner},
                       {"version", report.version},
                       {"outcome", name_of(report.outcome)},
                       {"checked", static_cast<std::uint64_t>(report.checked)},
                       {"findings", std::move(findings)},
                       {"error", report.error},
                       {"duration_ms", report.duration_ms}});
}

Result<ScannerReport> report_from_json(const Json& json) {
  const auto outcome = named<Outcome>(kOutcomeNames, json.text("outcome"));
  const Json* checked = json.find("checked");
  const Json* duration = json.find("duration_ms");
  const Json* findings = json.find("findings");
  if (!outcome || checked == nullptr || !checked->is_integer() || duration == nullptr || !duration->is_integer() ||
      findings == nullptr || !findings->is_array()) {
    return malformed();
  }
  ScannerReport report{std::string(json.text("scanner")),
                       std::string(json.text("version")),
                       *outcome,
                       static_cast<std::size_t>(checked->as_integer()),
                       {},
                       std::string(json.text("error")),
                       duration->as_integer()};
  for (const Json& each : findings->as_array()) {
    ASSIGN_OR_RETURN(Finding finding, finding_from_json(each));
    report.findings.push_back(std::move(finding));
  }
  return report;
}

}  // namespace countersign::vetting
