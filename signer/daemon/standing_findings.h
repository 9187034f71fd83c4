// What was found at the start and of the holders that came since, as `status` shows it, one sentence each.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "signer/daemon/holder_pool.h"

namespace countersign::daemon {

class StandingFindings {
 public:
  // Stands until the next start.
  void note(const std::string& finding) { lasting_.insert(finding); }
  // Of the holder in this place: stands until the next one there is compared.
  void note(const HolderName& name, std::vector<std::string> findings) {
    of_holders_[{name.role, name.index}] = std::move(findings);
  }
  // Each once.
  std::vector<std::string> shown() const {
    std::set<std::string> all = lasting_;
    for (const auto& [place, findings] : of_holders_) all.insert(findings.begin(), findings.end());
    return {all.begin(), all.end()};
  }

 private:
  std::set<std::string> lasting_;
  std::map<std::pair<keymgmt::Role, int>, std::vector<std::string>> of_holders_;
};

}  // namespace countersign::daemon
