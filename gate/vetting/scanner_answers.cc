#include "gate/vetting/scanner_answers.h"

#include <re2/re2.h>

#include <algorithm>
#include <cstdlib>
#include <initializer_list>

#include "common/text.h"

namespace countersign::vetting {
namespace {

constexpr std::size_t kLargestAnswer = std::size_t{64} << 20;

void fail(ScannerReport& report, std::string why) {
  // What it found before stays: a tree that breaks a scanner must not unsay its findings.
  report.outcome = Outcome::Failed;
  report.error = std::move(why);
}

// What a program said last, as far as people need it: it may have been written for a terminal, or by the tree.
std::string last_line(const std::string& text) {
  constexpr std::size_t kLongest = 200;
  const std::size_t end = text.find_last_not_of(" \r\n");
  if (end == std::string::npos) return "";
  const std::size_t newline = text.rfind('\n', end);
  const std::size_t begin = newline == std::string::npos ? 0 : newline + 1;
  return displayed(text.substr(begin, std::min(end + 1 - begin, kLongest)));
}

// The document, where the exit code is one of those that go with one. Otherwise the report is Failed.
std::optional<Json> document(const ScannerOutput& output, std::initializer_list<int> codes, ScannerReport& report) {
  if (std::find(codes.begin(), codes.end(), output.exit_code) == codes.end()) {
    fail(report, "it ended with " + std::to_string(output.exit_code) +
                     (output.errors.empty() ? "" : ": " + last_line(output.errors)));
    return std::nullopt;
  }
  auto json = Json::parse(output.answer, {.bytes = kLargestAnswer, .depth = 256});
  if (!json) {
    fail(report, "its answer is no JSON document" + (output.errors.empty() ? "" : ": " + last_line(output.errors)));
    return std::nullopt;
  }
  return std::move(*json);
}

const Json::Array* array_of(const Json& json, std::string_view name) {
  const Json* value = json.find(name);
  return value != nullptr && value->is_array() ? &value->as_array() : nullptr;
}

int integer_of(const Json& json, std::string_view name) {
  const Json* value = json.find(name);
  return value != nullptr && value->is_integer() ? static_cast<int>(value->as_integer()) : 0;
}

// Paths as scanners see them begin with where the tree lies in the sandbox.
std::string in_tree(std::string_view path) {
  for (const std::string_view prefix : {"/tree/", "./", "tree/"}) {
    if (path.starts_with(prefix)) return std::string(path.substr(prefix.size()));
  }
  return std::string(path);
}

// A code of "clean" with findings, or of findings without one, is an answer that contradicts itself.
void conclude(ScannerReport& report, bool says_findings) {
  if (report.findings.empty() == says_findings) {
    fail(report, says_findings ? "its exit code tells of findings that its answer does not list"
                               : "its answer lists findings that its exit code denies");
    return;
  }
  report.looked();
}

}  // namespace

void read_gitleaks(const ScannerOutput& output, const TreeFacts& facts, ScannerReport& report) {
  const auto json = document(output, {0, 3}, report);
  if (!json) return;
  if (!json->is_array()) return fail(report, "its answer is no list");
  for (const Json& each : json->as_array()) {
    const std::string path = in_tree(each.text("File"));
    const int line = integer_of(each, "StartLine");
    report.findings.push_back({Category::Secret, Severity::High, std::string(each.text("RuleID")),
                               std::string(each.text("Description")), "", path, line,
                               "secret\n" + path + "\n" + std::to_string(line)});
  }
  report.checked = facts.files;
  conclude(report, output.exit_code == 3);
}

// With --all-packages a clean answer lists what was looked up; an empty one shows that nothing was.
void read_osv_scanner(const ScannerOutput& output, const TreeFacts& facts, ScannerReport& report) {
  if (output.exit_code == 128 && facts.packages == 0) {
    report.outcome = Outcome::NotApplicable;
    return;
  }
  if (output.exit_code == 127 && output.errors.find("database") != std::string::npos) {
    fail(report, "it has no advisory database");
    report.outcome = Outcome::Unavailable;
    return;
  }
  const auto json = document(output, {0, 1}, report);
  if (!json) return;
  const Json::Array* results = array_of(*json, "results");
  if (results == nullptr) return fail(report, "its answer has no results");
  for (const Json& result : *results) {
    const Json* source = result.find("source");
    const Json::Array* packages = array_of(result, "packages");
    if (source == nullptr || packages == nullptr) continue;
    for (const Json& each : *packages) {
      ++report.checked;
      const Json* package = each.find("package");
      const Json::Array* groups = array_of(each, "groups");
      if (package == nullptr || groups == nullptr) continue;
      for (const Json& group : *groups) {
        const double score = std::strtod(std::string(group.text("max_severity")).c_str(), nullptr);
        const Severity severity = group.text("max_severity").empty() ? Severity::High
                                  : score >= 9                       ? Severity::Critical
                                  : score >= 7                       ? Severity::High
                                  : score >= 4                       ? Severity::Medium
                                                                     : Severity::Low;
        std::string id;
        for (const char* list : {"ids", "aliases"}) {
          const Json::Array* names = array_of(group, list);
          if (names == nullptr) continue;
          for (const Json& name : *names) {
            if (name.is_string() && (id.empty() || (name.as_string().starts_with("CVE-") && !id.starts_with("CVE-"))))
              id = name.as_string();
          }
        }
        const std::string name(package->text("name"));
        report.findings.push_back({Category::Vulnerability, severity, id,
                                   name + " " + std::string(package->text("version")), "",
                                   in_tree(source->text("path")), 0, "vulnerability\n" + name + "\n" + id});
      }
    }
  }
  if (report.checked == 0) return fail(report, "it looked up no package");
  if (report.checked < facts.packages) return fail(report, "it looked up fewer packages than the lock files name");
  conclude(report, output.exit_code == 1);
}

// "PATH: NAME FOUND" and "PATH: OK"; a path may hold ": ", a name does not.
void read_clamscan(const ScannerOutput& output, const TreeFacts& facts, ScannerReport& report) {
  if (output.exit_code == 2 &&
      (output.errors + output.answer).find("No supported database files") != std::string::npos) {
    fail(report, "it has no signatures");
    report.outcome = Outcome::Unavailable;
    return;
  }
  if (output.exit_code != 0 && output.exit_code != 1) {
    return fail(report, "it ended with " + std::to_string(output.exit_code) + ": " + last_line(output.errors));
  }
  for (const std::string_view line : lines_of(output.answer)) {
    const std::size_t colon = line.rfind(": ");
    if (colon == std::string_view::npos) continue;
    const std::string_view verdict = line.substr(colon + 2);
    if (verdict == "OK" || verdict == "Empty file") {
      ++report.checked;
    } else if (verdict == "Symbolic link") {
      // Links of a snapshot lead to its own files, which have lines of their own.
    } else if (verdict.ends_with(" FOUND")) {
      ++report.checked;
      const std::string path = in_tree(line.substr(0, colon));
      report.findings.push_back({Category::Malware, Severity::Critical,
                                 std::string(verdict.substr(0, verdict.size() - 6)), "matches a signature", "", path, 0,
                                 "malware\n" + path});
    } else {
      return fail(report, "it could not read a file: " + std::string(line.substr(0, 200)));
    }
  }
  if (report.checked < facts.files)
    return fail(report,
                "it looked at " + std::to_string(report.checked) + " of " + std::to_string(facts.files) + " files");
  conclude(report, output.exit_code == 1);
}

namespace {

// A rule's own name: Semgrep puts the folders of the rule file before it.
std::string rule_of(std::string_view check, std::string folder) {
  folder = folder.substr(0, folder.rfind('/') + 1);
  std::replace(folder.begin(), folder.end(), '/', '.');
  const std::string_view prefix = std::string_view(folder).substr(std::min<std::size_t>(1, folder.size()));
  return std::string(!prefix.empty() && check.starts_with(prefix) ? check.substr(prefix.size()) : check);
}

}  // namespace

void read_semgrep(const ScannerOutput& output, const TreeFacts& facts, ScannerReport& report) {
  const auto json = document(output, {0, 1}, report);
  if (!json) return;
  report.version = json->text("version");
  const Json::Array* results = array_of(*json, "results");
  const Json* paths = json->find("paths");
  const Json::Array* scanned = paths == nullptr ? nullptr : array_of(*paths, "scanned");
  if (results == nullptr || scanned == nullptr) return fail(report, "its answer does not say what it scanned");
  for (const Json& each : *results) {
    const Json* extra = each.find("extra");
    const Json* start = each.find("start");
    if (extra == nullptr || start == nullptr) return fail(report, "one of its results is incomplete");
    const Json* metadata = extra->find("metadata");
    const bool injection = metadata != nullptr && metadata->text("category") == "prompt-injection";
    report.findings.push_back({injection ? Category::Injection : Category::Code,
                               severity_named(extra->text("severity")), rule_of(each.text("check_id"), facts.data),
                               std::string(extra->text("message")), "", in_tree(each.text("path")),
                               integer_of(*start, "line")});
  }
  report.checked = scanned->size();
  if (report.checked == 0) return fail(report, "it scanned no file");
  // A file it could not parse, gave up on or ran out of memory over was not checked, whatever the level of the error.
  if (const Json::Array* errors = array_of(*json, "errors"); errors != nullptr && !errors->empty()) {
    const Json& first = errors->front();
    return fail(report, "it did not check all of " + in_tree(first.text("path")) + ": " +
                            last_line(std::string(first.text("message").substr(0, 200))));
  }
  conclude(report, output.exit_code == 1);
}

void read_bandit(const ScannerOutput& output, const TreeFacts& facts, ScannerReport& report) {
  const auto json = document(output, {0, 1}, report);
  if (!json) return;
  const Json::Array* results = array_of(*json, "results");
  const Json::Array* errors = array_of(*json, "errors");
  const Json* metrics = json->find("metrics");
  if (results == nullptr || errors == nullptr || metrics == nullptr || !metrics->is_object())
    return fail(report, "its answer is incomplete");
  for (const Json& each : *results) {
    report.findings.push_back({Category::Code, severity_named(each.text("issue_severity")),
                               std::string(each.text("test_id")), std::string(each.text("issue_text")), "",
                               in_tree(each.text("filename")), integer_of(each, "line_number")});
  }
  for (const auto& [file, counts] : metrics->as_object()) report.checked += file == "_totals" ? 0 : 1;
  if (report.checked == 0) return fail(report, "it looked at no file");
  if (!errors->empty()) return fail(report, "it could not read " + in_tree((*errors)[0].text("filename")));
  if (report.checked < facts.matching) {
    return fail(report,
                "it looked at " + std::to_string(report.checked) + " of " + std::to_string(facts.matching) + " files");
  }
  conclude(report, output.exit_code == 1);
}

// Without its registry npm answers "no vulnerabilities" as if it had asked; only its log of requests tells.
void read_npm_audit(const ScannerOutput& output, const TreeFacts& facts, ScannerReport& report) {
  const auto json = document(output, {0, 1}, report);
  if (!json) return;
  if (json->find("error") != nullptr || json->find("statusCode") != nullptr) {
    return fail(report, "its registry does not answer: " + std::string(json->text("message").substr(0, 200)));
  }
  const Json* vulnerabilities = json->find("vulnerabilities");
  const Json* metadata = json->find("metadata");
  const Json* dependencies = metadata == nullptr ? nullptr : metadata->find("dependencies");
  if (vulnerabilities == nullptr || !vulnerabilities->is_object() || dependencies == nullptr)
    return fail(report, "its answer is incomplete");
  if (!re2::RE2::PartialMatch(output.errors,
                              R"(http fetch POST 200 \S*/-/npm/v1/security/(?:advisories/bulk|audits))")) {
    return fail(report, "it answered without asking its registry");
  }
  for (const auto& [name, each] : vulnerabilities->as_object()) {
    std::string id;
    std::string title;
    if (const Json::Array* via = array_of(each, "via")) {
      for (const Json& cause : *via) {
        if (!cause.is_object() || !id.empty()) continue;
        id = cause.text("url");
        title = cause.text("title");
      }
    }
    report.findings.push_back({Category::Vulnerability, severity_named(each.text("severity")), id, name + " " + title,
                               "", "package-lock.json", 0});
  }
  report.checked = static_cast<std::size_t>(std::max(0, integer_of(*dependencies, "total")));
  if (report.checked == 0) return fail(report, "it looked up no package");
  if (report.checked < facts.packages) return fail(report, "it looked up fewer packages than the lock file names");
  conclude(report, output.exit_code == 1);
}

void read_pip_audit(const ScannerOutput& output, const TreeFacts& facts, ScannerReport& report) {
  const auto json = document(output, {0, 1}, report);
  if (!json) return;
  const Json::Array* dependencies = array_of(*json, "dependencies");
  if (dependencies == nullptr) return fail(report, "its answer has no dependencies");
  std::string skipped;
  for (const Json& each : *dependencies) {
    if (each.find("skip_reason") != nullptr) {
      skipped =
          "it skipped " + std::string(each.text("name")) + ": " + std::string(each.text("skip_reason").substr(0, 200));
      continue;
    }
    ++report.checked;
    const Json::Array* found = array_of(each, "vulns");
    if (found == nullptr) return fail(report, "one of its dependencies was not looked up");
    for (const Json& one : *found) {
      std::string id(one.text("id"));
      if (const Json::Array* aliases = array_of(one, "aliases")) {
        for (const Json& alias : *aliases) {
          if (alias.is_string() && alias.as_string().starts_with("CVE-")) id = alias.as_string();
        }
      }
      const std::string name(each.text("name"));
      report.findings.push_back({Category::Vulnerability, Severity::High, id,
                                 name + " " + std::string(each.text("version")),
                                 std::string(one.text("description").substr(0, 400)), "requirements.txt", 0,
                                 "vulnerability\n" + name + "\n" + id});
    }
  }
  if (!skipped.empty()) return fail(report, skipped);
  if (report.checked == 0) return fail(report, "it looked up no package");
  if (report.checked < facts.packages) return fail(report, "it looked up fewer packages than the file names");
  conclude(report, output.exit_code == 1);
}

void read_trivy(const ScannerOutput& output, const TreeFacts& facts, ScannerReport& report) {
  const auto json = document(output, {0, 5}, report);
  if (!json) return;
  if (json->find("SchemaVersion") == nullptr) return fail(report, "its answer is incomplete");
  if (const Json::Array* results = array_of(*json, "Results")) {
    for (const Json& result : *results) {
      const std::string path = in_tree(result.text("Target"));
      if (const Json::Array* secrets = array_of(result, "Secrets")) {
        for (const Json& each : *secrets) {
          const int line = integer_of(each, "StartLine");
          report.findings.push_back({Category::Secret, Severity::High, std::string(each.text("RuleID")),
                                     std::string(each.text("Title")), "", path, line,
                                     "secret\n" + path + "\n" + std::to_string(line)});
        }
      }
      if (const Json::Array* wrong = array_of(result, "Misconfigurations")) {
        for (const Json& each : *wrong) {
          if (each.text("Status") == "PASS") continue;
          report.findings.push_back({Category::Configuration, severity_named(each.text("Severity")),
                                     std::string(each.text("ID")), std::string(each.text("Title")),
                                     std::string(each.text("Message")), path, 0});
        }
      }
      if (const Json::Array* vulnerable = array_of(result, "Vulnerabilities")) {
        for (const Json& each : *vulnerable) {
          const std::string name(each.text("PkgName"));
          const std::string id(each.text("VulnerabilityID"));
          report.findings.push_back({Category::Vulnerability, severity_named(each.text("Severity")), id,
                                     name + " " + std::string(each.text("InstalledVersion")),
                                     std::string(each.text("Title")), path, 0, "vulnerability\n" + name + "\n" + id});
        }
      }
    }
  }
  report.checked = facts.files;
  conclude(report, output.exit_code == 5);
}

void read_llm_guard(const ScannerOutput& output, const TreeFacts&, ScannerReport& report) {
  const auto json = document(output, {0}, report);
  if (!json) return;
  const Json::Array* findings = array_of(*json, "findings");
  report.checked = static_cast<std::size_t>(std::max(0, integer_of(*json, "checked")));
  if (findings == nullptr || report.checked == 0) return fail(report, "it does not say that it checked anything");
  for (const Json& each : *findings) {
    report.findings.push_back({Category::Injection, severity_named(each.text("severity")),
                               std::string(each.text("rule")), std::string(each.text("title")), "",
                               in_tree(each.text("path")), integer_of(each, "line")});
  }
  report.looked();
}

}  // namespace countersign::vetting
