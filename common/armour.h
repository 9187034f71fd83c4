// Text armour: base64 lines between a BEGIN and an END line (RFC 7468; PROTOCOL.sshsig).
#pragma once

#include <string>
#include <string_view>

#include "common/bytes.h"
#include "common/result.h"

namespace countersign {

// `label` is what stands in both lines: "PUBLIC KEY", "SSH SIGNATURE". One armoured block with nothing around it but
// white space. Fails with Invalid, naming the label.
Result<Bytes> from_armour(std::string_view text, std::string_view label);
// Lines of 64 characters, each ended by "\n".
std::string to_armour(ByteView bytes, std::string_view label);

}  // namespace countersign
