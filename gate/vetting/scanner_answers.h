// What external scanners write, read as untrusted: five outcomes, and never "clean" for an answer that does not show
// that something was checked.
#pragma once

#include "gate/vetting/scanners.h"

namespace countersign::vetting {

void read_gitleaks(const ScannerOutput& output, const TreeFacts& facts, ScannerReport& report);
void read_osv_scanner(const ScannerOutput& output, const TreeFacts& facts, ScannerReport& report);
void read_clamscan(const ScannerOutput& output, const TreeFacts& facts, ScannerReport& report);
void read_semgrep(const ScannerOutput& output, const TreeFacts& facts, ScannerReport& report);
void read_bandit(const ScannerOutput& output, const TreeFacts& facts, ScannerReport& report);
void read_npm_audit(const ScannerOutput& output, const TreeFacts& facts, ScannerReport& report);
void read_pip_audit(const ScannerOutput& output, const TreeFacts& facts, ScannerReport& report);
void read_trivy(const ScannerOutput& output, const TreeFacts& facts, ScannerReport& report);
// {"checked": N, "findings": [{"path","line","rule","title","severity"}]}: what a command for language models answers.
void read_llm_guard(const ScannerOutput& output, const TreeFacts& facts, ScannerReport& report);

}  // namespace countersign::vetting
