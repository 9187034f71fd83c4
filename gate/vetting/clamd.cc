#include "gate/vetting/clamd.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace countersign::vetting {
namespace {

constexpr std::size_t kChunk = 65536;
constexpr std::size_t kLongestAnswer = 4096;

class Connection {
 public:
  Connection(const std::string& path, std::chrono::steady_clock::time_point until) : until_(until) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return;
    std::memcpy(address.sun_path, path.data(), path.size());
    socket_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (socket_ >= 0 && ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) close();
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { close(); }

  bool open() const { return socket_ >= 0; }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent > 0) {
        bytes.remove_prefix(static_cast<std::size_t>(sent));
      } else if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
        if (!wait(POLLOUT)) return false;
      } else {
        return false;
      }
    }
    return true;
  }

  // Up to the NUL byte that ends an answer to a command with the prefix "z".
  std::string answer() {
    std::string out;
    char buffer[512];
    while (out.size() < kLongestAnswer) {
      const ssize_t got = ::recv(socket_, buffer, sizeof buffer, 0);
      if (got > 0) {
        out.append(buffer, static_cast<std::size_t>(got));
        const std::size_t end = out.find('\0');
        if (end != std::string::npos) return out.substr(0, end);
      } else if (got == 0 || (errno != EAGAIN && errno != EINTR) || !wait(POLLIN)) {
        return "";
      }
    }
    return "";
  }

 private:
  bool wait(short events) const {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until_ - std::chrono::steady_clock::now()).count();
    pollfd one{socket_, events, 0};
    return left > 0 && ::poll(&one, 1, static_cast<int>(std::min<std::int64_t>(left, 600'000))) > 0;
  }
  void close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }

  std::chrono::steady_clock::time_point until_;
  int socket_ = -1;
};

std::string length_of(std::size_t size) {
  return {static_cast<char>(size >> 24), static_cast<char>(size >> 16), static_cast<char>(size >> 8),
          static_cast<char>(size)};
}

bool send_stream(Connection& clamd, std::string_view content) {
  if (!clamd.send(std::string_view("zINSTREAM\0", 10))) return false;
  while (!content.empty()) {
    const std::string_view chunk = content.substr(0, kChunk);
    if (!clamd.send(length_of(chunk.size())) || !clamd.send(chunk)) return false;
    content.remove_prefix(chunk.size());
  }
  return clamd.send(length_of(0));
}

}  // namespace

ScannerReport ask_clamd(const std::string& socket, const Tree& tree, std::chrono::seconds time) {
  ScannerReport report{"clamd"};
  const auto until = std::chrono::steady_clock::now() + time;
  {
    Connection clamd(socket, until);
    if (!clamd.open() || !clamd.send(std::string_view("zVERSION\0", 9))) {
      report.outcome = Outcome::Unavailable;
      report.error = "nothing answers at " + socket;
      return report;
    }
    report.version = clamd.answer();
  }
  const auto fail = [&](std::string why) {
    report.outcome = Outcome::Failed;
    report.error = std::move(why);
  };
  for (const TreeEntry& entry : tree.entries) {
    if (entry.kind != TreeEntry::Kind::File) continue;
    const auto content = content_of(tree, entry);
    if (!content) {
      fail(content.error().detail);
      return report;
    }
    Connection clamd(socket, until);
    // A daemon that has enough of a file says so and closes; its answer is read either way.
    const bool sent = clamd.open() && send_stream(clamd, *content);
    const std::string answer = clamd.open() ? clamd.answer() : std::string();
    if (answer == "stream: OK" && sent) {
      ++report.checked;
    } else if (answer.starts_with("stream: ") && answer.ends_with(" FOUND")) {
      ++report.checked;
      report.findings.push_back({Category::Malware, Severity::Critical, answer.substr(8, answer.size() - 14),
                                 "matches a signature", "", entry.path, 0, "malware\n" + entry.path});
    } else {
      fail("it did not look at \"" + entry.path + "\": " + (answer.empty() ? "no answer" : answer));
      return report;
    }
  }
  report.looked();
  return report;
}

}  // namespace countersign::vetting
