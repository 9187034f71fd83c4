#include "signer/ledger/background_check.h"

#include <sys/resource.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <utility>

namespace countersign::ledger {
namespace {

using std::chrono::steady_clock;

constexpr int kLowestPriority = 19;

bool is_damage(const Error& error) {
  return error.code == ErrorCode::Refused;
}

}  // namespace

std::string_view name_of(CheckReport::State state) {
  switch (state) {
    case CheckReport::State::Waiting:
      return "waiting";
    case CheckReport::State::Running:
      return "running";
    case CheckReport::State::Damaged:
      return "damaged";
  }
  std::abort();
}

struct BackgroundCheck::State {
  State(std::string path_of_ledger, const Clock& clock_of_store, Options how, Coverage known, Damaged tell)
      : path(std::move(path_of_ledger)), clock(clock_of_store), options(how), damaged(std::move(tell)) {
    coverage = known;
    wanted = known.first != 0;
  }

  void run();
  // One round. Fails as WholeCheck does; with Unavailable, reason "stopped", where the object is going away.
  Status round();
  // Sleeps so long, less where somebody wants something. Requires `lock`.
  void rest(std::unique_lock<std::mutex>& lock, std::chrono::nanoseconds span);

  const std::string path;
  const Clock& clock;
  const Options options;
  const Damaged damaged;

  mutable std::mutex mutex;
  std::condition_variable woken;
  Coverage coverage;      // guarded by mutex
  CheckReport report;     // guarded by mutex
  bool wanted = false;    // a round; guarded by mutex
  bool begun = false;     // the round that is wanted; guarded by mutex
  bool another = false;   // after it; guarded by mutex
  bool hurried = false;   // without rests; guarded by mutex
  bool stopping = false;  // guarded by mutex
  std::thread thread;
};

void BackgroundCheck::State::rest(std::unique_lock<std::mutex>& lock, std::chrono::nanoseconds span) {
  woken.wait_for(lock, span, [this] { return stopping || hurried; });
}

Status BackgroundCheck::State::round() {
  ASSIGN_OR_RETURN(Connection connection, Connection::open(path, Connection::Access::ReadOnly));
  RETURN_IF_ERROR(connection.execute("PRAGMA cache_size = -2048; PRAGMA query_only = ON;"));
  WholeCheck check(connection, WholeCheck::Pages::Skip);
  for (;;) {
    const auto begun = steady_clock::now();
    ASSIGN_OR_RETURN(const bool more, check.step());
    const auto took = steady_clock::now() - begun;
    std::unique_lock lock(mutex);
    report.size = check.seen().head.size;
    report.checked = report.size - check.coverage().first;
    report.doing = check.doing();
    report.trouble.clear();
    if (check.coverage().first < coverage.first) coverage = check.coverage();
    if (!more) return ok();
    if (!hurried) rest(lock, std::chrono::duration_cast<std::chrono::nanoseconds>(took * options.rest));
    if (stopping) return Error{ErrorCode::Unavailable, "the check was stopped", "stopped"};
  }
}

void BackgroundCheck::State::run() {
  // Of this thread alone (setpriority(2), "C library/kernel differences").
  setpriority(PRIO_PROCESS, 0, kLowestPriority);
  std::unique_lock lock(mutex);
  while (!stopping) {
    if (!wanted) {
      report.state = CheckReport::State::Waiting;
      if (options.every.count() > 0) {
        if (!woken.wait_for(lock, options.every, [this] { return stopping || wanted; })) wanted = true;
      } else {
        woken.wait(lock, [this] { return stopping || wanted; });
      }
      continue;
    }
    report.state = CheckReport::State::Running;
    begun = true;
    lock.unlock();
    const Status done = round();
    lock.lock();
    begun = false;
    if (stopping) return;
    if (done) {
      wanted = hurried = std::exchange(another, false);
      report.rounds += 1;
      report.completed = clock.now();
      continue;
    }
    if (is_damage(done.error())) {
      report.state = CheckReport::State::Damaged;
      report.damage = done.error();
      lock.unlock();
      damaged(done.error());
      return;
    }
    report.trouble = done.error().detail;
    hurried = false;
    rest(lock, options.try_again);
  }
}

BackgroundCheck::BackgroundCheck(std::string path, const Clock& clock, Options options, Coverage known, Damaged damaged)
    : state_(std::make_unique<State>(std::move(path), clock, options, known, std::move(damaged))) {
  state_->thread = std::thread([state = state_.get()] { state->run(); });
}

BackgroundCheck::~BackgroundCheck() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->woken.notify_all();
  state_->thread.join();
}

std::uint64_t BackgroundCheck::again() {
  std::uint64_t round = 0;
  {
    const std::lock_guard lock(state_->mutex);
    round = state_->report.rounds + 1;
    if (state_->report.state == CheckReport::State::Damaged) return round;
    if (state_->wanted && state_->begun) {
      state_->another = true;
      ++round;
    }
    state_->wanted = state_->hurried = true;
  }
  state_->woken.notify_all();
  return round;
}

CheckReport BackgroundCheck::report() const {
  const std::lock_guard lock(state_->mutex);
  return state_->report;
}

Coverage BackgroundCheck::coverage() const {
  const std::lock_guard lock(state_->mutex);
  return state_->coverage;
}

}  // namespace countersign::ledger
