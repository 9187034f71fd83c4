// The scanners that need no other program. They run in a process that has nothing but the tree (sandbox.h).
#pragma once

#include <vector>

#include "gate/vetting/finding.h"
#include "gate/vetting/package.h"
#include "gate/vetting/policy.h"
#include "gate/vetting/tree.h"

namespace countersign::vetting {

struct BuiltInAnswer {
  std::vector<ScannerReport>
      reports;  // dependencies, advisories, secrets, prompt_injection, signatures, install_hooks, archives
  std::vector<Package> packages;
};

// Looks at every file of the tree and, within bounds, at every file of the archives in it. `today` (RFC 3339, a date is
// enough) tells how old the advisories are.
BuiltInAnswer scan(const Tree& tree, const VettingPolicy& policy, const std::string& today);

}  // namespace countersign::vetting
