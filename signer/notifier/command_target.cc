#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <optional>

#include "signer/notifier/target.h"
#include "signer/process/started_process.h"

namespace countersign::notifier {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
constexpr std::size_t kMostOutput = std::size_t{64} << 10;

struct Pipe {
  int read = -1;
  int write = -1;
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return;
    read = ends[0];
    write = ends[1];
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    process::close_descriptor(read);
    process::close_descriptor(write);
  }
};

// Feeds the input and drains the output until the command closes it. Gives what is wrong, or nothing.
std::optional<std::string> converse(Pipe& input, Pipe& output, std::string_view text,
                                    steady_clock::time_point deadline) {
  std::size_t heard = 0;
  std::array<char, 4096> buffer;
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now()).count();
    if (left <= 0) return "did not end in time";
    std::array<pollfd, 2> wanted = {pollfd{output.read, POLLIN, 0},
                                    pollfd{text.empty() ? -1 : input.write, POLLOUT, 0}};
    if (poll(wanted.data(), wanted.size(), static_cast<int>(std::min<std::int64_t>(left, 60'000))) < 0 &&
        errno != EINTR) {
      return "cannot be listened to";
    }
    if (wanted[1].revents != 0) {
      const ssize_t wrote = write(input.write, text.data(), text.size());
      // A command that does not care what happened closes its input; its exit status decides.
      const bool closed = wrote < 0 && errno != EAGAIN && errno != EINTR;
      text.remove_prefix(closed ? text.size() : static_cast<std::size_t>(std::max<ssize_t>(wrote, 0)));
      if (text.empty()) process::close_descriptor(input.write);
    }
    if (wanted[0].revents == 0) continue;
    const ssize_t got = read(output.read, buffer.data(), buffer.size());
    if (got == 0) return std::nullopt;
    if (got > 0) heard += static_cast<std::size_t>(got);
    if (heard > kMostOutput) return "wrote more than 64 KiB";
  }
}

// Waits for the end without sleeping past the deadline: the exit of a child is only a signal or a pidfd away.
std::optional<int> ended_by(pid_t pid, int pidfd, steady_clock::time_point deadline) {
  int status = 0;
  const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now()).count();
  pollfd wanted{pidfd, POLLIN, 0};
  if (pidfd >= 0) poll(&wanted, 1, static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000)));
  if (waitpid(pid, &status, WNOHANG) == pid) return status;
  return std::nullopt;
}

}  // namespace

Status run_command(const config::NotifyConfig& target, const Message& message) {
  const std::string name = name_of(target);
  const auto deadline = steady_clock::now() + target.timeout;
  Pipe input;
  Pipe output;
  if (input.read < 0 || output.read < 0) return Error{ErrorCode::Unavailable, name + " cannot be started: no pipe"};
  fcntl(input.write, F_SETFL, O_NONBLOCK);
  process::Program program;
  program.argv = target.argv;
  program.environment = {process::kPath, process::kLanguage};
  program.input = input.read;
  program.output = output.write;
  program.error = output.write;
  program.parent_death_signal = SIGKILL;
  const Result<pid_t> pid = process::start(program);
  if (!pid) return Error{ErrorCode::Unavailable, name + " cannot be started: " + pid.error().detail};
  int pidfd = process::descriptor_of(*pid);
  process::close_descriptor(input.read);
  process::close_descriptor(output.write);
  std::optional<std::string> wrong = converse(input, output, message.json, deadline);
  process::close_descriptor(input.write);
  process::close_descriptor(output.read);
  std::optional<int> status;
  if (!wrong) status = ended_by(*pid, pidfd, deadline);
  if (!status) {
    if (!wrong) wrong = "did not end in time";
    kill(-*pid, SIGKILL);  // it leads a session, so this is everything it started and did not detach
    int ignored = 0;
    while (waitpid(*pid, &ignored, 0) < 0 && errno == EINTR) {
    }
  }
  process::close_descriptor(pidfd);
  if (wrong) return Error{ErrorCode::Unavailable, name + " " + *wrong + " and was killed"};
  if (WIFEXITED(*status) && WEXITSTATUS(*status) == 0) return ok();
  return Error{ErrorCode::Unavailable,
               name + (WIFEXITED(*status) ? " ended with status " + std::to_string(WEXITSTATUS(*status))
                                          : " was ended by signal " + std::to_string(WTERMSIG(*status)))};
}

}  // namespace countersign::notifier
