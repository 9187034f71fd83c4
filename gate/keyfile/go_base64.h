// Standard padded base64 as gait reads it from key files and signatures: line breaks inside are passed over, trailing
// bits are ignored (gait-formats §4). Our own documents are read with from_base64, which is stricter.
#pragma once

#include <string_view>

#include "common/bytes.h"
#include "common/result.h"

namespace countersign::keyfile {

// Fails with Invalid in gait's words: "illegal base64 data at input byte 84".
Result<Bytes> from_go_base64(std::string_view text);

}  // namespace countersign::keyfile
