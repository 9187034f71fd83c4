#include "tests/support/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>

#include "places.h"

extern char** environ;

namespace countersign::test {
namespace {

using Moment = std::chrono::steady_clock::time_point;

std::chrono::milliseconds left_until(Moment end) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
  return std::max(left, std::chrono::milliseconds(0));
}

std::vector<std::string> environment_with(const std::map<std::string, std::string>& added) {
  std::vector<std::string> lines;
  for (char** line = environ; *line != nullptr; ++line) {
    const std::string text = *line;
    if (!added.contains(text.substr(0, text.find('=')))) lines.push_back(text);
  }
  for (const auto& [name, value] : added) lines.push_back(name + "=" + value);
  return lines;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// An unlinked file rather than a pipe, so that a long input cannot block us while the child's output fills up.
int input_descriptor(const std::string& input) {
  const int file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file < 0 || write(file, input.data(), input.size()) != static_cast<ssize_t>(input.size()) ||
      lseek(file, 0, SEEK_SET) != 0) {
    throw std::runtime_error("cannot prepare the input of a child");
  }
  return file;
}

}  // namespace

std::string program(const std::string& name) {
  return std::string(COUNTERSIGN_PROGRAMS) + "/" + name;
}

ChildProcess::ChildProcess(const Command& command) {
  int out[2];
  int err[2];
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) throw std::runtime_error("no pipes left");
  const int input = input_descriptor(command.input);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
  std::vector<std::string> arguments = command.argv;
  std::vector<std::string> environment = environment_with(command.environment);
  const int failed = posix_spawnp(&pid_, arguments.at(0).c_str(), &actions, nullptr, pointers_to(arguments).data(),
                                  pointers_to(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  close(input);
  close(out[1]);
  close(err[1]);
  out_ = out[0];
  err_ = err[0];
  if (failed != 0) {
    close(out_);
    close(err_);
    throw std::runtime_error("cannot start " + arguments.at(0));
  }
}

ChildProcess::~ChildProcess() {
  if (!reaped_) {
    ::kill(pid_, SIGKILL);
    reap(0);
  }
  if (out_ >= 0) close(out_);
  if (err_ >= 0) close(err_);
}

void ChildProcess::send(int signal) const {
  if (!reaped_) ::kill(pid_, signal);
}

void ChildProcess::reap(int options) {
  if (reaped_) return;
  int status = 0;
  pid_t got = 0;
  do {
    got = waitpid(pid_, &status, options);
  } while (got < 0 && errno == EINTR);
  if (got != pid_) return;
  reaped_ = true;
  if (WIFEXITED(status)) outcome_.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) outcome_.signal = WTERMSIG(status);
}

bool ChildProcess::running() {
  reap(WNOHANG);
  return !reaped_;
}

bool ChildProcess::pump(std::chrono::milliseconds limit) {
  pollfd ready[2] = {{out_, POLLIN, 0}, {err_, POLLIN, 0}};
  if (out_ < 0 && err_ < 0) return false;
  if (poll(ready, 2, static_cast<int>(limit.count())) <= 0) return true;
  const auto take = [](int& descriptor, short events, std::string& text) {
    if (descriptor < 0 || events == 0) return;
    char buffer[4096];
    const ssize_t got = read(descriptor, buffer, sizeof buffer);
    if (got > 0) {
      text.append(buffer, static_cast<std::size_t>(got));
    } else if (got == 0 || errno != EINTR) {
      close(descriptor);
      descriptor = -1;
    }
  };
  take(out_, ready[0].revents, outcome_.out);
  take(err_, ready[1].revents, outcome_.err);
  return true;
}

bool ChildProcess::wait_for_output(const std::string& text, std::chrono::milliseconds limit) {
  const Moment end = std::chrono::steady_clock::now() + limit;
  while (outcome_.out.find(text) == std::string::npos) {
    if (left_until(end).count() == 0 || !pump(left_until(end))) return false;
  }
  return true;
}

Outcome ChildProcess::wait(std::chrono::milliseconds limit) {
  const Moment end = std::chrono::steady_clock::now() + limit;
  // A grandchild may hold the pipes open after the child ended, so the pipes' end alone is not waited for.
  while (running() && left_until(end).count() > 0) {
    if (!pump(std::min(left_until(end), std::chrono::milliseconds(20)))) {
      // Both outputs closed: only the exit is missing.
      poll(nullptr, 0, 1);
    }
  }
  if (!reaped_) {
    outcome_.timed_out = true;
    ::kill(pid_, SIGKILL);
    reap(0);
  }
  for (std::size_t before = 0;;) {
    before = outcome_.out.size() + outcome_.err.size();
    if (!pump(std::chrono::milliseconds(0))) break;
    if (outcome_.out.size() + outcome_.err.size() == before) {
      pollfd ready[2] = {{out_, POLLIN, 0}, {err_, POLLIN, 0}};
      if (poll(ready, 2, 0) <= 0) break;
    }
  }
  return outcome_;
}

Outcome run(const Command& command, std::chrono::milliseconds limit) {
  return ChildProcess(command).wait(limit);
}

}  // namespace countersign::test
