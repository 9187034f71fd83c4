#include "gate/broker/child_upstream.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "gate/broker/upstream_messages.h"
#include "gate/vetting/sandbox.h"
#include "signer/process/started_process.h"

namespace countersign::broker {
namespace {

using std::chrono::steady_clock;

constexpr int kMostUnasked = 1000;  // messages between two calls

}  // namespace

void ChildUpstream::stop() {
  const std::lock_guard lock(mutex_);
  end();
}

void ChildUpstream::end() {
  process::close_descriptor(stream_);
  if (pid_ > 0) {
    kill(-pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  pid_ = -1;
  buffer_.clear();
  tools_.reset();
  list_changed_ = true;
}

Status ChildUpstream::start() {
  if (pid_ > 0 && waitpid(pid_, nullptr, WNOHANG) == 0) return ok();
  if (pid_ > 0) pid_ = -1;  // it ended by itself
  end();
  RETURN_IF_ERROR(admitted_());
  vetting::SandboxedProgram program;
  program.argv = config_.command;
  program.environment = config_.environment;
  program.read_only = config_.read_only;
  if (!config_.source.empty()) program.read_only.push_back(config_.source);
  program.read_write = config_.read_write;
  program.network = config_.network;
  program.time = std::chrono::seconds(0);  // it lives as long as it is needed
  ASSIGN_OR_RETURN(const std::vector<std::string> words, vetting::sandbox_words(program));
  ASSIGN_OR_RETURN(auto ends, process::socket_pair(SOCK_STREAM));
  int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  process::Program child;
  child.argv = words;
  child.title = "countersign: server " + name_;
  child.environment = {process::kPath, process::kLanguage};
  child.input = ends.second;
  child.output = ends.second;
  child.error = nowhere;  // what it writes there is its own; a flood of it would fill the journal
  child.parent_death_signal = SIGKILL;
  const Result<pid_t> pid = process::start(child);
  process::close_descriptor(ends.second);
  process::close_descriptor(nowhere);
  if (!pid) {
    process::close_descriptor(ends.first);
    return pid.error();
  }
  pid_ = *pid;
  stream_ = ends.first;
  fcntl(stream_, F_SETFL, O_NONBLOCK);
  const Deadline until = steady_clock::now() + kHandshakeTime;
  const Result<Json> said = request("initialize", hello(), until);
  const Result<std::string> version = said ? agreed_version(*said) : Result<std::string>(said.error());
  const Status greeted =
      version ? send(Json::object({{"jsonrpc", "2.0"}, {"method", "notifications/initialized"}}), until) : ok();
  if (version && greeted) return ok();
  end();
  return server_unavailable(name_, !said      ? "does not shake hands: " + said.error().detail
                                   : !version ? version.error().detail
                                              : "ended while it shook hands");
}

Status ChildUpstream::send(const Json& message, Deadline until) {
  const std::string line = message.compact() + "\n";
  std::size_t sent = 0;
  while (sent < line.size()) {
    const ssize_t wrote = ::send(stream_, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
    if (wrote > 0) {
      sent += static_cast<std::size_t>(wrote);
      continue;
    }
    if (errno == EINTR) continue;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - steady_clock::now()).count();
    pollfd wanted{stream_, POLLOUT, 0};
    if (errno != EAGAIN || left <= 0 || poll(&wanted, 1, static_cast<int>(left)) <= 0) {
      return Error{ErrorCode::Unavailable, "it does not read"};
    }
  }
  return ok();
}

Result<Json> ChildUpstream::receive(Deadline until) {
  for (;;) {
    const std::size_t end = buffer_.find('\n');
    if (end != std::string::npos) {
      const std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
      return Json::parse(line, {.bytes = kLongestServerMessage});
    }
    if (buffer_.size() > kLongestServerMessage) return Error{ErrorCode::TooLarge, "its message has no end"};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - steady_clock::now()).count();
    pollfd wanted{stream_, POLLIN, 0};
    const int ready = left <= 0 ? 0 : poll(&wanted, 1, static_cast<int>(std::min<std::int64_t>(left, 1000)));
    if (ready < 0 && errno != EINTR) return Error{ErrorCode::Unavailable, "its stream broke"};
    if (left <= 0) return Error{ErrorCode::Unavailable, "it was silent for too long"};
    if (ready <= 0) continue;
    char part[65536];
    const ssize_t got = recv(stream_, part, sizeof part, 0);
    if (got == 0) return Error{ErrorCode::Unavailable, "it ended"};
    if (got > 0) buffer_.append(part, static_cast<std::size_t>(got));
  }
}

void ChildUpstream::hear(const Json& message, Deadline until) {
  if (message.find("id") != nullptr) {
    (void)send(answer_to_server(message), until);  // one that does not read is noticed by what we wait for
  } else if (message.text("method") == "notifications/tools/list_changed") {
    list_changed_ = true;
  }
}

// A notification that lies unread would let one more call of the old definition through.
Status ChildUpstream::listen() {
  for (int heard = 0; heard < kMostUnasked; ++heard) {
    if (buffer_.find('\n') == std::string::npos) {
      pollfd wanted{stream_, POLLIN, 0};
      if (poll(&wanted, 1, 0) <= 0) return ok();
    }
    const Deadline until = steady_clock::now() + kHandshakeTime;
    ASSIGN_OR_RETURN(const Json message, receive(until));
    if (!message.is_object()) return Error{ErrorCode::Invalid, "it sent something that is no message"};
    if (message.find("method") != nullptr) hear(message, until);  // otherwise the answer of a call given up
  }
  return Error{ErrorCode::OverLimit, "it does not stop talking"};
}

Result<Json> ChildUpstream::request(const std::string& method, Json params, Deadline until) {
  const std::int64_t id = next_id_++;
  RETURN_IF_ERROR(
      send(Json::object({{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", std::move(params)}}), until));
  for (;;) {
    ASSIGN_OR_RETURN(const Json message, receive(until));
    if (!message.is_object()) return Error{ErrorCode::Invalid, "it sent something that is no message"};
    const Json* its_id = message.find("id");
    if (message.find("method") != nullptr) {
      hear(message, until);
      continue;
    }
    if (its_id == nullptr || !its_id->is_integer() || its_id->as_integer() != id) continue;  // of a call given up
    return result_in(message);
  }
}

Result<std::vector<Json>> ChildUpstream::list() {
  const Deadline until = steady_clock::now() + kHandshakeTime;
  list_changed_ = false;
  return listed_tools(
      [&](const std::string& method, Json params) { return request(method, std::move(params), until); });
}

Result<Upstream::Tools> ChildUpstream::tools() {
  const std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(start());
  if (const Status heard = listen(); !heard) {
    end();
    RETURN_IF_ERROR(start());
  }
  if (!list_changed_) return tools_;
  Result<std::vector<Json>> found = list();
  if (!found) {
    end();
    return server_unavailable(name_, "does not list its tools: " + found.error().detail);
  }
  tools_ = std::make_shared<const std::vector<Json>>(*std::move(found));
  return tools_;
}

Result<Json> ChildUpstream::call(const std::string& tool, const Json& arguments, std::chrono::nanoseconds within) {
  const std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(start());
  // Another process than the one whose tools were judged, or one that has announced other tools since.
  if (const Status heard = listen(); !heard || list_changed_) {
    if (!heard) end();
    return server_unavailable(name_, "is not as it was when the call was judged");
  }
  const Deadline until = steady_clock::now() + within;
  Result<Json> result = request("tools/call", Json::object({{"name", tool}, {"arguments", arguments}}), until);
  if (result) return result;
  if (result.error().reason == "server_error") return tool_failure(result.error().detail);
  end();
  return outcome_unknown(name_, "failed (" + result.error().detail + ")");
}

}  // namespace countersign::broker
