#include "command/serving/stop_signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

namespace countersign::command {

Result<StopSignals> StopSignals::block(Hangup hangup) {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT}) sigaddset(&set, number);
  if (hangup == Hangup::Listened) sigaddset(&set, SIGHUP);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  const int descriptor = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (descriptor < 0) return Error{ErrorCode::Internal, "cannot watch for signals"};
  return StopSignals(descriptor);
}

std::unique_ptr<transport::ReadWatch> StopSignals::watch(transport::EventLoop& loop,
                                                         std::function<void(int number)> heard) {
  return std::make_unique<transport::ReadWatch>(
      loop, descriptor_, [descriptor = descriptor_, heard = std::move(heard)] {
        signalfd_siginfo info{};
        while (::read(descriptor, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
          heard(static_cast<int>(info.ssi_signo));
        }
      });
}

}  // namespace countersign::command
