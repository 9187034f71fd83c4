#include "signer/supervisor/notifier_link.h"

#include <sys/socket.h>

#include <csignal>

#include "signer/process/started_process.h"

namespace countersign::supervisor {

Status NotifierLink::start(const std::vector<std::string>& argv, int configuration,
                           const std::optional<process::ProcessUser>& user) {
  ASSIGN_OR_RETURN(auto control, process::socket_pair(SOCK_SEQPACKET));
  Result<std::pair<int, int>> frames = process::socket_pair(SOCK_STREAM);
  Status started = frames ? ok() : Status(frames.error());
  if (started) {
    process::Program notifier;
    notifier.argv = argv;
    notifier.title = "countersignd: notifier";
    notifier.environment = {process::kPath, process::kLanguage};
    notifier.descriptors = {control.second, configuration, frames->second};
    notifier.user = user;
    notifier.parent_death_signal = SIGKILL;
    const Result<pid_t> pid = process::start(notifier);
    started = pid ? ok() : Status(pid.error());
    if (pid) pid_ = *pid;
    process::close_descriptor(frames->second);
  }
  process::close_descriptor(control.second);
  if (!started) {
    process::close_descriptor(control.first);
    if (frames) process::close_descriptor(frames->first);
    return started;
  }
  control_ = control.first;
  frames_ = frames->first;
  return ok();
}

void NotifierLink::forget() {
  pid_ = -1;
  close();
}

void NotifierLink::pass_on(FrontLink& front) {
  if (!front.running() || frames_ < 0) return;
  front.tell(Json::object({{"event", "notifier_up"}}), std::exchange(frames_, -1));
}

void NotifierLink::close() {
  process::close_descriptor(control_);
  process::close_descriptor(frames_);
}

}  // namespace countersign::supervisor
