// What goes into an evidence pack: the run, and the records about it, each checked before it counts as evidence.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "command/evidence/runpack_file.h"
#include "command/line/arguments.h"
#include "common/json.h"
#include "common/result.h"
#include "keymgmt/key_set.h"
#include "packs/evidence_pack.h"
#include "signer/client/signer_client.h"

namespace countersign::command {

inline constexpr Flag kEvidenceFlags[] = {
    {"run", Flag::Kind::Text, "ID|PATH", "the intents' context.run_id, a runpack, or a folder of evidence"},
    {"trace", Flag::Kind::Text, "FILES", "traces of the run, separated by commas"},
    {"approval-audit", Flag::Kind::Text, "FILES", "approval audits beside those in the runpack's folder"},
    {"credential-evidence", Flag::Kind::Text, "FILES", "credential evidence beside that in the runpack's folder"},
    {"inventory", Flag::Kind::Text, "FILES", "inventories of tools"},
    {"regress", Flag::Kind::Text, "FILES", "results of regression runs"},
    {"policy", Flag::Kind::Text, "FILES", "policies that decided the run: their text goes in"},
    {"published", Flag::Kind::Text, "DIR|URL",
     "the published keys (a TUF repository): with them a stranger needs the root alone"},
    {"allow-unverified", Flag::Kind::Switch, "", "pack what does not verify too, marked as such, instead of failing"},
};

// What a pack says of itself.
inline constexpr Flag kPackFlags[] = {
    {"case-id", Flag::Kind::Text, "TEXT", "the incident or ticket it is for"},
    {"template", Flag::Kind::Text, "NAME", "soc2, pci or incident_response (default)"},
    {"render-pdf", Flag::Kind::Switch, "", "add summary.pdf, a page for people"},
};

struct PackEvidence {
  RunpackFile run;
  std::vector<Json> traces;
  std::vector<Json> approval_audits;
  std::vector<Json> credential_evidence;
  std::vector<Json> inventories;
  std::vector<Json> regress_results;
  std::optional<packs::Proofs> proofs;  // of the signer's evidence
};

// As gait does: what the flags name, and beside the runpack every approval_audit_*.json and credential_evidence_*.json;
// each kind by path. A trace must be what its own signed_digest says. Fails with Invalid on what cannot be read, and
// with VerificationFailed on a changed trace (gait packs it).
Result<PackEvidence> gather_files(const Arguments& arguments);

// Everything that the signer's ledger has of the run, what the flags name, and the evidence of the run that lies beside
// its runpack or in its folder, verified with `keys`; with proofs from the signer's log, where it keeps one. A runpack
// is made from the traces where there is none; with `keep_runpack` it is written to gait-out, where `verify` and the
// pack look for it. Fails with Invalid on what cannot be read or is of another run, with VerificationFailed where
// something does not verify or is not recorded, naming each, unless
// --allow-unverified; and as the signer does.
Result<PackEvidence> gather_recorded(const Arguments& arguments, const keymgmt::KeySet& keys,
                                     client::SignerClient& signer, bool keep_runpack);

}  // namespace countersign::command
