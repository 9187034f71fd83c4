// A program of others that looks at a tree, in the sandbox, and what is made of its answer.
#pragma once

#include <string>

#include "gate/vetting/finding.h"
#include "gate/vetting/policy.h"
#include "gate/vetting/scanners.h"
#include "gate/vetting/tree.h"

namespace countersign::vetting {

// Asks it, as the row and the settings say; `store` is on the file system of the snapshot. Whatever goes wrong is an
// outcome of the report.
ScannerReport ask_scanner(const ScannerRow& row, const ScannerSettings& settings, const Tree& tree,
                          const TreeFacts& facts, const std::string& store);

}  // namespace countersign::vetting
