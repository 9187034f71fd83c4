#include "gate/broker/upstream.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "gate/vetting/sandbox.h"
#include "signer/process/started_process.h"

namespace countersign::broker {
namespace {

using std::chrono::steady_clock;

constexpr std::string_view kNewestProtocol = "2025-11-25";
constexpr std::string_view kProtocols[] = {"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"};
constexpr std::chrono::seconds kHandshake{20};
constexpr std::size_t kLongestMessage = std::size_t{16} << 20;
constexpr std::size_t kMostTools = 4096;
constexpr int kMostUnasked = 1000;       // messages between two calls
constexpr int kMethodNotFound = -32601;  // JSON-RPC 2.0 §5.1

Error unavailable(const std::string& name, const std::string& what) {
  return Error{ErrorCode::Unavailable, "the server " + name + " " + what, "server_unavailable",
               "see the broker's journal; the call was not made"};
}

Error unknown_outcome(const std::string& name, const std::string& what) {
  return Error{ErrorCode::Unavailable, "the server " + name + " " + what + " after the call was sent",
               "outcome_unknown", "it may have been done: look before asking again"};
}

}  // namespace

void Upstream::stop() {
  const std::lock_guard lock(mutex_);
  end();
}

void Upstream::end() {
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

Status Upstream::start() {
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
  const Deadline until = steady_clock::now() + kHandshake;
  const Result<Json> hello = request(
      "initialize",
      Json::object({{"protocolVersion", kNewestProtocol},
                    {"capabilities", Json::Object{}},
                    {"clientInfo", Json::object({{"name", "countersign-broker"}, {"version", COUNTERSIGN_VERSION}})}}),
      until);
  const std::string version(hello ? hello->text("protocolVersion") : std::string_view());
  const bool known = std::ranges::find(kProtocols, version) != std::end(kProtocols);
  const Status greeted =
      known ? send(Json::object({{"jsonrpc", "2.0"}, {"method", "notifications/initialized"}}), until) : ok();
  if (known && greeted) return ok();
  end();
  return unavailable(name_, !hello   ? "does not shake hands: " + hello.error().detail
                            : !known ? "speaks the protocol \"" + version + "\", which is not known here"
                                     : "ended while it shook hands");
}

Status Upstream::send(const Json& message, Deadline until) {
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

Result<Json> Upstream::receive(Deadline until) {
  for (;;) {
    const std::size_t end = buffer_.find('\n');
    if (end != std::string::npos) {
      const std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
      return Json::parse(line, {.bytes = kLongestMessage});
    }
    if (buffer_.size() > kLongestMessage) return Error{ErrorCode::TooLarge, "its message has no end"};
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

// What a server asks of its client: nothing but whether it lives. Roots, sampling and elicitation would let it reach
// through the broker.
void Upstream::answer(const Json& asked, Deadline until) {
  Json reply = Json::object({{"jsonrpc", "2.0"}, {"id", *asked.find("id")}});
  if (asked.text("method") == "ping") {
    reply.set("result", Json::Object{});
  } else {
    reply.set("error", Json::object({{"code", kMethodNotFound}, {"message", "not offered to servers"}}));
  }
  (void)send(reply, until);  // one that does not read is noticed by what we wait for
}

void Upstream::hear(const Json& message, Deadline until) {
  if (message.find("id") != nullptr) {
    answer(message, until);
  } else if (message.text("method") == "notifications/tools/list_changed") {
    list_changed_ = true;
  }
}

// A notification that lies unread would let one more call of the old definition through.
Status Upstream::listen() {
  for (int heard = 0; heard < kMostUnasked; ++heard) {
    if (buffer_.find('\n') == std::string::npos) {
      pollfd wanted{stream_, POLLIN, 0};
      if (poll(&wanted, 1, 0) <= 0) return ok();
    }
    const Deadline until = steady_clock::now() + kHandshake;
    ASSIGN_OR_RETURN(const Json message, receive(until));
    if (!message.is_object()) return Error{ErrorCode::Invalid, "it sent something that is no message"};
    if (message.find("method") != nullptr) hear(message, until);  // otherwise the answer of a call given up
  }
  return Error{ErrorCode::OverLimit, "it does not stop talking"};
}

Result<Json> Upstream::request(const std::string& method, Json params, Deadline until) {
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
    if (const Json* error = message.find("error")) {
      return Error{ErrorCode::Refused, std::string(error->text("message")), "server_error"};
    }
    const Json* result = message.find("result");
    if (result == nullptr || !result->is_object()) return Error{ErrorCode::Invalid, "its answer has no result"};
    return *result;
  }
}

Result<std::vector<Json>> Upstream::list() {
  std::vector<Json> found;
  const Deadline until = steady_clock::now() + kHandshake;
  std::string cursor;
  list_changed_ = false;
  do {
    Json params = Json::object({});
    if (!cursor.empty()) params.set("cursor", cursor);
    ASSIGN_OR_RETURN(const Json page, request("tools/list", std::move(params), until));
    const Json* tools = page.find("tools");
    if (tools == nullptr || !tools->is_array()) return Error{ErrorCode::Invalid, "its list of tools is none"};
    for (const Json& tool : tools->as_array()) {
      if (tool.text("name").empty()) return Error{ErrorCode::Invalid, "it offers a tool without a name"};
      found.push_back(tool);
    }
    if (found.size() > kMostTools) return Error{ErrorCode::TooLarge, "it offers too many tools"};
    cursor = page.text("nextCursor");
  } while (!cursor.empty());
  return found;
}

Result<Upstream::Tools> Upstream::tools() {
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
    return unavailable(name_, "does not list its tools: " + found.error().detail);
  }
  tools_ = std::make_shared<const std::vector<Json>>(*std::move(found));
  return tools_;
}

Result<Json> Upstream::call(const std::string& tool, const Json& arguments, std::chrono::nanoseconds within) {
  const std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(start());
  // Another process than the one whose tools were judged, or one that has announced other tools since.
  if (const Status heard = listen(); !heard || list_changed_) {
    if (!heard) end();
    return unavailable(name_, "is not as it was when the call was judged");
  }
  const Deadline until = steady_clock::now() + within;
  Result<Json> result = request("tools/call", Json::object({{"name", tool}, {"arguments", arguments}}), until);
  if (result) return result;
  if (result.error().reason == "server_error") {
    // As a tool's own failure is told, so that an agent can read it.
    return Json::object({{"content", Json::Array{Json::object({{"type", "text"}, {"text", result.error().detail}})}},
                         {"isError", true}});
  }
  end();
  return unknown_outcome(name_, "failed (" + result.error().detail + ")");
}

}  // namespace countersign::broker
