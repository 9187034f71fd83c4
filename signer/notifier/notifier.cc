#include "signer/notifier/notifier.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>

#include "signer/channel/frame.h"
#include "signer/config/events.h"
#include "signer/confinement/confinement.h"
#include "signer/notifier/worker.h"

namespace countersign::notifier {
namespace {

constexpr std::size_t kMostRemembered = 1024;

struct Outcome {
  std::uint64_t id;
  std::size_t target;
  Status status;
};

struct Pending {
  Digest event;
  std::size_t outstanding = 0;
  std::string failures;
};

// The event with what our table says of it; what the front says stands.
Result<Message> message_of(std::string_view payload) {
  ASSIGN_OR_RETURN(Json event, Json::parse(payload));
  const std::optional<config::Event> known = config::event_named(event.text("event"));
  if (!known) return Error{ErrorCode::Invalid, "the event is none of the table's"};
  const config::EventRow& row = config::row_of(*known);
  if (event.find("severity") == nullptr) event.set("severity", config::name_of(row.severity));
  if (event.find("text") == nullptr) event.set("text", row.text);
  return Message{std::string(row.name), std::string(config::name_of(row.severity)), event.compact()};
}

class Notifier {
 public:
  Notifier(int control, int frames, const config::Config& config)
      : control_(control), frames_(frames), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    for (std::size_t i = 0; i < config.security_owner.size(); ++i) {
      // Never freed: its thread ends with the process.
      workers_.push_back(
          new Worker(config.security_owner[i], i, [this](std::uint64_t id, std::size_t target, Status status) {
            finished(Outcome{id, target, std::move(status)});
          }));
    }
    fcntl(frames_, F_SETFL, O_NONBLOCK);
  }

