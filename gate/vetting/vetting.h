// Vetting: a source becomes a snapshot, the snapshot is looked at by every scanner, and what they say becomes a verdict
// that stands for exactly those bytes.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "gate/vetting/finding.h"
#include "gate/vetting/package.h"
#include "gate/vetting/policy.h"
#include "gate/vetting/tree.h"

namespace countersign::vetting {

// A copy of a source in a folder named by the digest of its tree. Never changed, never made twice.
struct Snapshot {
  Tree tree;
  Digest digest;
};

struct VettingReport {
  std::string proposal_id;
  std::string target;  // what was vetted, as it was named
  Digest digest;       // of the snapshot
  UtcTime started;
  UtcTime finished;
  Judgement judgement;
  std::vector<ScannerReport> scanners;
  std::vector<Package> packages;
};

struct VettingRequest {
  std::string proposal_id;
  std::string source;  // a folder, an archive, a package of npm or PyPI, an image as `docker save` writes it
  std::string store;   // folder of the snapshots
  VettingPolicy policy;
  std::string worker;  // this program: started again inside the sandbox for what parses the tree
};

// What happens, for people who wait: "snapshot", then each scanner's name when it begins.
using Progress = std::function<void(const std::string& step)>;

// Takes the snapshot and runs the scanners. Fails with NotFound, Invalid or TooLarge where the source cannot be taken
// as a whole, with Unavailable, reason "sandbox_missing", where nothing can be looked at safely. A scanner that fails
// is a line of the report.
Result<VettingReport> vet(const VettingRequest& request, const Clock& clock, const Progress& progress);

// The worker's two jobs, run inside the sandbox by vet(): unpacks /tree/source into /out/tree, or looks at /tree and
// writes /out/answer.json. Their exit code is the program's.
Status unpack_in_sandbox();
Status scan_in_sandbox(const std::string& today);

// The documents of a report: FINDINGS.json (docs/vetting.md), SARIF 2.1.0 and the page for people.
Json findings_document(const VettingReport& report);
Json sarif_document(const VettingReport& report);
std::string markdown_page(const VettingReport& report);

}  // namespace countersign::vetting
