#include "command/child_program.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

extern char** environ;

namespace countersign::command {
namespace {

constexpr std::size_t kMostOutput = std::size_t{1} << 20;

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(); }
  void own(int number) { number_ = number; }
  int number() const { return number_; }
  bool open() const { return number_ >= 0; }
  void close() {
    if (number_ >= 0) ::close(number_);
    number_ = -1;
  }

 private:
  int number_ = -1;
};

struct Pipe {
  Descriptor read;
  Descriptor write;
  bool make() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return false;
    read.own(ends[0]);
    write.own(ends[1]);
    return true;
  }
};

Error unavailable(const std::string& what, int error) {
  return Error{ErrorCode::Unavailable, what + ": " + std::strerror(error), "program_unavailable"};
}

// Feeds `input` and collects the answer at once, so that neither side waits for the other for ever.
Status exchange(Descriptor& to, Descriptor& from, std::string_view input, std::string& output) {
  if (input.empty()) to.close();
  std::array<char, 16384> buffer{};
  while (from.open()) {
    std::array<pollfd, 2> waiting = {pollfd{from.number(), POLLIN, 0}, pollfd{to.number(), POLLOUT, 0}};
    if (::poll(waiting.data(), to.open() ? 2 : 1, -1) < 0 && errno != EINTR) return unavailable("poll", errno);
    if (to.open() && waiting[1].revents != 0) {
      const ssize_t written = ::write(to.number(), input.data(), input.size());
      if (written > 0) input.remove_prefix(static_cast<std::size_t>(written));
      if ((written < 0 && errno != EINTR && errno != EAGAIN) || input.empty()) to.close();
    }
    if (waiting[0].revents != 0) {
      const ssize_t got = ::read(from.number(), buffer.data(), buffer.size());
      if (got > 0) output.append(buffer.data(), static_cast<std::size_t>(got));
      if (got == 0 || (got < 0 && errno != EINTR)) from.close();
      if (output.size() > kMostOutput) return Error{ErrorCode::TooLarge, "a program wrote more than 1 MiB"};
    }
  }
  return ok();
}

}  // namespace

Result<Finished> run_program(const std::vector<std::string>& argv, std::string_view input) {
  Pipe in;
  Pipe out;
  if (!in.make() || !out.make()) return unavailable("pipe", errno);
  (void)::fcntl(in.write.number(), F_SETFL, O_NONBLOCK);

  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.read.number(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.write.number(), STDOUT_FILENO);
  pid_t child = -1;
  const int failure = ::posix_spawnp(&child, words[0], &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) return unavailable("start " + argv[0], failure);
  in.read.close();
  out.write.close();

  // A program that ends without reading must not end us.
  struct sigaction ignore {};
  struct sigaction before {};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, &before);
  Finished finished;
  const Status exchanged = exchange(in.write, out.read, input, finished.output);
  ::sigaction(SIGPIPE, &before, nullptr);
  in.write.close();
  out.read.close();

  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return unavailable("wait for " + argv[0], errno);
  }
  RETURN_IF_ERROR(exchanged);
  finished.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return finished;
}

Result<std::string> program_path(const std::string& name) {
  const auto runnable = [](const std::string& path) {
    struct stat facts {};
    return ::stat(path.c_str(), &facts) == 0 && S_ISREG(facts.st_mode) && ::access(path.c_str(), X_OK) == 0;
  };
  const Error absent{ErrorCode::NotFound, "there is no program \"" + name + "\" to run", "program_not_found"};
  if (name.empty()) return absent;
  if (name.find('/') != std::string::npos) return runnable(name) ? Result<std::string>(name) : absent;
  const char* path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? std::string_view("/bin:/usr/bin") : std::string_view(path);
  for (;;) {
    const std::size_t colon = std::min(rest.find(':'), rest.size());
    const std::string folder(rest.substr(0, colon));
    const std::string candidate = (folder.empty() ? "." : folder) + "/" + name;
    if (runnable(candidate)) return candidate;
    if (colon == rest.size()) return absent;
    rest.remove_prefix(colon + 1);
  }
}

}  // namespace countersign::command
