// A program of others that looks at a tree, in the sandbox, and what is made of its answer.
#pragma once

#include "gate/vetting/finding.h"
#include "gate/vetting/policy.h"
#include "gate/vetting/scanner_view.h"
#include "gate/vetting/scanners.h"

namespace countersign::vetting {

// Asks it about the views' tree, as the row and the settings say. Whatever goes wrong is an outcome of the report.
ScannerReport ask_scanner(const ScannerRow& row, const ScannerSettings& settings, ScannerViews& views,
                          const TreeFacts& facts);

}  // namespace countersign::vetting
