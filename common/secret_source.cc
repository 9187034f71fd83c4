#include "common/secret_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "common/durable_file.h"

namespace countersign {
namespace {

constexpr std::size_t kLongestSecret = 256;

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
      return Error{ErrorCode::Unavailable, "a secret is to be typed, but there is no terminal", "no_terminal"};
    }
    if (write(descriptor_, prompt.data(), prompt.size()) < 0) {
      return Error{ErrorCode::Unavailable, "the terminal cannot be written"};
    }
    Bytes line;
    line.reserve(kLongestSecret + 1);  // so that growing leaves no copy behind
    char one = 0;
    while (line.size() <= kLongestSecret && read(descriptor_, &one, 1) == 1 && one != '\n') {
      line.push_back(static_cast<std::uint8_t>(one));
    }
    one = 0;
    const bool usable = !line.empty() && line.size() <= kLongestSecret;
    SecretBytes secret(std::move(line));
    if (!usable) return Error{ErrorCode::Invalid, "a secret has 1 to 256 bytes"};
    return secret;
  }

 private:
  int descriptor_;
  termios before_{};
  bool silenced_ = false;
};

}  // namespace

Result<SecretBytes> ask_secret(const std::string& prompt) {
  const SilentTerminal terminal;
  return terminal.ask(prompt);
}

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

Result<SecretBytes> secret_from(std::string_view source, const std::string& prompt) {
  if (source == "prompt") return ask_secret(prompt);
  const std::size_t colon = source.find(':');
  const std::string_view kind = source.substr(0, colon);
  const std::string_view name = colon == std::string_view::npos ? std::string_view() : source.substr(colon + 1);
  if (kind == "fd" && !name.empty()) {
    int descriptor = -1;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), descriptor);
    if (error == std::errc() && end == name.data() + name.size() && descriptor >= 0) return read_secret(descriptor);
  }
  if (kind == "credential" && !name.empty()) {
    ASSIGN_OR_RETURN(const int descriptor, open_credential(std::string(name)));
    return read_secret(descriptor);
  }
  if (kind == "file" && !name.empty()) {
    ASSIGN_OR_RETURN(const int descriptor, open_private_file(std::string(name)));
    return read_secret(descriptor);
  }
  return Error{ErrorCode::Invalid, "a secret comes from prompt, fd:N, credential:NAME or file:PATH", "secret_source"};
}

}  // namespace countersign
