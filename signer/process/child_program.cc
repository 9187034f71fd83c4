#include "signer/process/child_program.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <thread>

extern char** environ;

namespace countersign::process {
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

// A broken pipe is an answer here, not the end of us.
class PipesMayBreak {
 public:
  PipesMayBreak() {
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &ignore, &before_);
  }
  PipesMayBreak(const PipesMayBreak&) = delete;
  PipesMayBreak& operator=(const PipesMayBreak&) = delete;
  ~PipesMayBreak() { ::sigaction(SIGPIPE, &before_, nullptr); }

 private:
  struct sigaction before_ {};
};

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> out;
  for (const std::string& word : words) out.push_back(const_cast<char*>(word.c_str()));
  out.push_back(nullptr);
  return out;
}

Result<int> exit_code_of(pid_t child, const std::string& name) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return unavailable("wait for " + name, errno);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

constexpr std::chrono::milliseconds kLook(100);  // for an interruption

bool is_interrupted(const Confinement& limits) {
  return limits.interrupted != nullptr && *limits.interrupted;
}

// Whether the child ends by itself within its time, without reaping it.
bool ended_within(pid_t child, const Confinement& limits) {
  const auto until = std::chrono::steady_clock::now() + limits.time;
  for (;;) {
    siginfo_t ended{};
    if (::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT | WNOHANG) != 0) return true;
    if (ended.si_pid != 0) return true;
    if (std::chrono::steady_clock::now() >= until || is_interrupted(limits)) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

Error out_of_time(const Confinement& limits) {
  if (is_interrupted(limits))
    return Error{ErrorCode::Unavailable, "the program was interrupted", "program_interrupted"};
  return Error{ErrorCode::Unavailable, "the program took too long", "program_timeout"};
}

// What a confined program writes until it closes both pipes, or why it has to end.
class ConfinedExchange {
 public:
  ConfinedExchange(Pipe& in, Pipe& out, Pipe& err, const Confinement& limits)
      : in_(in), out_(out), err_(err), limits_(limits), until_(std::chrono::steady_clock::now() + limits.time) {}

  Status run(std::string_view input, std::string& output, std::string& errors) {
    if (input.empty()) in_.write.close();
    while (out_.read.open() || err_.read.open()) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(until_ - std::chrono::steady_clock::now()).count();
      if (left <= 0 || is_interrupted(limits_)) return out_of_time(limits_);
      const auto pause = limits_.interrupted == nullptr ? left : std::min<decltype(left)>(left, kLook.count());
      // poll leaves out a descriptor of -1.
      std::array<pollfd, 3> waiting = {pollfd{out_.read.number(), POLLIN, 0}, pollfd{err_.read.number(), POLLIN, 0},
                                       pollfd{in_.write.number(), POLLOUT, 0}};
      if (::poll(waiting.data(), waiting.size(), static_cast<int>(pause)) < 0 && errno != EINTR) {
        return unavailable("poll", errno);
      }
      if (waiting[2].revents != 0) feed(input);
      if (waiting[0].revents != 0) collect(out_.read, output);
      if (waiting[1].revents != 0) collect(err_.read, errors);
      if (errors.size() + output.size() > limits_.output) {
        return Error{ErrorCode::TooLarge, "the program wrote more than " + std::to_string(limits_.output) + " bytes"};
      }
    }
    return ok();
  }

 private:
  void feed(std::string_view& input) {
    const ssize_t written = ::write(in_.write.number(), input.data(), input.size());
    if (written > 0) input.remove_prefix(static_cast<std::size_t>(written));
    if ((written < 0 && errno != EINTR && errno != EAGAIN) || input.empty()) in_.write.close();
  }
  static void collect(Descriptor& from, std::string& into) {
    std::array<char, 4096> buffer{};
    const ssize_t got = ::read(from.number(), buffer.data(), buffer.size());
    if (got > 0) into.append(buffer.data(), static_cast<std::size_t>(got));
    if (got == 0 || (got < 0 && errno != EINTR)) from.close();
  }

  Pipe& in_;
  Pipe& out_;
  Pipe& err_;
  const Confinement& limits_;
  std::chrono::steady_clock::time_point until_;
};

}  // namespace

Result<Finished> run_confined(const std::vector<std::string>& argv, std::string_view input,
                              const Confinement& confinement) {
  Pipe in;
  Pipe out;
  Pipe err;
  if (!in.make() || !out.make() || !err.make()) return unavailable("pipe", errno);
  (void)::fcntl(in.write.number(), F_SETFL, O_NONBLOCK);
  std::vector<char*> words = pointers(argv);
  std::vector<char*> environment = pointers(confinement.environment);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.read.number(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.write.number(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.write.number(), STDERR_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  pid_t child = -1;
  const int failure = ::posix_spawn(&child, words[0], &actions, &attributes, words.data(), environment.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) return unavailable("start " + argv[0], failure);
  in.read.close();
  out.write.close();
  err.write.close();

  const PipesMayBreak guard;
  Finished finished;
  const Status exchanged = ConfinedExchange(in, out, err, confinement).run(input, finished.output, finished.errors);
  // Closing its output ends its say, but not always at once its life. The child is looked at without being reaped, so
  // that the group's number is still its own when the group is killed.
  bool in_time = true;
  if (exchanged) in_time = ended_within(child, confinement);
  ::kill(-child, SIGKILL);
  ASSIGN_OR_RETURN(finished.exit_code, exit_code_of(child, argv[0]));
  RETURN_IF_ERROR(exchanged);
  if (!in_time) return out_of_time(confinement);
  return finished;
}

Result<Finished> run_program(const std::vector<std::string>& argv, std::string_view input) {
  Pipe in;
  Pipe out;
  if (!in.make() || !out.make()) return unavailable("pipe", errno);
  (void)::fcntl(in.write.number(), F_SETFL, O_NONBLOCK);

  std::vector<char*> words = pointers(argv);
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

  const PipesMayBreak guard;
  Finished finished;
  const Status exchanged = exchange(in.write, out.read, input, finished.output);
  in.write.close();
  out.read.close();
  ASSIGN_OR_RETURN(finished.exit_code, exit_code_of(child, argv[0]));
  RETURN_IF_ERROR(exchanged);
  return finished;
}

}  // namespace countersign::process