  int run() {
    for (;;) {
      std::array<pollfd, 3> wanted = {pollfd{control_, POLLIN, 0},
                                      pollfd{frames_, static_cast<short>(out_.empty() ? POLLIN : POLLIN | POLLOUT), 0},
                                      pollfd{wake_, POLLIN, 0}};
      if (poll(wanted.data(), wanted.size(), -1) < 0 && errno != EINTR) return 1;
      // The supervisor says nothing here; what can be read is its end.
      if (wanted[0].revents != 0) return 0;
      if (wanted[2].revents != 0) collect();
      if ((wanted[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
        const std::optional<int> end = hear();
        if (end) return *end;
      }
      if (!flush()) return 0;
    }
  }

 private:
  std::optional<int> hear() {
    std::array<char, 65536> buffer;
    const ssize_t got = read(frames_, buffer.data(), buffer.size());
    if (got == 0) return 0;
    if (got < 0) return errno == EAGAIN || errno == EINTR ? std::nullopt : std::optional(0);
    reader_.feed({buffer.data(), static_cast<std::size_t>(got)});
    for (;;) {
      const Result<std::optional<channel::Frame>> frame = reader_.next();
      if (!frame || (*frame && (*frame)->kind != channel::FrameKind::Notify)) {
        std::fputs("countersignd: the notifier was sent a frame that none of ours writes\n", stderr);
        return 1;
      }
      if (!*frame) return std::nullopt;
      accept((*frame)->id, (*frame)->payload);
    }
  }

  void accept(std::uint64_t id, const std::string& payload) {
    const Result<Message> message = message_of(payload);
    if (!message) return answer(id, message.error().detail);
    Pending pending;
    pending.event = sha256(payload);
    const std::set<std::size_t>& have_it = delivered_[pending.event];
    for (std::size_t target = 0; target < workers_.size(); ++target) {
      if (have_it.contains(target)) continue;
      const Status added = workers_[target]->add(id, *message);
      if (added) {
        pending.outstanding += 1;
      } else {
        pending.failures += (pending.failures.empty() ? "" : "; ") + added.error().detail;
      }
    }
    pending_[id] = std::move(pending);
    conclude(id);
  }

  // On a worker's thread.
  void finished(Outcome outcome) {
    {
      const std::lock_guard lock(mutex_);
      outcomes_.push_back(std::move(outcome));
    }
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t wrote = write(wake_, &one, sizeof one);
  }

  void collect() {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = read(wake_, &count, sizeof count);
    std::vector<Outcome> outcomes;
    {
      const std::lock_guard lock(mutex_);
      outcomes.swap(outcomes_);
    }
    for (const Outcome& outcome : outcomes) {
      const auto found = pending_.find(outcome.id);
      if (found == pending_.end()) continue;
      Pending& pending = found->second;
      pending.outstanding -= 1;
      if (outcome.status) {
        delivered_[pending.event].insert(outcome.target);
      } else {
        std::fprintf(stderr, "countersignd: the security owner was not reached: %s\n",
                     outcome.status.error().detail.c_str());
        pending.failures += (pending.failures.empty() ? "" : "; ") + outcome.status.error().detail;
      }
      conclude(outcome.id);
    }
  }

  // Answers once every target had its turn.
  void conclude(std::uint64_t id) {
    const auto found = pending_.find(id);
    if (found == pending_.end() || found->second.outstanding > 0) return;
    answer(id, found->second.failures);
    // What failed somewhere is remembered for its retry; forgetting it costs a repetition, not a loss.
    if (found->second.failures.empty() || delivered_.size() > kMostRemembered) delivered_.erase(found->second.event);
    pending_.erase(found);
  }

  void answer(std::uint64_t id, const std::string& failures) {
    channel::append_frame(out_, channel::FrameKind::Notified, id,
                          Json::object({{"ok", failures.empty()}, {"detail", failures}}).compact());
  }

  bool flush() {
    while (!out_.empty()) {
      const ssize_t sent = send(frames_, out_.data(), out_.size(), MSG_NOSIGNAL);
      if (sent < 0) return errno == EAGAIN || errno == EINTR;
      out_.erase(0, static_cast<std::size_t>(sent));
    }
    return true;
  }

  const int control_;
  const int frames_;
  const int wake_;
  channel::FrameReader reader_;
  std::string out_;
  std::vector<Worker*> workers_;
  std::map<std::uint64_t, Pending> pending_;
  std::map<Digest, std::set<std::size_t>> delivered_;  // targets that have an event which failed elsewhere
  std::mutex mutex_;
  std::vector<Outcome> outcomes_;  // guarded by mutex_
};

confinement::Needs needs_of(const config::Config& config) {
  confinement::Needs needs;
  needs.kind = confinement::ProcessKind::Notifier;
  needs.reach = confinement::Reach::Network;
  needs.mandatory = config.confinement_mandatory;
  for (const config::NotifyConfig& target : config.security_owner) {
    const std::string folder = std::filesystem::path(target.target).parent_path().string();
    if (target.kind == config::NotifyConfig::Kind::File) needs.read_write.push_back(folder);
    if (target.kind == config::NotifyConfig::Kind::Command) {
      // Itself, what lies beside it, and the interpreters and libraries of the system; it can write no file of ours.
      needs.execute.insert(needs.execute.end(), {target.target, "/usr", "/bin", "/sbin", "/lib", "/lib64"});
      needs.read_only.push_back(folder);
      needs.read_write.push_back("/dev/null");
    }
  }
  return needs;
}

}  // namespace

int run_notifier(int control, int frames, const config::Config& config) {
  confinement::forbid_inspection();
  signal(SIGPIPE, SIG_IGN);
  const Result<confinement::Report> confined = confinement::confine(needs_of(config));
  if (!confined) {
    std::fprintf(stderr, "countersignd: the notifier does not start: %s\n", confined.error().detail.c_str());
    return 6;
  }
  auto* const notifier = new Notifier(control, frames, config);  // its workers may still call it while we end
  const int status = notifier->run();
  std::fflush(nullptr);
  std::_Exit(status);  // without waiting for a target that hangs; its command dies with the thread that started it
}

}  // namespace countersign::notifier
