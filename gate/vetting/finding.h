// What a scanner says of a tree: findings, and whether it truly looked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"

namespace countersign::vetting {

enum class Severity { Low, Medium, High, Critical };
std::string_view name_of(Severity severity);  // "low", "medium", "high", "critical"
// What scanners write, in any case: also "info", "note", "moderate", "warning", "error". A word nobody knows is High:
// what is not understood is never harmless.
Severity severity_named(std::string_view word);

// What kind of thing was found; the thresholds of a policy count by it.
enum class Category {
  Vulnerability,
  Secret,
  Malware,
  Injection,
  InstallHook,
  Code,
  Configuration,
  Archive,
  Dependency
};
std::string_view name_of(Category category);  // "vulnerability", "secret", …

struct Finding {
  Category category = Category::Code;
  Severity severity = Severity::High;
  std::string rule;    // the scanner's own name of what it looks for: "aws-access-token", "CVE-2021-23337"
  std::string title;   // one line, for people
  std::string detail;  // never a secret itself
  std::string path;    // in the tree; "archive.zip!inner/file" inside an archive
  int line = 0;        // 1-based; 0: the file as a whole
  // Two scanners that see the same thing have the same subject, and it counts once. Empty: path, line and rule.
  std::string subject{};
};

enum class Outcome {
  Clean,          // looked at everything it should, found nothing
  Findings,       // looked, found something
  Unavailable,    // not installed, or its data is missing: nothing was checked
  Failed,         // started, and did not truly check; what it found nevertheless counts
  NotApplicable,  // there is nothing in this tree for it
};
std::string_view name_of(Outcome outcome);  // "clean", "findings", "unavailable", "failed", "not_applicable"

struct ScannerReport {
  std::string scanner;  // a name of the table of scanners
  std::string version{};
  Outcome outcome = Outcome::Failed;
  std::size_t checked = 0;  // files or packages it looked at
  std::vector<Finding> findings{};
  std::string error{};  // why it is Unavailable or Failed
  std::int64_t duration_ms = 0;

  // Clean or Findings, by whether there are any.
  void looked() { outcome = findings.empty() ? Outcome::Clean : Outcome::Findings; }
};

// What the counts are made of: each subject once, with its worst severity.
std::vector<Finding> distinct(const std::vector<ScannerReport>& reports);

// For the worker's answer to the program that started it.
Json to_json(const ScannerReport& report);
Result<ScannerReport> report_from_json(const Json& json);

}  // namespace countersign::vetting
