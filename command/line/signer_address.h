// Where the signer and its custodians' socket listen.
#pragma once

#include <string>

#include "command/line/arguments.h"

namespace countersign::command {

inline constexpr Flag kSignerFlag = {"signer", Flag::Kind::Text, "SOCKET",
                                     "the signer ($COUNTERSIGN_SIGNER, else /run/countersign/sign.sock)"};

inline constexpr Flag kAdminFlag = {"admin", Flag::Kind::Text, "SOCKET",
                                    "the custodians' socket ($COUNTERSIGN_ADMIN, else admin.sock beside the signer's)"};

struct SignerAddress {
  std::string path;
  bool chosen = false;  // by flag or environment, not the default
};

// --signer, else $COUNTERSIGN_SIGNER, else /run/countersign/sign.sock.
SignerAddress signer_address(const Arguments& arguments);

// --admin, else $COUNTERSIGN_ADMIN, else admin.sock beside the signer's socket, where the configuration puts it too.
std::string admin_address(const Arguments& arguments);

}  // namespace countersign::command
