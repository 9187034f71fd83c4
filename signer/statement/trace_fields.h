// The trace: which members it has, what a caller may give, and the document the holder makes of it.
#pragma once

#include "signer/statement/statement.h"
#include "signer/statement/structure.h"

namespace countersign::statement {

// gait-formats §16.1, in file order, with `signature` last.
const Structure& trace_structure();
const Structure& relationship_structure();  // also of an approval audit
const Structure& signature_structure();     // the envelope, gait-formats §4

inline constexpr std::string_view kSchemaVersion = "1.0.0";
// First 24 hex digits of SHA-256: the form of gait's ids.
std::string short_id(std::string_view text);

// Before the hex digest of the member `countersign` in relationship.related_entity_ids.
inline constexpr std::string_view kCountersignPrefix = "countersign:";

// Strict. `fields` holds the members of gait and `countersign`, the facts. Fails with Invalid.
Result<TraceFields> read_trace_fields(Json&& fields);

struct StampedDocument {
  Json document;  // without `signature`
  Digest signed_digest;
};
StampedDocument stamped(TraceFields&& trace, const Stamp& stamp);

}  // namespace countersign::statement
