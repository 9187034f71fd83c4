// What goes into an evidence pack: the run, and the records about it, each checked before it counts as evidence.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "command/arguments.h"
#include "command/runpack_file.h"
#include "common/json.h"
#include "common/result.h"
#include "keymgmt/key_set.h"
#include "packs/evidence_pack.h"

namespace countersign::command {

struct PackEvidence {
  RunpackFile run;
  std::vector<Json> traces;
  std::vector<Json> approval_audits;
  std::vector<Json> credential_evidence;
  std::vector<Json> inventories;
  std::vector<Json> regress_results;
};

// Reads what the flags name, and beside the runpack every approval_audit_*.json and credential_evidence_*.json; each
// kind by path. Where the run has no runpack, it is made from its traces: those named, and trace*.json here and in
// gait-out whose run_id it is; it is written to gait-out. With `keys`, every trace and audit must verify; without, a
// trace must at least be what its own signed_digest says. Fails with Invalid on what cannot be read, and with
// VerificationFailed on evidence that is forged (gait packs it).
Result<PackEvidence> gather_evidence(const Arguments& arguments, const std::optional<keymgmt::KeySet>& keys);

}  // namespace countersign::command
