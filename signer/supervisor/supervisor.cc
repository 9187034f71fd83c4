#include "signer/supervisor/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <optional>

#include "common/error_line.h"
#include "signer/confinement/confinement.h"
#include "signer/process/started_process.h"
#include "signer/supervisor/fleet.h"
#include "signer/supervisor/front_link.h"
#include "signer/supervisor/journal.h"
#include "signer/supervisor/notifier_link.h"
#include "signer/supervisor/state_lock.h"

namespace countersign::supervisor {
namespace {

using process::close_descriptor;

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr seconds kInspection{1};
constexpr seconds kFrontMayStop{15};   // it answers what is in flight and writes its last anchor
constexpr seconds kOthersMayStop{10};  // after the front
constexpr seconds kKillsMayTake{10};   // after the last start is past its deadline

// How a front or notifier that keeps ending is slowed down: 0.1 s, doubling to 5 s.
class Backoff {
 public:
  Moment next(Moment now) {
    const milliseconds delay = std::min<milliseconds>(milliseconds(100) * (1 << std::min(failures_, 6)), seconds(5));
    failures_ += 1;
    return now + delay;
  }
  void reset() { failures_ = 0; }

 private:
  int failures_ = 0;
};

Result<int> text_descriptor(std::string_view text) {
  int file = memfd_create("countersign.yaml", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (file < 0) return Error{ErrorCode::Unavailable, std::string("cannot make a memory file: ") + std::strerror(errno)};
  if (write(file, text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      fcntl(file, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    close_descriptor(file);
    return Error{ErrorCode::Unavailable, "cannot fill a memory file"};
  }
  return file;
}

Result<int> signal_descriptor() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) sigaddset(&signals, signal);
  signal(SIGPIPE, SIG_IGN);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  const int file = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  if (file < 0) return Error{ErrorCode::Unavailable, std::string("cannot receive signals: ") + std::strerror(errno)};
  return file;
}

class Supervisor {
 public:
  Supervisor(const config::Config& config, const Programs& programs, custody::PinStore& pins, int signals, int text)
      : config_(config),
        programs_(programs),
        fleet_(config, programs, pins, front_),
        signals_(signals),
        text_(text),
        start_deadline_(std::chrono::ceil<milliseconds>(config.limits.start_deadline)) {}

  int run() {
    while (!done()) {
      const Moment now = steady_clock::now();
      start_what_is_due(now);
      if (now >= inspection_) {
        fleet_.inspect(now);
        inspection_ = now + kInspection;
      }
      if (stopping_) enforce_deadlines(now);
      wait_for_events();
    }
    say(Level::Info, "stopped");
    return status_;
  }

 private:
  enum class Stage { Front, Others, Over };

  void start_what_is_due(Moment now) {
    if (!stopping_) {
      next_ = fleet_.advance(now);
      if (!front_.running() && now >= front_due_) start_front(now);
      if (!notifier_.running() && now >= notifier_due_) start_notifier(now);
    }
  }

  void start_front(Moment now) {
    const Status started = front_.start(programs_.front, programs_.front_environment, text_, config_.front_user);
    if (!started) {
      say(Level::Error, "the front cannot be started: " + started.error().detail);
      front_due_ = front_backoff_.next(now);
      return;
    }
    fleet_.front_started();
    notifier_.pass_on(front_);
  }

  void start_notifier(Moment now) {
    const Status started = notifier_.start(programs_.notifier, text_, config_.notifier_user);
    if (!started) {
      say(Level::Error, "the notifier cannot be started: " + started.error().detail);
      notifier_due_ = notifier_backoff_.next(now);
      return;
    }
    notifier_.pass_on(front_);
  }

  void wait_for_events() {
    std::vector<pollfd> wanted = {{signals_, POLLIN, 0}};
    std::vector<std::size_t> slots;
    if (front_.control() >= 0) {
      wanted.push_back({front_.control(), static_cast<short>(front_.has_waiting() ? POLLIN | POLLOUT : POLLIN), 0});
    }
    const std::size_t first_slot = wanted.size();
    for (std::size_t i = 0; i < fleet_.slots().size(); ++i) {
      if (fleet_.slots()[i].control < 0) continue;
      wanted.push_back({fleet_.slots()[i].control, POLLIN, 0});
      slots.push_back(i);
    }
    if (poll(wanted.data(), wanted.size(), patience()) < 0 && errno != EINTR) std::abort();
    if (first_slot == 2 && wanted[1].revents != 0) hear_front();
    for (std::size_t i = 0; i < slots.size(); ++i) {
      if (wanted[first_slot + i].revents != 0) fleet_.listen(slots[i]);
    }
    if (wanted[0].revents != 0) receive_signals();
  }

  int patience() const {
    Moment until = inspection_;
    if (next_ && *next_ < until) until = *next_;
    if (!stopping_ && !front_.running()) until = std::min(until, front_due_);
    if (!stopping_ && !notifier_.running()) until = std::min(until, notifier_due_);
    const auto left = std::chrono::ceil<milliseconds>(until - steady_clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1000));
  }

  void hear_front() {
    front_.flush();
    for (;;) {
      const Result<Json> message = front_.next();
      if (!message) {
        if (message.error().reason != "would_block") front_.close_control();
        return;
      }
      const std::string_view event = message->text("event");
      if (event == "listening") {
        front_backoff_.reset();
        say(Level::Info, "listening");
        tell_service_manager("READY=1\nSTATUS=listening");
      } else if (event == "replace_holder") {
        fleet_.replace(*message);
      } else if (event == "halted") {
        fleet_.halt(*message);
      }
    }
  }

  void receive_signals() {
    signalfd_siginfo seen{};
    while (read(signals_, &seen, sizeof seen) == static_cast<ssize_t>(sizeof seen)) {
      if (seen.ssi_signo == SIGTERM || seen.ssi_signo == SIGINT) stop(0);
      if (seen.ssi_signo == SIGHUP) fleet_.try_again(steady_clock::now());
    }
    int wait_status = 0;
    for (pid_t pid = 0; (pid = waitpid(-1, &wait_status, WNOHANG)) > 0;) reaped(pid, wait_status);
  }

  void reaped(pid_t pid, int wait_status) {
    const Moment now = steady_clock::now();
    if (fleet_.ended(pid, wait_status, now)) return;
    if (pid == front_.pid()) {
      front_ended(wait_status, now);
    } else if (pid == notifier_.pid()) {
      if (!stopping_) say(Level::Warning, "the notifier ended; it is started again");
      notifier_.forget();
      notifier_due_ = notifier_backoff_.next(now);
    }
  }

  void front_ended(int wait_status, Moment now) {
    hear_front();
    front_.forget();
    fleet_.front_ended();
    notifier_backoff_.reset();
    if (stopping_) return;
    const int status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 0;
    if (status == 3 || status == 6) {
      say(Level::Error, "the front refused to serve, and starting it again would not help; stopping");
      stop(status);
      return;
    }
    const std::string how = WIFSIGNALED(wait_status) ? "signal " + std::to_string(WTERMSIG(wait_status))
                                                     : "status " + std::to_string(status);
    say(Level::Error, "the front ended with " + how + "; it is started again");
    tell_service_manager("STATUS=the front is started again");
    front_due_ = front_backoff_.next(now);
  }

  void stop(int status) {
    if (stopping_) return;
    stopping_ = true;
    status_ = status;
    deadline_ = steady_clock::now() + kFrontMayStop;
    say(Level::Info, "stopping");
    tell_service_manager("STOPPING=1");
    fleet_.retire();
    front_.tell(Json::object({{"event", "stop"}}));
  }

  // The front needs its holders to the last; they end after it.
  void enforce_deadlines(Moment now) {
    if (stage_ == Stage::Front && !front_.running()) {
      stage_ = Stage::Others;
      deadline_ = now + kOthersMayStop;
      fleet_.close();
      notifier_.close();
    }
    if (now < deadline_) return;
    if (stage_ == Stage::Front) {
      say(Level::Warning, "the front does not stop; it is killed");
      kill(front_.pid(), SIGKILL);
      deadline_ = now + kOthersMayStop;
    } else if (stage_ == Stage::Others) {
      if (notifier_.running()) kill(notifier_.pid(), SIGKILL);
      fleet_.kill_ready();
      stage_ = Stage::Over;
      deadline_ = now + start_deadline_ + kKillsMayTake;
    } else {
      say(Level::Error, "a process does not end, although it was killed; it is left behind");
      abandoned_ = true;
    }
  }

  bool done() const {
    if (!stopping_ || front_.running()) return false;
    return abandoned_ || (fleet_.empty() && !notifier_.running());
  }

  const config::Config& config_;
  const Programs& programs_;
  FrontLink front_;
  NotifierLink notifier_;
  Fleet fleet_;
  int signals_;
  int text_;
  milliseconds start_deadline_;
  Backoff front_backoff_;
  Backoff notifier_backoff_;
  Moment front_due_;
  Moment notifier_due_;
  Moment inspection_;
  std::optional<Moment> next_;
  Stage stage_ = Stage::Front;
  Moment deadline_;
  bool stopping_ = false;
  bool abandoned_ = false;
  int status_ = 0;
};

int refused(const Error& error) {
  say(Level::Error, line_of(error));
  return row_of(error.code).exit_code;
}

Status can_start_as_users(const config::Config& config) {
  if (!config.has_users() || geteuid() == 0) return ok();
  return Error{ErrorCode::Refused, "the configuration gives each process a user of its own, which only root can start",
               "users_need_root",
               "Start it as root: it keeps four capabilities and starts everything else as its user."};
}

}  // namespace

Result<Programs> installed_programs(const std::string& config_path) {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return Error{ErrorCode::Unavailable, "cannot find this program: " + error.message()};
  Programs programs;
  programs.holder = (self.parent_path() / "countersign-holder").string();
  // By link, so that a package upgrade under a running appliance does not mix two versions of one program.
  programs.front = {"/proc/self/exe", "--front", "--config", config_path};
  programs.notifier = {"/proc/self/exe", "--notifier", "--config", config_path};
  return programs;
}

int run_supervisor(const config::Config& config, std::string_view text, const Programs& programs) {
  set_level(config.log_level);
  confinement::forbid_inspection();
  const Status able = can_start_as_users(config);
  if (!able) return refused(able.error());
  const Result<int> signals = signal_descriptor();
  if (!signals) return refused(signals.error());
  const Result<StateLock> lock = StateLock::take(config.state, config.front_uid());
  if (!lock) return refused(lock.error());
  custody::PinStore pins;
  const Status typed = pins.ask_for_typed(config);
  if (!typed) return refused(typed.error());
  const Result<int> configuration = text_descriptor(text);
  if (!configuration) return refused(configuration.error());
  confinement::Needs needs;
  needs.kind = confinement::ProcessKind::Supervisor;
  needs.mandatory = config.confinement_mandatory;
  needs.starts_as_users = config.has_users();
  const Result<confinement::Report> confined = confinement::confine(needs);
  if (!confined) return refused(confined.error());
  return Supervisor(config, programs, pins, *signals, *configuration).run();
}

}  // namespace countersign::supervisor
