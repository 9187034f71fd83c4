// HMAC with SHA-256 (RFC 2104).
#pragma once

#include <initializer_list>

#include "common/bytes.h"
#include "common/digest.h"

namespace countersign {

// Over the pieces one after another.
Digest hmac_sha256(ByteView key, std::initializer_list<ByteView> pieces);

}  // namespace countersign
