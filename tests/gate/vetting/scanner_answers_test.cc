// What real scanners wrote about the sample tree, and what they write when they did not look.
#include "gate/vetting/scanner_answers.h"

#include <gtest/gtest.h>

#include "common/durable_file.h"
#include "places.h"

namespace countersign::vetting {
namespace {

const TreeFacts kFacts{.files = 12, .packages = 2};

std::string recorded(const std::string& name) {
  const auto text = read_file(COUNTERSIGN_VECTORS "/vetting/outputs/" + name);
  EXPECT_TRUE(text.has_value()) << name;
  return text ? *text : std::string();
}

struct Case {
  const char* name;
  void (*read)(const ScannerOutput&, const TreeFacts&, ScannerReport&);
  int exit_code;
  const char* file;
  const char* errors;
  Outcome outcome;
  std::size_t findings;
};

class ScannerAnswer : public testing::TestWithParam<Case> {};

TEST_P(ScannerAnswer, IsReadForWhatItShows) {
  const Case& row = GetParam();
  ScannerReport report{"scanner"};
  row.read({row.exit_code, recorded(row.file), row.errors}, kFacts, report);
  EXPECT_EQ(report.outcome, row.outcome) << report.error;
  EXPECT_EQ(report.findings.size(), row.findings);
  if (row.outcome == Outcome::Failed || row.outcome == Outcome::Unavailable) {
    EXPECT_FALSE(report.error.empty());
  }
}

constexpr const char* kAsked =
    "npm http fetch POST 200 https://packages.example/-/npm/v1/security/advisories/bulk 80ms";

INSTANTIATE_TEST_SUITE_P(
    Recorded, ScannerAnswer,
    testing::Values(Case{"GitleaksFinds", read_gitleaks, 3, "gitleaks.json", "", Outcome::Findings, 3},
                    Case{"GitleaksIsClean", read_gitleaks, 0, "gitleaks-clean.json", "", Outcome::Clean, 0},
                    Case{"GitleaksFailed", read_gitleaks, 1, "gitleaks-clean.json", "", Outcome::Failed, 0},
                    Case{"GitleaksDeniesItsFindings", read_gitleaks, 0, "gitleaks.json", "", Outcome::Failed, 3},
                    Case{"GitleaksWroteNothingReadable", read_gitleaks, 0, "clamscan.txt", "", Outcome::Failed, 0},
                    Case{"OsvHasNoDatabase", read_osv_scanner, 127, "osv-nodb.json",
                         "no offline version of the OSV database", Outcome::Unavailable, 0},
                    Case{"OsvLookedUpNothing", read_osv_scanner, 0, "osv-nodb.json", "", Outcome::Failed, 0},
                    Case{"ClamscanFinds", read_clamscan, 1, "clamscan.txt", "", Outcome::Findings, 3},
                    Case{"ClamscanHasNoDatabase", read_clamscan, 2, "clamscan-nodb.txt", "", Outcome::Unavailable, 0},
                    Case{"SemgrepFinds", read_semgrep, 1, "semgrep.json", "", Outcome::Findings, 6},
                    Case{"SemgrepDiedOnItsRules", read_semgrep, 2, "semgrep.json", "", Outcome::Failed, 0},
                    Case{"BanditFinds", read_bandit, 1, "bandit.json", "", Outcome::Findings, 7},
                    Case{"BanditSawNoFile", read_bandit, 0, "bandit-clean.json", "", Outcome::Failed, 0},
                    Case{"NpmWasRefused", read_npm_audit, 1, "npm-audit.json", "", Outcome::Failed, 0},
                    Case{"NpmDidNotAsk", read_npm_audit, 0, "npm-audit-off.json", "", Outcome::Failed, 0},
                    Case{"NpmAskedAndIsClean", read_npm_audit, 0, "npm-audit-off.json", kAsked, Outcome::Clean, 0},
                    Case{"PipAuditSkipped", read_pip_audit, 0, "pip-audit.json", "", Outcome::Failed, 0},
                    Case{"TrivyFinds", read_trivy, 5, "trivy.json", "", Outcome::Findings, 7},
                    Case{"TrivyFailed", read_trivy, 1, "trivy.json", "FATAL no database", Outcome::Failed, 0}),
    [](const auto& info) { return info.param.name; });

TEST(ScannerAnswer, NamesPathsAsTheTreeDoes) {
  ScannerReport report{"gitleaks"};
  read_gitleaks({3, R"([{"RuleID":"r","Description":"d","File":"/tree/config/settings.env","StartLine":3}])", ""},
                kFacts, report);
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_EQ(report.findings[0].path, "config/settings.env");
  EXPECT_EQ(report.findings[0].line, 3);
}

TEST(ScannerAnswer, OfSemgrepNamesRulesAsTheirFileDoes) {
  ScannerReport report{"semgrep"};
  const std::string result =
      R"({"version":"1.185.0","errors":[],"paths":{"scanned":["/tree/a.py"]},"results":[{"check_id":"etc.rules.my.rule","path":"/tree/a.py","start":{"line":1},"extra":{"severity":"ERROR","message":"m"}}]})";
  TreeFacts facts = kFacts;
  facts.data = "/etc/rules/ours.yml";
  read_semgrep({1, result, ""}, facts, report);
  ASSERT_EQ(report.findings.size(), 1U) << report.error;
  EXPECT_EQ(report.findings[0].rule, "my.rule");
  EXPECT_EQ(report.version, "1.185.0");
}

TEST(ScannerAnswer, KeepsWhatWasFoundBeforeItFailed) {
  const std::string found = R"("path":"/tree/a.py","start":{"line":1},"extra":{"severity":"ERROR","message":"m"}}]})";
  ScannerReport partly{"semgrep"};
  read_semgrep(
      {1,
       R"({"errors":[{"level":"warn","path":"/tree/b.py","message":"Syntax error"}],"paths":{"scanned":["/tree/a.py"]},"results":[{"check_id":"r",)" +
           found,
       ""},
      kFacts, partly);
  EXPECT_EQ(partly.outcome, Outcome::Failed);
  EXPECT_EQ(partly.error, "it did not check all of b.py: Syntax error");
  EXPECT_EQ(partly.findings.size(), 1U);
  ScannerReport fewer{"bandit"};
  read_bandit({1, recorded("bandit.json"), ""}, {.files = 12, .matching = 2}, fewer);
  EXPECT_EQ(fewer.outcome, Outcome::Failed);
  EXPECT_EQ(fewer.findings.size(), 7U);
}

TEST(ScannerAnswer, OfClamscanPassesOverLinks) {
  ScannerReport report{"clamscan"};
  read_clamscan({0, "/tree/a: OK\n/tree/link: Symbolic link\n", ""}, {.files = 1}, report);
  EXPECT_EQ(report.outcome, Outcome::Clean) << report.error;
  EXPECT_EQ(report.checked, 1U);
}

TEST(ScannerAnswer, OfPipAuditLooksUpEveryPackage) {
  const std::string answer = R"({"dependencies":[{"name":"idna","version":"3.6","vulns":[]}],"fixes":[]})";
  ScannerReport all{"pip_audit"};
  read_pip_audit({0, answer, ""}, {.packages = 1}, all);
  EXPECT_EQ(all.outcome, Outcome::Clean) << all.error;
  ScannerReport fewer{"pip_audit"};
  read_pip_audit({0, answer, ""}, {.packages = 2}, fewer);
  EXPECT_EQ(fewer.outcome, Outcome::Failed);
}

TEST(ScannerAnswer, OfOsvCountsWhatWasLookedUp) {
  ScannerReport report{"osv_scanner"};
  read_osv_scanner({1, recorded("osv.json"), ""}, {.files = 12, .packages = 3}, report);
  EXPECT_EQ(report.outcome, Outcome::Findings) << report.error;
  EXPECT_EQ(report.findings.size(), 3U);
  ScannerReport fewer{"osv_scanner"};
  read_osv_scanner({1, recorded("osv.json"), ""}, {.files = 12, .packages = 9}, fewer);
  EXPECT_EQ(fewer.outcome, Outcome::Failed);
}

}  // namespace
}  // namespace countersign::vetting
