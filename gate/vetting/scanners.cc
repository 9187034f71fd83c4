#include "gate/vetting/scanners.h"

#include <algorithm>

#include "gate/vetting/scanner_answers.h"

namespace countersign::vetting {
namespace {

using Words = std::string_view;

// The hardened flags: a scanner's own configuration never comes from the tree it scans, and marks in the tree silence
// nothing.
constexpr Words kGitleaks[] = {"dir",
                               "TREE",
                               "-c",
                               "DATA",
                               "--ignore-gitleaks-allow",
                               "--gitleaks-ignore-path",
                               "EMPTY",
                               "--report-format",
                               "json",
                               "--report-path",
                               "OUT",
                               "--redact",
                               "--no-banner",
                               "--no-color",
                               "--exit-code",
                               "3"};
constexpr Words kOsv[] = {"scan",     "source",    "--offline", "--all-packages", "--no-ignore",
                          "--config", "/dev/null", "--format",  "json",           "--output",
                          "OUT",      "-r",        "TREE"};
constexpr Words kOsvEnvironment[] = {"OSV_SCANNER_LOCAL_DB_CACHE_DIRECTORY=NAMED"};
constexpr Words kOsvFolders[] = {"osv-scanner", "osv-scalibr"};  // up to 2.2, and in 2.6
constexpr Words kClamscan[] = {"-r",
                               "--no-summary",
                               "--stdout",
                               "--max-filesize=256M",
                               "--max-scansize=1024M",
                               "--alert-exceeds-max=yes",
                               "--alert-encrypted=yes",
                               "-d",
                               "DATA",
                               "TREE"};
constexpr Words kSemgrep[] = {"scan",
                              "--config",
                              "DATA",
                              "--json",
                              "--metrics=off",
                              "--disable-version-check",
                              "--quiet",
                              "--error",
                              "--disable-nosem",
                              "--no-git-ignore",
                              "--x-ignore-semgrepignore-files",
                              "--max-target-bytes",
                              "0",
                              "--output",
                              "OUT",
                              "TREE"};
// Without --ini it takes skips and exclusions from a .bandit of the tree.
constexpr Words kBandit[] = {"-r", "TREE", "-f", "json", "-o", "OUT", "-q", "--ignore-nosec", "--ini", "/dev/null"};
constexpr Words kNpmAudit[] = {"audit",
                               "--json",
                               "--package-lock-only",
                               "--ignore-scripts",
                               "--loglevel=http",
                               "--userconfig=DATA",
                               "--globalconfig=EMPTY/npmrc",
                               "--cache=/tmp/npm",
                               "--no-update-notifier",
                               "--prefix",
                               "TREE"};
constexpr Words kPipAudit[] = {"-r",  "FILE", "--format", "json", "--no-deps", "--disable-pip", "--progress-spinner",
                               "off", "-o",   "OUT"};
constexpr Words kTrivy[] = {"fs",
                            "--cache-dir",
                            "EMPTY",
                            "--offline-scan",
                            "--skip-db-update",
                            "--skip-java-db-update",
                            "--skip-check-update",
                            "--quiet",
                            "--ignorefile",
                            "/dev/null",
                            "--config",
                            "/dev/null",
                            "--scanners",
                            "secret,misconfig",
                            "--format",
                            "json",
                            "--output",
                            "OUT",
                            "--exit-code",
                            "5",
                            "TREE"};
constexpr Words kLlmGuard[] = {"TREE"};
constexpr Words kVersion[] = {"--version"};
constexpr Words kVersionWord[] = {"version"};
constexpr Words kNone[] = {""};
constexpr std::span<const Words> kNothing = std::span<const Words>(kNone).subspan(1);

constexpr Words kPython[] = {".py"};
constexpr Words kNpmLock[] = {"package-lock.json"};
constexpr Words kRequirements[] = {"requirements.txt"};
constexpr Words kLocks[] = {
    "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "requirements.txt",
    "Pipfile.lock",      "poetry.lock",         "uv.lock",   "pdm.lock",       "go.mod",
    "Cargo.lock"};

constexpr ScannerRow built_in(std::string_view name) {
  return {name, "", kNothing, kNothing, Sees::Tree, false, false, kNothing, kNothing, nullptr};
}

constexpr ScannerRow kRows[] = {
    built_in("dependencies"),
    built_in("advisories"),
    built_in("secrets"),
    built_in("prompt_injection"),
    built_in("signatures"),
    built_in("install_hooks"),
    built_in("archives"),
    built_in("links"),
    {"gitleaks", "gitleaks", kGitleaks, kVersionWord, Sees::Text, true, true, kNothing, kNothing, read_gitleaks},
    {"osv_scanner", "osv-scanner", kOsv, kVersion, Sees::Tree, true, true, kOsvEnvironment, kLocks, read_osv_scanner,
     kOsvFolders},
    {"clamscan", "clamscan", kClamscan, kVersion, Sees::Tree, false, true, kNothing, kNothing, read_clamscan},
    // Asked over its socket (clamd.h).
    {"clamd", "", kNothing, kNothing, Sees::Tree, false, true, kNothing, kNothing, nullptr},
    {"semgrep", "semgrep", kSemgrep, kNothing, Sees::Code, true, true, kNothing, kNothing, read_semgrep},
    {"bandit", "bandit", kBandit, kVersion, Sees::Code, true, false, kNothing, kPython, read_bandit},
    {"npm_audit", "npm", kNpmAudit, kVersion, Sees::FileAlone, false, false, kNothing, kNpmLock, read_npm_audit},
    {"pip_audit", "pip-audit", kPipAudit, kVersion, Sees::EachFile, true, false, kNothing, kRequirements,
     read_pip_audit},
    {"trivy", "trivy", kTrivy, kVersion, Sees::Code, true, false, kNothing, kNothing, read_trivy},
    // Only where settings name a command.
    {"llm_guard", "", kLlmGuard, kNothing, Sees::Tree, false, false, kNothing, kNothing, read_llm_guard},
};

}  // namespace

std::span<const ScannerRow> scanner_rows() {
  return kRows;
}

const ScannerRow* scanner_row(std::string_view name) {
  const auto found =
      std::find_if(std::begin(kRows), std::end(kRows), [&](const ScannerRow& row) { return row.name == name; });
  return found == std::end(kRows) ? nullptr : found;
}

bool is_scanner(std::string_view name) {
  return scanner_row(name) != nullptr;
}

std::vector<const TreeEntry*> needed_files(const ScannerRow& row, const Tree& tree) {
  std::vector<const TreeEntry*> out;
  for (const TreeEntry& entry : tree.entries) {
    if (entry.kind != TreeEntry::Kind::File) continue;
    const bool needed = row.needs.empty() || std::any_of(row.needs.begin(), row.needs.end(), [&](std::string_view end) {
                          return entry.path.ends_with(end);
                        });
    if (needed) out.push_back(&entry);
  }
  return out;
}

}  // namespace countersign::vetting
