// Where a secret comes from when a person or a service has to give it: never an argument, never the environment.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"
#include "common/secret_bytes.h"

namespace countersign {

// A secret typed on the terminal, without echo. Fails with Unavailable where there is none.
Result<SecretBytes> ask_secret(const std::string& prompt);

// A descriptor of the systemd credential of that name (systemd.exec(5), LoadCredential=). Fails with NotFound, and with
// Refused where others may read it.
Result<int> open_credential(const std::string& name);

// By its source: "prompt", "fd:N" (read to its end and closed), "credential:NAME", "file:PATH" (its owner's alone).
// Fails with Invalid on another word, and as the above.
Result<SecretBytes> secret_from(std::string_view source, const std::string& prompt);

}  // namespace countersign
