// What a tree must pass: which scanners must have looked, and how much they may find. A JSON document
// (docs/vetting.md); every member has a default, an unknown one is an error.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "common/json.h"
#include "common/result.h"
#include "gate/vetting/finding.h"

namespace countersign::vetting {

// Most findings of each kind; one more is a reason to fail.
struct Thresholds {
  int critical = 0;
  int high = 2;
  int medium = 10;
  int secrets = 0;
  int injection = 1;
  int malware = 0;
};

// How an external scanner is run where the table's own way does not fit.
struct ScannerSettings {
  bool enabled = true;
  std::string command;                 // path of the program; empty: found along PATH
  std::vector<std::string> read_only;  // files and folders it needs to see: rules, databases, its own prefix
  std::string data;                    // its rules, database or socket: what the table calls DATA
  bool network = false;                // only for scanners that ask a registry
  std::chrono::seconds time{120};
};

struct VettingPolicy {
  Thresholds thresholds;
  // Scanners without which nothing is known: one of them Unavailable or Failed makes the verdict INCOMPLETE.
  std::vector<std::string> required = {"dependencies", "secrets", "prompt_injection", "signatures", "install_hooks"};
  std::string advisories;                   // folder of the OSV database; empty: dependencies are listed, not looked up
  std::chrono::hours oldest_advisories{0};  // 0: any age
  std::vector<std::string> signatures;      // files of signature lists
  std::map<std::string, ScannerSettings> scanners;
  std::chrono::seconds time{300};  // of the built-in scanners together

  // `folder` is where relative paths of the document start. Fails with Invalid naming the member.
  static Result<VettingPolicy> read(const Json& document, const std::string& folder);
  const ScannerSettings& settings_of(const std::string& scanner) const;
  bool requires_scanner(const std::string& scanner) const;
};

enum class Verdict { Pass, Warn, Fail, Incomplete };
std::string_view name_of(Verdict verdict);  // "pass", "warn", "fail", "incomplete"

struct Summary {
  int critical = 0;
  int high = 0;
  int medium = 0;
  int low = 0;
  int secrets = 0;
  int injection = 0;
  int malware = 0;
};

struct Judgement {
  Verdict verdict = Verdict::Incomplete;
  std::vector<std::string> reasons;  // sentences, worst first; of a pass: none
  Summary summary;
};

// Fail where a count is above its threshold; else Incomplete where a required scanner did not look; else Warn where
// something High or an injection signal was found; else Pass. Each thing found counts once, however many scanners saw
// it.
Judgement judge(const VettingPolicy& policy, const std::vector<ScannerReport>& reports);

}  // namespace countersign::vetting
