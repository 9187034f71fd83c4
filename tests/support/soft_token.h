// A throw-away SoftHSM in a folder of its own: configuration, token directory and one token with both PINs.
// Made with softhsm2-util, so that tests of our own set-up code do not test themselves.
#pragma once

#include <map>
#include <string>

#include "common/secret_bytes.h"
#include "tests/support/temporary_folder.h"

namespace countersign::test {

inline constexpr const char* kSoftHsmModule = "/usr/lib/softhsm/libsofthsm2.so";

class SoftToken {
 public:
  // Throws when softhsm2-util fails.
  explicit SoftToken(const std::string& label = "countersign-test");

  // Another token in the same directory, with the same PINs. Gives its serial number.
  std::string add_token(const std::string& label);
  // Throws the token's keys away and makes it anew under its label (softhsm2-util --init-token): another serial number.
  void initialise_again();

  const std::string& folder() const { return folder_.path(); }
  std::string conf() const { return folder_ / "softhsm2.conf"; }
  std::string tokens() const { return folder_ / "tokens"; }
  std::string pin_file() const { return folder_ / "pin"; }  // 0400, one line
  const std::string& label() const { return label_; }
  const std::string& serial() const { return serial_; }
  std::string pin() const { return "test-only-user-pin"; }
  std::string so_pin() const { return "test-only-so-pin"; }
  SecretBytes secret_pin() const;
  // What a program needs to find it.
  std::map<std::string, std::string> environment() const { return {{"SOFTHSM2_CONF", conf()}}; }
  // `<tokens>/<uuid>/token.object` of the first token.
  std::string token_object() const;

 private:
  std::string initialise(const std::string& label, const std::string& where, const std::string& value);
  std::string serial_of(const std::string& label) const;
  TemporaryFolder folder_;
  std::string label_;
  std::string serial_;
};

}  // namespace countersign::test
