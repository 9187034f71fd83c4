// A real countersign-holder beside the test, which plays its supervisor and its front.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "signer/channel/control.h"
#include "signer/channel/frame.h"
#include "signer/channel/holder_exit.h"
#include "signer/channel/holder_setup.h"
#include "signer/config/holder_settings.h"
#include "tests/support/child_process.h"
#include "tests/support/soft_token.h"

extern char** environ;

namespace countersign::test {

// Our environment and `added`, as posix_spawn takes it.
class Environment {
 public:
  explicit Environment(const std::map<std::string, std::string>& added) {
    for (char** line = environ; *line != nullptr; ++line) lines_.emplace_back(*line);
    for (const auto& [name, value] : added) lines_.push_back(name + "=" + value);
    for (std::string& line : lines_) pointers_.push_back(line.data());
    pointers_.push_back(nullptr);
  }
  char** data() { return pointers_.data(); }

 private:
  std::vector<std::string> lines_;
  std::vector<char*> pointers_;
};

// A descriptor to read `text` from, as a PIN reaches a holder.
inline int text_descriptor(const std::string& text) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0 || write(ends[1], text.data(), text.size()) < 0) std::abort();
  close(ends[1]);
  return ends[0];
}

// Starts `argv` with the given descriptors under their numbers.
inline pid_t spawn(std::vector<std::string> argv, const std::map<int, int>& descriptors,
                   const std::map<std::string, std::string>& environment) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  std::vector<int> moved;
  for (const auto& [number, from] : descriptors) {
    const int high = fcntl(from, F_DUPFD_CLOEXEC, 100);  // so that no dup2 overwrites a source
    moved.push_back(high);
    posix_spawn_file_actions_adddup2(&actions, high, number);
  }
  std::vector<char*> pointers;
  for (std::string& word : argv) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  pid_t pid = -1;
  if (posix_spawn(&pid, pointers[0], &actions, nullptr, pointers.data(), Environment(environment).data()) != 0) {
    std::abort();
  }
  posix_spawn_file_actions_destroy(&actions);
  for (const int number : moved) close(number);
  return pid;
}

class HolderProcess {
 public:
  HolderProcess(const config::HolderSettings& settings, const std::string& pin,
                const std::map<std::string, std::string>& environment = {})
      : HolderProcess(settings.to_json(), pin, environment) {}
  HolderProcess(const Json& settings, const std::string& pin,
                const std::map<std::string, std::string>& environment = {}) {
    int control[2];
    int frames[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, frames) != 0) {
      std::abort();
    }
    const timeval limit{60, 0};  // a holder that says nothing fails the test instead of hanging it
    setsockopt(control[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(frames[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    const int pin_end = text_descriptor(pin);
    pid_ =
        spawn({program("countersign-holder"), "serve"}, {{3, control[1]}, {4, frames[1]}, {5, pin_end}}, environment);
    close(pin_end);
    close(control[1]);
    close(frames[1]);
    control_ = control[0];
    frames_ = frames[0];
    EXPECT_TRUE(channel::send_control(control_, settings));
  }
  HolderProcess(const HolderProcess&) = delete;
  HolderProcess& operator=(const HolderProcess&) = delete;
  ~HolderProcess() {
    close_control();
    close_frames();
    if (!reaped_) wait();
  }

  pid_t pid() const { return pid_; }
  int frames() const { return frames_; }
  // The next message on control; null where the holder closed it.
  Json told() {
    Result<channel::ControlMessage> message = channel::receive_control(control_);
    return message ? message->body : Json();
  }
  void send(channel::FrameKind kind, std::uint64_t id, const std::string& payload = "") {
    channel::append_frame(out_, kind, id, payload);
  }
  // Sends all that waits, in one write.
  void flush() {
    std::string_view rest = out_;
    while (!rest.empty()) {
      const ssize_t sent = ::send(frames_, rest.data(), rest.size(), MSG_NOSIGNAL);
      if (sent <= 0) break;
      rest.remove_prefix(static_cast<std::size_t>(sent));
    }
    out_.clear();
  }
  // The next frame; nothing where the holder closed its end.
  std::optional<channel::Frame> frame() {
    for (;;) {
      auto next = reader_.next();
      if (!next) return std::nullopt;
      if (next->has_value()) return *next;
      char buffer[65536];
      const ssize_t got = recv(frames_, buffer, sizeof buffer, 0);
      if (got <= 0) return std::nullopt;
      reader_.feed(std::string_view(buffer, static_cast<std::size_t>(got)));
    }
  }
  std::optional<channel::Frame> ask(channel::FrameKind kind, const std::string& payload = "") {
    send(kind, ++last_id_, payload);
    flush();
    return frame();
  }
  Result<channel::SignAnswer> sign(const channel::SignJob& job) {
    const std::optional<channel::Frame> answer = ask(channel::FrameKind::Sign, job.encode());
    if (!answer || answer->id != last_id_) return Error{ErrorCode::Internal, "no answer"};
    if (answer->kind == channel::FrameKind::Failed) return channel::decode_error(answer->payload);
    return channel::SignAnswer::decode(answer->payload);
  }
  void close_control() {
    if (control_ >= 0) close(control_);
    control_ = -1;
  }
  void close_frames() {
    if (frames_ >= 0) close(frames_);
    frames_ = -1;
  }
  // waitpid's status; a holder that does not end within a minute is killed.
  int wait() {
    const int handle = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
    pollfd watched{handle, POLLIN, 0};
    if (poll(&watched, 1, 60'000) == 0) kill(pid_, SIGKILL);
    close(handle);
    int status = -1;
    waitpid(pid_, &status, 0);
    reaped_ = true;
    return status;
  }
  channel::HolderExit exit() {
    const int status = wait();
    EXPECT_TRUE(WIFEXITED(status)) << "status " << status;
    const channel::HolderExitRow* row = channel::holder_exit_of(WEXITSTATUS(status));
    EXPECT_NE(row, nullptr) << status;
    return row == nullptr ? channel::HolderExit::Internal : row->exit;
  }

 private:
  pid_t pid_ = -1;
  int control_ = -1;
  int frames_ = -1;
  bool reaped_ = false;
  std::string out_;
  channel::FrameReader reader_;
  std::uint64_t last_id_ = 0;
};

// countersign-holder init or probe, with PINs as countersignd passes them; an empty SO PIN is not passed at all.
inline Outcome run_setup(const std::string& command, const std::string& input, const std::string& pin,
                         const std::string& so_pin, const std::map<std::string, std::string>& environment) {
  const int in = text_descriptor(input);
  const int pin_end = text_descriptor(pin);
  int out[2];
  if (pipe2(out, O_CLOEXEC) != 0) std::abort();
  std::map<int, int> descriptors = {{0, in}, {1, out[1]}, {5, pin_end}};
  const int so_pin_end = so_pin.empty() ? -1 : text_descriptor(so_pin);
  if (so_pin_end >= 0) descriptors[6] = so_pin_end;
  const pid_t pid = spawn({program("countersign-holder"), command}, descriptors, environment);
  for (const int number : {in, pin_end, out[1], so_pin_end}) {
    if (number >= 0) close(number);
  }
  Outcome outcome;
  char buffer[4096];
  for (ssize_t got = 0; (got = read(out[0], buffer, sizeof buffer)) > 0;) {
    outcome.out.append(buffer, static_cast<std::size_t>(got));
  }
  close(out[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

}  // namespace countersign::test
