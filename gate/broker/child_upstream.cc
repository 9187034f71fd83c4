#include "gate/broker/child_upstream.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "gate/broker/upstream_messages.h"
#include "gate/vetting/sandbox.h"
#include "signer/process/started_process.h"

namespace countersign::broker {
namespace {

using std::chrono::steady_clock;

struct Started {
  pid_t pid = -1;
  int stream = -1;
};

Result<Started> start_in_sandbox(const std::string& name, const ServerConfig& config) {
  vetting::SandboxedProgram program;
  program.argv = config.command;
  program.environment = config.environment;
  program.read_only = config.read_only;
  if (!config.source.empty()) program.read_only.push_back(config.source);
  program.read_write = config.read_write;
  program.network = config.network;
  program.time = std::chrono::seconds(0);  // it lives as long as it is needed
  ASSIGN_OR_RETURN(const std::vector<std::string> words, vetting::sandbox_words(program));
  ASSIGN_OR_RETURN(auto ends, process::socket_pair(SOCK_STREAM));
  int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  process::Program child;
  child.argv = words;
  child.title = "countersign: server " + name;
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
  fcntl(ends.first, F_SETFL, O_NONBLOCK);
  return Started{*pid, ends.first};
}

}  // namespace

void ChildUpstream::stop() {
  {
    const std::lock_guard lock(pid_mutex_);
    if (pid_ > 0) kill(-pid_, SIGKILL);  // its calls end
  }
  const std::lock_guard lock(life_mutex_);
  end();
}

void ChildUpstream::end() {
  slots_.wait_idle();
  stream_.reset();
  const std::lock_guard lock(pid_mutex_);
  if (pid_ > 0) {
    kill(-pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  pid_ = -1;
  offers_.reset();
  list_changed_ = true;
  spent_ = false;
}

bool ChildUpstream::lives() {
  const std::lock_guard lock(pid_mutex_);
  if (pid_ <= 0 || spent_) return false;
  if (waitpid(pid_, nullptr, WNOHANG) == 0) return true;
  pid_ = -1;  // it ended by itself
  return false;
}

Status ChildUpstream::start() {
  if (lives()) return ok();
  end();
  RETURN_IF_ERROR(admitted_());
  ASSIGN_OR_RETURN(const Started started, start_in_sandbox(name_, config_));
  {
    const std::lock_guard lock(pid_mutex_);
    pid_ = started.pid;
  }
  stream_ = std::make_unique<MessageStream>(started.stream, [this](const Json& note) {
    if (tells_of_change(note)) list_changed_ = true;
  });
  const Status greeted = shake_hands();
  if (greeted) return ok();
  end();
  return server_unavailable(name_, greeted.error().detail);
}

Status ChildUpstream::shake_hands() {
  const auto until = steady_clock::now() + kHandshakeTime;
  const Result<Json> said = stream_->request("initialize", hello(), until);
  if (!said) return Error{said.error().code, "does not shake hands: " + said.error().detail};
  RETURN_IF_ERROR(agreed_version(*said));
  const Json* capabilities = said->find("capabilities");
  capabilities_ = capabilities == nullptr ? Json() : *capabilities;
  if (stream_->tell(Json::object({{"jsonrpc", "2.0"}, {"method", "notifications/initialized"}}), until)) return ok();
  return Error{ErrorCode::Unavailable, "ended while it shook hands"};
}

Result<std::vector<Offer>> ChildUpstream::list() {
  slots_.wait_idle();  // one that does one thing after another answers when it is done
  const auto until = steady_clock::now() + kHandshakeTime;
  list_changed_ = false;
  return listed_offers(capabilities_, [&](const std::string& method, Json params) {
    return stream_->request(method, std::move(params), until);
  });
}

Result<Upstream::Offers> ChildUpstream::offers() {
  const std::lock_guard lock(life_mutex_);
  RETURN_IF_ERROR(start());
  if (!stream_->listen()) {
    end();
    RETURN_IF_ERROR(start());
  }
  if (!list_changed_) return offers_;
  Result<std::vector<Offer>> found = list();
  if (!found) {
    end();
    return server_unavailable(name_, "does not list what it offers: " + found.error().detail);
  }
  offers_ = std::make_shared<const std::vector<Offer>>(*std::move(found));
  return offers_;
}

Result<Json> ChildUpstream::call(OfferKind kind, const Json& params, std::chrono::nanoseconds within) {
  Result<Json> result = Error{ErrorCode::Internal, ""};
  {
    std::unique_lock lock(life_mutex_);
    std::optional<CallSlots::Slot> slot = slots_.take_now();
    while (!slot) {  // not under the lock: others may want to know what it offers meanwhile
      lock.unlock();
      slots_.wait_for_one();
      lock.lock();
      slot = slots_.take_now();
    }
    // Another process than the one whose tools were judged, or one that has announced other tools since. A notification
    // that lies unread would let one more call of the old definition through.
    if (stream_ && !stream_->listen()) spent_ = true;
    if (!stream_ || spent_ || list_changed_) {
      return server_unavailable(name_, "is not as it was when the call was judged");
    }
    lock.unlock();
    result = stream_->request(std::string(row_of(kind).call), params, steady_clock::now() + within);
  }
  if (result) return result;
  if (result.error().reason == "server_error") return tool_failure(result.error().detail);
  spent_ = true;
  // Where others use it still, whoever uses it next ends it.
  const std::unique_lock lock(life_mutex_, std::try_to_lock);
  if (lock && spent_ && slots_.idle()) end();
  if (result.error().reason == "not_sent") return server_unavailable(name_, result.error().detail);
  return outcome_unknown(name_, "failed (" + result.error().detail + ")");
}

}  // namespace countersign::broker
