#include "signer/supervisor/notifier_link.h"

#include <sys/socket.h>

#include <csignal>

#include "signer/supervisor/started_process.h"

namespace countersign::supervisor {

Status NotifierLink::start(const std::vector<std::string>& argv, int configuration) {
  ASSIGN_OR_RETURN(auto control, socket_pair(SOCK_SEQPACKET));
  Result<std::pair<int, int>> frames = socket_pair(SOCK_STREAM);
  Status started = frames ? ok() : Status(frames.error());
  if (started) {
    Program notifier;
    notifier.argv = argv;
    notifier.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"};
    notifier.descriptors = {control.second, configuration, frames->second};
    notifier.parent_death_signal = SIGKILL;
    const Result<pid_t> pid = supervisor::start(notifier);
    started = pid ? ok() : Status(pid.error());
    if (pid) pid_ = *pid;
    close_descriptor(frames->second);
  }
  close_descriptor(control.second);
  if (!started) {
    close_descriptor(control.first);
    if (frames) close_descriptor(frames->first);
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
  close_descriptor(control_);
  close_descriptor(frames_);
}

}  // namespace countersign::supervisor
