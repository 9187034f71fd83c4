// test_open_token CONF LABEL PIN_FILE [MODULE]: opens the token as a holder does, signs with its first key if it has
// one, and prints "ready". Then ends, or with HOLD set waits for its standard input to end. Exit 7 and the reason on
// standard error where it cannot.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "common/durable_file.h"
#include "pkcs11/token_session.h"

namespace countersign::pkcs11 {
namespace {

Status open_and_sign(char** arguments, int count) {
  const TokenPlace place = {count > 4 ? arguments[4] : "/usr/lib/softhsm/libsofthsm2.so", arguments[2], "",
                            arguments[1]};
  ASSIGN_OR_RETURN(const int file, open_private_file(arguments[3]));
  ASSIGN_OR_RETURN(SecretBytes pin, read_secret(file));
  ASSIGN_OR_RETURN(const TokenSession session, TokenSession::open(place, std::move(pin)));
  ASSIGN_OR_RETURN(const std::vector<KeyListing> keys, session.list_key_pairs(""));
  if (!keys.empty()) {
    ASSIGN_OR_RETURN(const KeyPair key, session.find_key_pair(keys.front().id));
    RETURN_IF_ERROR(key.sign(view_of("message")));
  }
  for (const std::string& token : session.restored()) std::printf("restored %s\n", token.c_str());
  std::printf("ready\n");
  std::fflush(stdout);
  char byte = 0;
  if (std::getenv("HOLD") != nullptr) {
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
  }
  return ok();
}

}  // namespace
}  // namespace countersign::pkcs11

int main(int count, char** arguments) {
  if (count < 4) return 6;
  const countersign::Status status = countersign::pkcs11::open_and_sign(arguments, count);
  if (status) return 0;
  std::fprintf(stderr, "%s: %s\n", status.error().wire_code().c_str(), status.error().detail.c_str());
  return 7;
}
