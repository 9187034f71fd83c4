// The metadata that the role `publication` signs: timestamp, snapshot, and the delegated role `revoked` of a TUF
// repository (keymgmt/tuf). The caller gives versions and digests, the holder the expiry. None of them can name a key
// or a target other than revoked.json, so none can add anything that verifiers trust.
#pragma once

#include <chrono>
#include <string>

#include "signer/statement/statement.h"

namespace countersign::statement {

// What the holder signs, and the document around it once it is signed.
struct OnlineDocument {
  Json document;        // the signed part (TUF), or {"origin","text"} (a checkpoint)
  std::string message;  // what the signature is over
};

// Strict. Fails with Invalid.
Result<Json> read_publication_fields(StatementType type, const JsonTree& fields);
// How long verifiers may believe it: the caller's word, which a holder bounds.
std::chrono::nanoseconds lifetime_of(const Json& fields);
// Precondition: `fields` came from read_publication_fields.
Result<OnlineDocument> stamped_publication(StatementType type, const Json& fields, const Stamp& stamp);
// The file of TUF metadata. Fails with VerificationFailed where the signature is not the key's.
Result<Json> sealed_publication(Json signed_part, const keymgmt::PublicKey& key, ByteView signature);

}  // namespace countersign::statement
