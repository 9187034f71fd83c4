// Which 32 bytes are an Ed25519 public key worth trusting. OpenSSL takes any 32 bytes and notices at verification.
#pragma once

#include "common/bytes.h"

namespace countersign::keymgmt {

// Whether `raw` (32 bytes) encodes a point of the curve canonically (RFC 8032 §5.1.3) and not one of small order, under
// which one signature verifies for many messages.
bool is_sound_ed25519_point(ByteView raw);

}  // namespace countersign::keymgmt
