#include "signer/custody/pin_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "common/durable_file.h"

namespace countersign::custody {
namespace {

constexpr std::size_t kLongestPin = 256;

// systemd grants the service's user its credentials by ACL, which shows in the group bits; so others alone are barred
// (systemd.exec(5), LoadCredential=).
Result<int> open_credential(const std::string& name) {
  const char* folder = std::getenv("CREDENTIALS_DIRECTORY");
  if (folder == nullptr) {
    return Error{ErrorCode::NotFound, "there are no systemd credentials: CREDENTIALS_DIRECTORY is not set", "",
                 "LoadCredentialEncrypted=" + name + ":… in the unit"};
  }
  const std::string path = std::string(folder) + "/" + name;
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (file < 0) return Error{ErrorCode::NotFound, "cannot open the credential " + path + ": " + std::strerror(errno)};
  struct stat facts {};
  const bool usable = fstat(file, &facts) == 0 && S_ISREG(facts.st_mode) && (facts.st_mode & 027) == 0 &&
                      (facts.st_uid == 0 || facts.st_uid == geteuid());
  if (usable) return file;
  close(file);
  return Error{ErrorCode::Refused, "the credential " + path + " can be read or changed by others"};
}

class SilentTerminal {
 public:
  SilentTerminal() : descriptor_(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)) {
    if (descriptor_ < 0 || tcgetattr(descriptor_, &before_) != 0) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    silent.c_lflag |= ICANON | ECHONL;
    silenced_ = tcsetattr(descriptor_, TCSAFLUSH, &silent) == 0;
  }
  SilentTerminal(const SilentTerminal&) = delete;
  SilentTerminal& operator=(const SilentTerminal&) = delete;
  ~SilentTerminal() {
    if (silenced_) tcsetattr(descriptor_, TCSAFLUSH, &before_);
    if (descriptor_ >= 0) close(descriptor_);
  }

  Result<SecretBytes> ask(const std::string& prompt) const {
    if (!silenced_) {
      return Error{ErrorCode::Unavailable, "a PIN is to be typed, but there is no terminal", "",
                   "start countersignd on a terminal, or use pin: {credential: NAME}"};
    }
    if (write(descriptor_, prompt.data(), prompt.size()) < 0) {
      return Error{ErrorCode::Unavailable, "the terminal cannot be written"};
    }
    Bytes line;
    line.reserve(kLongestPin + 1);  // so that growing leaves no copy behind
    char one = 0;
    while (line.size() <= kLongestPin && read(descriptor_, &one, 1) == 1 && one != '\n') {
      line.push_back(static_cast<std::uint8_t>(one));
    }
    one = 0;
    const bool usable = !line.empty() && line.size() <= kLongestPin;
    SecretBytes pin(std::move(line));
    if (!usable) return Error{ErrorCode::Invalid, "a PIN has 1 to 256 bytes"};
    return pin;
  }

 private:
  int descriptor_;
  termios before_{};
  bool silenced_ = false;
};

Result<int> piped(const SecretBytes& pin) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Error{ErrorCode::Unavailable, "cannot make a pipe for a PIN"};
  const auto bytes = pin.reveal();  // at most 256, which a pipe always takes whole
  const ssize_t wrote = write(ends[1], bytes.data(), bytes.size());
  close(ends[1]);
  if (wrote == static_cast<ssize_t>(bytes.size())) return ends[0];
  close(ends[0]);
  return Error{ErrorCode::Unavailable, "cannot pass a PIN on"};
}

}  // namespace

Status PinStore::ask_for_typed(const config::Config& config) {
  for (const config::TokenConfig& token : config.tokens) {
    if (token.pin.kind != config::PinSource::Kind::Prompt) continue;
    RETURN_IF_ERROR(ask(token.name, "PIN of token " + token.name + ": "));
  }
  return ok();
}

Status PinStore::ask(const std::string& token, const std::string& prompt) {
  const SilentTerminal terminal;
  ASSIGN_OR_RETURN(SecretBytes pin, terminal.ask(prompt));
  typed_.insert_or_assign(token, std::move(pin));
  return ok();
}

Result<int> PinStore::open(const config::TokenConfig& token) {
  switch (token.pin.kind) {
    case config::PinSource::Kind::File:
      return open_private_file(token.pin.name);
    case config::PinSource::Kind::Credential:
      return open_credential(token.pin.name);
    case config::PinSource::Kind::Prompt:
      break;
  }
  const auto kept = typed_.find(token.name);
  if (kept == typed_.end()) {
    return Error{ErrorCode::Unavailable, "the PIN of token " + token.name + " was typed once and is not kept",
                 "pin_not_kept", "start countersignd again to type it"};
  }
  return piped(kept->second);
}

void PinStore::forget(const config::TokenConfig& token) {
  typed_.erase(token.name);
}

}  // namespace countersign::custody
