// The manifest of an evidence pack (gait-formats §16.2): what the files of one run are, with their digests. gait keeps
// its signatures in a list, and covers the known members only.
#pragma once

#include "signer/statement/trace_fields.h"

namespace countersign::statement {

const Structure& evidence_pack_structure();
// Strict: contents sorted by path, each once; every pointer is one of them, with its digest. Fails with Invalid.
Result<EvidencePackFields> read_evidence_pack_fields(const JsonTree& fields);
// generated_at is the moment of signing; pack_id follows from run_id and contents.
StampedDocument stamped(const EvidencePackFields& pack, const Stamp& stamp);

}  // namespace countersign::statement
