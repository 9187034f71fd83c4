// The ledger's anchors on the trace token, as the front asks for them (signer/ledger/anchor_check.h has their meaning).
#pragma once

#include <string_view>

#include "common/json.h"
#include "common/result.h"
#include "pkcs11/token_session.h"
#include "signer/channel/frame.h"

namespace countersign::holder {

// Writes the new object, then destroys the older of the two before it, under the token's lock, synced. A signal that
// ends the process waits until it is done.
Status write_anchor(const pkcs11::TokenSession& session, const channel::Anchor& anchor);

// A list of {"at","root","size"} for what reads and {"finding":"…"} for what does not: a torn write is not the end.
Result<Json> read_anchors(const pkcs11::TokenSession& session);

}  // namespace countersign::holder
