// What `countersign-holder custodian` reads on stdin: messages that one custodian signs with the root key on their own
// token. Descriptor 5 is the PIN. The answer is {"ok":true,"signatures":[base64…]}, as PublicKey::verify takes them.
#pragma once

#include <string>
#include <vector>

#include "common/bytes.h"
#include "common/json.h"
#include "common/result.h"
#include "keymgmt/role.h"

namespace countersign::channel {

struct CustodianSigning {
  std::string module;         // path
  std::string label, serial;  // of the token; either may be empty, not both
  std::string id;             // hex CKA_ID of the key
  std::string object;         // its CKA_LABEL; either may be empty, not both
  keymgmt::Algorithm algorithm{};
  std::vector<Bytes> messages;

  Json to_json() const;
  static Result<CustodianSigning> from_json(const Json& json);  // strict; fails with Invalid
};

}  // namespace countersign::channel
