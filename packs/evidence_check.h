// Whether the signed documents in a pack are what they say: each signature, and each place in the log.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "keymgmt/key_set.h"
#include "packs/evidence_pack.h"
#include "signer/log/checkpoint.h"
#include "signer/statement/statement.h"

namespace countersign::packs {

// The signed documents of a run, and the files of a pack that hold them.
struct EvidenceKind {
  statement::StatementType type;
  std::string_view stem;
};
std::span<const EvidenceKind> evidence_kinds();

struct EvidenceFailure {
  std::string path;
  std::string code;
  std::string message;
};

struct EvidenceCheck {
  std::int64_t documents = 0;   // verified
  std::int64_t logged = 0;      // of them, proven to stand in the log
  std::int64_t unverified = 0;  // kept in the pack as no evidence
  std::vector<EvidenceFailure> failures;
  bool passed() const { return failures.empty(); }
};

// A pack of a signer without a log holds no proofs.
enum class LogProofs {
  WherePresent,  // for all documents or for none
  Required,      // and for one at least
};

// What LogProofs::Required says of a pack that proves nothing: reason "not_in_log".
EvidenceFailure no_log_proof(std::string_view why);

// Verifies every document with `keys` and every proof with `trust`, or, where it is not given, with the keys of role
// `log` in `keys`. Where a pack has proofs, or they are required, a document or execution without one fails: reason
// "not_in_log"; a proof of none of them fails: "proof_of_nothing".
EvidenceCheck check_evidence(const EvidencePack& pack, const keymgmt::KeySet& keys,
                             const std::optional<log::CheckpointTrust>& trust, LogProofs proofs);

}  // namespace countersign::packs
