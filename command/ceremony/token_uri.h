// Where a custodian's key is on a token, as a PKCS #11 URI (RFC 7512):
// pkcs11:token=alice;id=%01?module-path=/usr/lib/….so
#pragma once

#include <string>
#include <string_view>

#include "common/bytes.h"
#include "common/result.h"

namespace countersign::command {

struct TokenUri {
  std::string token, serial;  // at least one
  std::string object;         // CKA_LABEL
  Bytes id;                   // CKA_ID; at least one of both
  std::string module_path;
};

bool is_token_uri(std::string_view text);
// Takes token, serial, object, id, type=private and module-path, each once. Fails with Invalid on any other attribute:
// one that is passed over could name another key, and a PIN does not belong in an argument.
Result<TokenUri> read_token_uri(std::string_view text);

}  // namespace countersign::command
