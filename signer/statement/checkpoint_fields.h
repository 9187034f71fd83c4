// The checkpoint that the role `log` signs: C2SP tlog-checkpoint, a signed note of (origin, size, root).
#pragma once

#include "signer/statement/publication_fields.h"

namespace countersign::statement {

// {"origin","size","root"}; root is lower-case hex. Strict: an origin is one line without spaces, '+' and control
// characters (C2SP signed-note, key names). Fails with Invalid.
Result<Json> read_checkpoint_fields(const JsonTree& fields);
// Precondition: `fields` came from read_checkpoint_fields.
OnlineDocument stamped_checkpoint(const Json& fields);
// {"note": the text, an empty line, and "— origin BASE64(key hash ‖ signature)"}. The key hash is the first four bytes
// of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ key).
Result<Json> sealed_checkpoint(const Json& document, const keymgmt::PublicKey& key, ByteView signature);

}  // namespace countersign::statement
