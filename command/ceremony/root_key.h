// A custodian's root key, where it is: a passphrase-protected PEM, or a token of theirs, which countersign-holder opens
// for this one signature.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/bytes.h"
#include "common/result.h"
#include "keymgmt/public_key.h"

namespace countersign::command {

// Signs each message with the key at `place` (a file, or a PKCS #11 URI). `secret` says where its passphrase or PIN
// comes from (common/secret_source.h). `expected` are the keys that the plan knows of that person: gives the one whose
// signatures these are. Fails with Refused: "not_the_custodians_key" where it is none of them, "passphrase_wrong",
// "key_unprotected"; as the holder does.
struct RootSignatures {
  keymgmt::PublicKey key;
  std::vector<Bytes> signatures;
};
Result<RootSignatures> sign_with_root_key(const std::string& place, std::string_view secret,
                                          const std::vector<keymgmt::PublicKey>& expected,
                                          const std::vector<std::string>& messages);

}  // namespace countersign::command
