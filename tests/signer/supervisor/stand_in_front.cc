// stand_in_front PREFIX: what the supervisor sees of a front, and a test of the supervisor.
//   PREFIX.told   each control message, one JSON object a line, with "sockets" (how many came with it) and "canary"
//                 (whether the holder behind a socket signed its canary)
//   PREFIX.say    a FIFO: each line is a JSON object sent to the supervisor; "exit N" ends this with status N, "deaf"
//                 stops reading
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>
#include <vector>

#include "signer/channel/control.h"
#include "signer/channel/frame.h"

using namespace countersign;

namespace {

std::vector<int> held;  // the sockets of holders and notifier stay open as long as this runs

bool canary(int socket) {
  std::string request;
  channel::append_frame(request, channel::FrameKind::Canary, 1, "");
  if (send(socket, request.data(), request.size(), MSG_NOSIGNAL) < 0) return false;
  channel::FrameReader reader;
  for (;;) {
    const Result<std::optional<channel::Frame>> frame = reader.next();
    if (!frame) return false;
    if (*frame) return (*frame)->kind == channel::FrameKind::CanaryGood;
    std::array<char, 4096> buffer;
    pollfd wanted{socket, POLLIN, 0};
    if (poll(&wanted, 1, 20'000) != 1) return false;
    const ssize_t got = read(socket, buffer.data(), buffer.size());
    if (got <= 0) return false;
    reader.feed({buffer.data(), static_cast<std::size_t>(got)});
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 64;
  const std::string prefix = argv[1];
  mkfifo((prefix + ".say").c_str(), 0600);
  // Read and write, so that it never ends while nobody writes.
  const int say = open((prefix + ".say").c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  const int told = open((prefix + ".told").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const auto note = [&](Json message) {
    const std::string line = message.compact() + "\n";
    if (write(told, line.data(), line.size()) < 0) std::abort();
  };
  note(Json::object({{"event", "front_started"}, {"pid", static_cast<std::int64_t>(getpid())}}));
  std::string lines;
  bool deaf = false;
  for (;;) {
    std::array<pollfd, 2> wanted = {pollfd{deaf ? -1 : 3, POLLIN, 0}, pollfd{say, POLLIN, 0}};
    poll(wanted.data(), wanted.size(), -1);
    if (wanted[0].revents != 0) {
      Result<channel::ControlMessage> message = channel::receive_control(3);
      if (!message) return 0;
      message->body.set("sockets", static_cast<std::int64_t>(message->descriptors.size()));
      if (message->body.text("event") == "holder_up" && !message->descriptors.empty()) {
        message->body.set("canary", canary(message->descriptors[0]));
      }
      held.insert(held.end(), message->descriptors.begin(), message->descriptors.end());
      const bool stop = message->body.text("event") == "stop";
      note(std::move(message->body));
      if (stop) return 0;
    }
    if (wanted[1].revents == 0) continue;
    std::array<char, 4096> buffer;
    const ssize_t got = read(say, buffer.data(), buffer.size());
    if (got > 0) lines.append(buffer.data(), static_cast<std::size_t>(got));
    for (std::size_t end = 0; (end = lines.find('\n')) != std::string::npos; lines.erase(0, end + 1)) {
      const std::string line = lines.substr(0, end);
      if (line.starts_with("exit ")) return std::stoi(line.substr(5));
      if (line == "deaf") {
        deaf = true;
      } else {
        const Result<Json> message = Json::parse(line);
        if (!message || !channel::send_control(3, *message)) return 1;
      }
    }
  }
}
