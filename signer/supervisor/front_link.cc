#include "signer/supervisor/front_link.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>

#include "signer/channel/control.h"
#include "signer/process/started_process.h"
#include "signer/supervisor/journal.h"

namespace countersign::supervisor {
namespace {

using process::close_descriptor;

constexpr std::size_t kMostWaiting = 1024;

}  // namespace

Status FrontLink::start(const std::vector<std::string>& argv, const std::vector<std::string>& more_environment,
                        int configuration, const std::optional<process::ProcessUser>& user) {
  ASSIGN_OR_RETURN(auto ends, process::socket_pair(SOCK_SEQPACKET));
  process::Program front;
  front.argv = argv;
  front.title = "countersignd: front";
  front.environment = {process::kPath, process::kLanguage};
  front.environment.insert(front.environment.end(), more_environment.begin(), more_environment.end());
  front.descriptors = {ends.second, configuration};
  front.user = user;
  front.parent_death_signal = SIGKILL;
  const Result<pid_t> pid = process::start(front);
  close_descriptor(ends.second);
  if (!pid) {
    close_descriptor(ends.first);
    return pid.error();
  }
  pid_ = *pid;
  control_ = ends.first;
  fcntl(control_, F_SETFL, O_NONBLOCK);
  return ok();
}

void FrontLink::forget() {
  pid_ = -1;
  close_descriptor(control_);
  for (Message& message : waiting_) close_descriptor(message.descriptor);
  waiting_.clear();
}

void FrontLink::tell(Json message, int descriptor) {
  if (!running()) {
    close_descriptor(descriptor);
    return;
  }
  waiting_.push_back({std::move(message), descriptor});
  flush();
  if (waiting_.size() > kMostWaiting) {
    say(Level::Error, "the front does not read what it is told; it is replaced");
    kill(pid_, SIGKILL);
  }
}

void FrontLink::flush() {
  while (!waiting_.empty() && control_ >= 0) {
    Message& message = waiting_.front();
    const std::vector<int> descriptors = message.descriptor >= 0 ? std::vector{message.descriptor} : std::vector<int>();
    const Status sent = channel::send_control(control_, message.body, descriptors);
    if (!sent && sent.error().reason == "would_block") return;
    // To a dead front nothing can be said; it is noticed when it is reaped.
    close_descriptor(message.descriptor);
    waiting_.pop_front();
  }
}

Result<Json> FrontLink::next() {
  if (control_ < 0) return Error{ErrorCode::Unavailable, "the front closed its control channel"};
  Result<channel::ControlMessage> message = channel::receive_control(control_);
  if (!message) return message.error();
  for (int& descriptor : message->descriptors) close_descriptor(descriptor);
  return std::move(message->body);
}

void FrontLink::close_control() {
  close_descriptor(control_);
}

}  // namespace countersign::supervisor
