#include "signer/supervisor/journal.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

namespace countersign::supervisor {
namespace {

struct LevelRow {
  Level level;
  std::string_view name;
  std::string_view prefix;  // sd-daemon(3)
};
constexpr std::array<LevelRow, 4> kLevels = {
    LevelRow{Level::Debug, "debug", "<7>"}, LevelRow{Level::Info, "info", "<6>"},
    LevelRow{Level::Warning, "warning", "<4>"}, LevelRow{Level::Error, "error", "<3>"}};
Level least = Level::Info;

}  // namespace

void set_level(std::string_view name) {
  for (const LevelRow& row : kLevels) {
    if (row.name == name) least = row.level;
  }
}

void say(Level level, std::string_view text) {
  if (level < least) return;
  static const bool journal = std::getenv("JOURNAL_STREAM") != nullptr;
  std::string line(journal ? kLevels[static_cast<std::size_t>(level)].prefix : "");
  line += "countersignd: ";
  line += text;
  std::replace(line.begin(), line.end(), '\n', ' ');
  line += '\n';
  [[maybe_unused]] const ssize_t wrote = write(STDERR_FILENO, line.data(), line.size());
}

void tell_service_manager(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  if (path == nullptr || path[0] == '\0' || std::strlen(path) >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path, std::strlen(path));
  if (path[0] == '@') address.sun_path[0] = '\0';
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(path));
  sendto(socket, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), length);
  close(socket);
}

}  // namespace countersign::supervisor
