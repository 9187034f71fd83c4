#include "signer/custody/holder_run.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>

#include "common/durable_file.h"
#include "signer/config/state_directory.h"
#include "signer/process/started_process.h"

namespace countersign::custody {
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

channel::SetupRequest bare_request(const config::Config& config, const config::TokenConfig& token) {
  channel::SetupRequest request;
  request.module = token.module;
  request.label = token.label;
  request.serial = token.serial;
  request.trust = config::name_of(token.trust);
  Result<std::string> profile = read_file(config.profile_file(token.name));
  if (profile) request.profile = *std::move(profile);
  return request;
}

channel::SetupRequest setup_request(const config::Config& config, const config::TokenConfig& token,
                                    const keymgmt::Keys& known) {
  channel::SetupRequest request = bare_request(config, token);
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

Result<Json> run_holder(const std::string& holder, const std::string& command, const config::TokenConfig& token,
                        const Json& request, int pin, int so_pin) {
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
    program.user = token.user;
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
    const std::string text = request.compact();
    send(input->first, text.data(), text.size(), MSG_NOSIGNAL);
    process::close_descriptor(input->first);
    answer = read_to_end(output->first);
    while (waitpid(*pid, &status, 0) < 0 && errno == EINTR) {
    }
  }
  if (input) process::close_descriptor(input->first);
  if (output) process::close_descriptor(output->first);
  if (!pid) return pid.error();
  Result<Json> json = Json::parse(answer);
  if (!json || !json->is_object()) {
    return Error{ErrorCode::Unavailable, "countersign-holder " + command + " for token " + token.name +
                                             " ended with status " + std::to_string(WEXITSTATUS(status)) +
                                             " and no answer"};
  }
  const Json* error = json->find("error");
  if (error == nullptr) return json;
  const std::string code(error->text("code"));
  const std::optional<ErrorCode> known = error_code_named(code);
  return Error{known.value_or(ErrorCode::Unavailable),
               "token " + token.name + ": " + std::string(error->text("message")), known ? "" : code,
               std::string(error->text("hint"))};
}

Result<channel::SetupAnswer> run_setup(const std::string& holder, const std::string& command,
                                       const config::TokenConfig& token, const channel::SetupRequest& request, int pin,
                                       int so_pin) {
  ASSIGN_OR_RETURN(const Json answer, run_holder(holder, command, token, request.to_json(), pin, so_pin));
  return channel::SetupAnswer::from_json(answer);
}

Result<Json> measure_module(const std::string& holder, const config::Config& config, const config::TokenConfig& token,
                            bool pin_lockout, int pin, int so_pin) {
  channel::SetupRequest request = bare_request(config, token);
  request.profile.clear();
  request.pin_lockout = pin_lockout;
  ASSIGN_OR_RETURN(const Json answer, run_holder(holder, "measure", token, request.to_json(), pin, so_pin));
  const Json* profile = answer.find("profile");
  if (profile == nullptr || !profile->is_object()) {
    return Error{ErrorCode::Internal, "the measurement of token " + token.name + " gave no profile"};
  }
  RETURN_IF_ERROR(config::make_state(config));  // a module may be measured before there is one
  RETURN_IF_ERROR(write_durable(config.profile_file(token.name), profile->compact() + "\n", 0644));
  return *profile;
}

}  // namespace countersign::custody
