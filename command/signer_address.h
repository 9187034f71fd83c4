// Where the signer listens.
#pragma once

#include <string>

#include "command/arguments.h"

namespace countersign::command {

inline constexpr Flag kSignerFlag = {"signer", Flag::Kind::Text, "SOCKET",
                                     "the signer ($COUNTERSIGN_SIGNER, else /run/countersign/sign.sock)"};

struct SignerAddress {
  std::string path;
  bool chosen = false;  // by flag or environment, not the default
};

// --signer, else $COUNTERSIGN_SIGNER, else /run/countersign/sign.sock.
SignerAddress signer_address(const Arguments& arguments);

}  // namespace countersign::command
