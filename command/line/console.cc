#include "command/line/console.h"

#include <unistd.h>

#include <cerrno>
#include <string>

namespace countersign::command {
namespace {

bool write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

void Console::answer(std::string_view text) {
  complete_ = write_all(answers_, text) && complete_;
}

void Console::tell(std::string_view text) {
  // One write, so that lines of several processes do not mix. Nobody to tell is no reason to fail.
  (void)write_all(messages_, std::string(text) + "\n");
}

}  // namespace countersign::command
