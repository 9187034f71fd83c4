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

struct TraceReading {
  TraceClaims claims;
  const JsonNode* facts;  // the member `countersign`
};
// Strict. `fields` holds the members of gait and `countersign`, which is taken out. Fails with Invalid.
Result<TraceReading> read_trace(const JsonTree& fields);

struct StampedDocument {
  JsonTree document;  // without `signature`; what stands unchanged in it is shared with the fields
  Digest signed_digest;
};
StampedDocument stamped_trace(const JsonTree& fields, const TraceClaims& claims, const JsonNode& facts,
                              const Stamp& stamp);

// A new object: schema_id, schema_version, the first of `fields` (created_at), observed_at and producer_version, to
// which a document's own members are to be added. And a member of it.
JsonNode& begun_document(const JsonTree& fields, StatementType type, std::string_view observed_at);
void add_text(const JsonTree& tree, JsonNode& object, std::string_view name, std::string_view text);

}  // namespace countersign::statement
