// The bytes that TUF signs: OLPC canonical JSON (TUF specification 1.0, §4.2.1), kept to where it is the same as RFC
// 8785, so that any JOSE or JSON library makes the same bytes. The one difference left are the line ends inside the PEM
// of a P-256 key in root metadata, which OLPC writes as they are.
#pragma once

#include <string>

#include "common/json.h"
#include "common/result.h"

namespace countersign::tuf {

// Fails with Invalid where a text holds what is not printable ASCII or a line end, and where a number is no integer
// below 2^53: there the two forms differ, and nothing of ours says such a thing.
Result<std::string> canonical(const Json& value);

}  // namespace countersign::tuf
