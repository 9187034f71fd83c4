#include "command/key_file_mode.h"

#include <string>

namespace countersign::command {
namespace {

constexpr Flag kKeyFileFlags[] = {
    {"key-mode", Flag::Kind::Text, "MODE", ""},
    {"private-key", Flag::Kind::Text, "FILE", ""},
    {"private-key-env", Flag::Kind::Text, "NAME", ""},
    {"approval-public-key", Flag::Kind::Text, "FILE", ""},
    {"approval-public-key-env", Flag::Kind::Text, "NAME", ""},
    {"approval-private-key", Flag::Kind::Text, "FILE", ""},
    {"approval-private-key-env", Flag::Kind::Text, "NAME", ""},
};

}  // namespace

std::span<const Flag> key_file_flags() {
  return kKeyFileFlags;
}

Status refuse_key_files(const Arguments& arguments) {
  for (const Flag& flag : kKeyFileFlags) {
    if (!arguments.given(flag.name)) continue;
    return Error{
        ErrorCode::Invalid,
        "--" + std::string(flag.name) + " asks for key files, which this build neither signs nor verifies with",
        "key_file_mode",
        "leave the key flags out: the signer signs and publishes its keys (--signer, $COUNTERSIGN_SIGNER)"};
  }
  return ok();
}

}  // namespace countersign::command
