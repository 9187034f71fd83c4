#include "signer/ledger/group_commit.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cstdlib>
#include <deque>
#include <iterator>
#include <mutex>
#include <thread>
#include <variant>

namespace countersign::ledger {
namespace {

// The commit thread sleeps on a descriptor and not on a condition variable: the first item of a batch sets the timer
// without waking anybody.
class Alarm {
 public:
  Alarm()
      : timer_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
        event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (timer_ < 0 || event_ < 0) std::abort();  // out of descriptors before anything was accepted
  }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;
  ~Alarm() {
    close(timer_);
    close(event_);
  }

  void ring_in(std::chrono::nanoseconds delay) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(delay);
    itimerspec when{};
    when.it_value.tv_sec = seconds.count();
    when.it_value.tv_nsec = (delay - seconds).count();
    if (timerfd_settime(timer_, 0, &when, nullptr) != 0) std::abort();
  }
  void ring() {
    const std::uint64_t one = 1;
    if (write(event_, &one, sizeof one) != sizeof one && errno != EAGAIN) std::abort();
  }
  // True if it was the timer that rang.
  bool wait() {
    pollfd ready[2] = {{timer_, POLLIN, 0}, {event_, POLLIN, 0}};
    while (poll(ready, 2, -1) < 0) {
      if (errno != EINTR) std::abort();
    }
    std::uint64_t count = 0;
    for (const pollfd& one : ready) {
      if ((one.revents & POLLIN) != 0 && read(one.fd, &count, sizeof count) < 0 && errno != EAGAIN) std::abort();
    }
    return (ready[0].revents & POLLIN) != 0;
  }

 private:
  const int timer_;
  const int event_;
};

using Task = std::function<void(Store&)>;
using Work = std::variant<Submission, Task>;

}  // namespace

struct GroupCommit::State {
  State(Store& target, const Options& policy, Completed callback)
      : store(target), options(policy), completed(std::move(callback)) {}

  Status accept(std::vector<Work> work, std::optional<std::size_t> coming);
  void run();
  // What to do next: at most options.batch submissions, or one task. Requires mutex.
  std::vector<Work> take();
  void commit(std::vector<Work> batch);

  Store& store;
  const Options options;
  const Completed completed;
  Alarm alarm;
  std::mutex mutex;
  std::deque<Work> queue;  // guarded by mutex
  bool due = false;        // what is in the queue is to be committed now; guarded by mutex
  bool rung = false;       // the thread is awake or was woken for it; guarded by mutex
  bool timed = false;      // the timer runs; guarded by mutex
  bool stopping = false;   // guarded by mutex
  std::mutex joining;
  std::thread thread;
};

Status GroupCommit::State::accept(std::vector<Work> work, std::optional<std::size_t> coming) {
  if (work.empty()) return ok();
  const std::lock_guard lock(mutex);
  if (stopping) return Error{ErrorCode::Unavailable, "the ledger is being closed", "stopping"};
  if (queue.size() + work.size() > options.queue) {
    return Error{ErrorCode::OverLimit, "too many records wait for the ledger", "ledger_queue_full",
                 "Try again after the time in Retry-After."};
  }
  const bool first = queue.empty();
  std::move(work.begin(), work.end(), std::back_inserter(queue));
  if (queue.size() >= std::min(coming.value_or(options.batch), options.batch)) due = true;
  if (due && !rung) {
    rung = true;
    alarm.ring();
  } else if (first && !due) {
    alarm.ring_in(options.wait);
    timed = true;
  }
  return ok();
}

std::vector<Work> GroupCommit::State::take() {
  std::vector<Work> taken;
  while (!queue.empty() && taken.size() < options.batch) {
    const bool is_task = std::holds_alternative<Task>(queue.front());
    if (is_task && !taken.empty()) break;
    taken.push_back(std::move(queue.front()));
    queue.pop_front();
    if (is_task) break;
  }
  return taken;
}

void GroupCommit::State::commit(std::vector<Work> batch) {
  if (Task* task = std::get_if<Task>(&batch.front())) {
    (*task)(store);
    return;
  }
  std::vector<const Item*> items;
  std::vector<Completion> completions;
  items.reserve(batch.size());
  completions.reserve(batch.size());
  for (Work& work : batch) {
    Submission& submission = std::get<Submission>(work);
    items.push_back(submission.item.get());
    completions.push_back(Completion{submission.ticket, Committed{}, std::move(submission.item)});
  }
  Result<std::vector<Result<Committed>>> outcomes = store.commit(std::span<const Item* const>(items));
  for (std::size_t i = 0; i < completions.size(); ++i) {
    completions[i].outcome = outcomes ? std::move((*outcomes)[i]) : Result<Committed>(outcomes.error());
  }
  completed(std::move(completions));
}

void GroupCommit::State::run() {
  while (true) {
    const bool by_timer = alarm.wait();
    std::unique_lock lock(mutex);
    if (timed && !by_timer) alarm.ring_in(std::chrono::nanoseconds(0));  // its batch goes now; zero stops the timer
    timed = false;
    rung = true;
    due = !queue.empty();
    // What came while a batch was being synced is a batch of its own: it goes when it is due.
    while (due || (stopping && !queue.empty())) {
      std::vector<Work> batch = take();
      due = !queue.empty();
      lock.unlock();
      commit(std::move(batch));
      lock.lock();
    }
    rung = false;
    if (stopping) return;
  }
}

GroupCommit::GroupCommit(Store& store, Options options, Completed completed)
    : state_(std::make_unique<State>(store, options, std::move(completed))) {
  state_->thread = std::thread([state = state_.get()] { state->run(); });
}

GroupCommit::~GroupCommit() {
  stop();
}

Status GroupCommit::submit(std::vector<Submission> submissions, std::optional<std::size_t> coming) {
  std::vector<Work> work;
  work.reserve(submissions.size());
  for (Submission& submission : submissions) work.emplace_back(std::move(submission));
  return state_->accept(std::move(work), coming);
}

Status GroupCommit::submit(Submission submission, std::optional<std::size_t> coming) {
  std::vector<Work> work;
  work.emplace_back(std::move(submission));
  return state_->accept(std::move(work), coming);
}

Status GroupCommit::perform(std::function<void(Store&)> task) {
  std::vector<Work> work;
  work.emplace_back(std::move(task));
  return state_->accept(std::move(work), 0);
}

void GroupCommit::stop() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    state_->alarm.ring();
  }
  const std::lock_guard lock(state_->joining);
  if (state_->thread.joinable()) state_->thread.join();
}

}  // namespace countersign::ledger
