#include "signer/setup/holder_run.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "signer/process/started_process.h"

namespace countersign::setup {
namespace {

constexpr std::size_t kLongestAnswer = std::size_t{1} << 20;

std::string read_to_end(int descriptor) {
  std::string text;
  std::array<char, 4096> buffer;
  while (text.size() <= kLongestAnswer) {
    const ssize_t got = read(descriptor, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return text;
}

}  // namespace

channel::SetupRequest setup_request(const config::Config& config, const config::TokenConfig& token,
                                    const keymgmt::Keys& known) {
  channel::SetupRequest request;
  request.module = token.module;
  request.label = token.label;
  request.serial = token.serial;
  for (const config::RoleConfig& role : config.roles) {
    const int keys = int{role.token == token.name} + int{role.standby_token == token.name};
    if (keys == 0) continue;
    for (const keymgmt::Algorithm algorithm : role.algorithms) {
      const auto spent = std::count_if(known.begin(), known.end(), [&](const keymgmt::PublishedKey& key) {
        const bool over = key.state > keymgmt::KeyState::Active || key.compromised_since.has_value();
        return key.role == role.role && key.key.algorithm() == algorithm && key.token == token.name && over;
      });
      request.roles.push_back({role.role, {algorithm}, keys + static_cast<int>(spent)});
    }
  }
  return request;
}

Result<channel::SetupAnswer> run_holder(const std::string& holder, const std::string& command,
                                        const config::TokenConfig& token, const channel::SetupRequest& request, int pin,
                                        int so_pin) {
  Result<std::pair<int, int>> input = process::socket_pair(SOCK_STREAM);
  Result<std::pair<int, int>> output = process::socket_pair(SOCK_STREAM);
  Result<pid_t> pid = Error{ErrorCode::Unavailable, "cannot make a socket pair"};
  if (input && output) {
    process::Program program;
    program.argv = {holder, command};
    for (const auto& [name, value] : token.environment) program.environment.push_back(name + "=" + value);
    program.input = input->second;
    program.output = output->second;
    // 3 and 4 are the channels of a serving holder; here they are only kept occupied.
    program.descriptors = {STDERR_FILENO, STDERR_FILENO, pin >= 0 ? pin : STDERR_FILENO};
    if (so_pin >= 0) program.descriptors.push_back(so_pin);
    program.parent_death_signal = SIGTERM;
    pid = process::start(program);
  }
  process::close_descriptor(pin);
  process::close_descriptor(so_pin);
  if (input) process::close_descriptor(input->second);
  if (output) process::close_descriptor(output->second);
  std::string answer;
  int status = -1;
  if (pid) {
    const std::string text = request.to_json().compact();
    send(input->first, text.data(), text.size(), MSG_NOSIGNAL);
    process::close_descriptor(input->first);
    answer = read_to_end(output->first);
    while (waitpid(*pid, &status, 0) < 0 && errno == EINTR) {
    }
  }
  if (input) process::close_descriptor(input->first);
  if (output) process::close_descriptor(output->first);
  if (!pid) return pid.error();
  const Result<Json> json = Json::parse(answer);
  if (!json) {
    return Error{ErrorCode::Unavailable, "countersign-holder " + command + " for token " + token.name +
                                             " ended with status " + std::to_string(WEXITSTATUS(status)) +
                                             " and no answer"};
  }
  Result<channel::SetupAnswer> read = channel::SetupAnswer::from_json(*json);
  if (read) return read;
  Error error = std::move(read).error();
  error.detail = "token " + token.name + ": " + error.detail;
  return error;
}

}  // namespace countersign::setup
