#include "command/line/signer_address.h"

#include <cstdlib>

namespace countersign::command {

SignerAddress signer_address(const Arguments& arguments) {
  if (const std::string_view flag = arguments.text("signer"); !flag.empty()) return {std::string(flag), true};
  if (const char* environment = std::getenv("COUNTERSIGN_SIGNER"); environment != nullptr && *environment != '\0') {
    return {environment, true};
  }
  return {"/run/countersign/sign.sock", false};
}

std::string admin_address(const Arguments& arguments) {
  if (const std::string_view flag = arguments.text("admin"); !flag.empty()) return std::string(flag);
  if (const char* environment = std::getenv("COUNTERSIGN_ADMIN"); environment != nullptr && *environment != '\0') {
    return environment;
  }
  const std::string signer = signer_address(arguments).path;
  return signer.substr(0, signer.rfind('/') + 1) + "admin.sock";
}

}  // namespace countersign::command
