#include "signer/daemon/holder_pool.h"

#include <algorithm>
#include <utility>

namespace countersign::daemon {
namespace {

using channel::FrameKind;
using keymgmt::Role;

// Requests a holder has at once: enough to keep it busy while we work on a whole write of its answers, few enough that
// the queue stays shared.
constexpr std::size_t kWindow = 64;
// A holder that was silent for longer is not waited for.
constexpr std::chrono::milliseconds kSoon(5);

Error lost() {
  return Error{ErrorCode::Unavailable, "the holder ended while it had the request; nothing was recorded", "holder_lost",
               "Ask again: a new holder is being started."};
}

Error too_late() {
  return Error{ErrorCode::Unavailable, "the token did not sign within limits.sign_deadline", "sign_deadline",
               "Ask again. `countersign status` shows the state of the token."};
}

Error none(Role role) {
  return Error{ErrorCode::Unavailable, "no holder of the role " + std::string(keymgmt::name_of(role)) + " is up",
               "role_unavailable", "`countersign status` says why; the supervisor keeps trying."};
}

}  // namespace

struct HolderPool::Holder {
  HolderName name;
  Json ready;
  std::unique_ptr<transport::Stream> stream;
  channel::FrameReader reader;
  std::deque<std::pair<std::uint64_t, Request>> in_flight;  // by id; answers come in this order
  Moment last_progress;                                     // the last answer, or when it got work after being idle
  Moment last_canary;
  bool canary_failed = false;  // the last one that was answered
  std::uint64_t answered = 0;
  bool gone = false;
};

HolderPool::HolderPool(transport::EventLoop& loop, std::chrono::nanoseconds deadline, Replace replace)
    : loop_(loop), deadline_(deadline), replace_(std::move(replace)) {}

HolderPool::~HolderPool() = default;

void HolderPool::add(const HolderName& name, int descriptor, Json ready) {
  RoleQueue& role = roles_[name.role];
  for (const auto& holder : role.holders) {
    if (holder->name.index != name.index) continue;
    drop(*holder, "");
    break;
  }
  auto holder = std::make_unique<Holder>();
  holder->name = name;
  holder->ready = std::move(ready);
  holder->last_progress = std::chrono::steady_clock::now();
  holder->last_canary = holder->last_progress;
  Holder* address = holder.get();
  holder->stream = std::make_unique<transport::Stream>(
      loop_, descriptor, [this, address](std::string_view bytes) { received(*address, bytes); },
      [this, address] { drop(*address, "connection_closed"); });
  role.holders.push_back(std::move(holder));
  dispatch(name.role);
}

void HolderPool::remove(const HolderName& name) {
  for (const auto& holder : roles_[name.role].holders) {
    if (holder->name.index != name.index || holder->name.generation != name.generation) continue;
    return drop(*holder, "");
  }
}

void HolderPool::ask(Role role, FrameKind kind, std::string payload, Done done) {
  RoleQueue& queue = roles_[role];
  if (queue.holders.empty()) return done(none(role));
  queue.queue.push_back({kind, std::move(payload), std::move(done), std::chrono::steady_clock::now()});
  dispatch(role);
}

void HolderPool::ask_holder(Role role, int index, FrameKind kind, std::string payload, Done done) {
  for (const auto& holder : roles_[role].holders) {
    if (holder->name.index != index) continue;
    return hand(*holder, Request{kind, std::move(payload), std::move(done), std::chrono::steady_clock::now()});
  }
  done(none(role));
}

void HolderPool::dispatch(Role role) {
  RoleQueue& queue = roles_[role];
  while (!queue.queue.empty()) {
    Holder* freest = nullptr;
    for (const auto& holder : queue.holders) {
      if (freest == nullptr || holder->in_flight.size() < freest->in_flight.size()) freest = holder.get();
    }
    if (freest == nullptr || freest->in_flight.size() >= kWindow) return;
    Request request = std::move(queue.queue.front());
    queue.queue.pop_front();
    hand(*freest, std::move(request));
  }
}

void HolderPool::hand(Holder& holder, Request request) {
  if (holder.in_flight.empty()) holder.last_progress = std::chrono::steady_clock::now();
  const std::uint64_t id = next_id_++;
  channel::append_frame(holder.stream->outgoing(), request.kind, id, request.payload);
  std::string().swap(request.payload);
  holder.in_flight.emplace_back(id, std::move(request));
  holder.stream->flush_soon();
}

void HolderPool::received(Holder& holder, std::string_view bytes) {
  holder.reader.feed(bytes);
  std::vector<Answered> answered;
  bool sense = true;
  while (sense) {
    const Result<std::optional<channel::FrameView>> frame = holder.reader.next_view();
    if (frame && !frame->has_value()) break;
    sense = frame && accept(holder, **frame, answered);
  }
  // It gets its next requests before we look at its answers, and works while we do.
  if (sense) {
    dispatch(holder.name.role);
    holder.stream->flush_now();
  }
  for (Answered& each : answered) settle(each.request, std::move(each.answer));
  if (!sense) drop(holder, "peer_nonsense");
}

bool HolderPool::accept(Holder& holder, const channel::FrameView& frame, std::vector<Answered>& answered) {
  const auto found = std::find_if(holder.in_flight.begin(), holder.in_flight.end(),
                                  [&frame](const auto& each) { return each.first == frame.id; });
  if (found == holder.in_flight.end()) return false;
  Request request = std::move(found->second);
  holder.in_flight.erase(found);
  holder.last_progress = std::chrono::steady_clock::now();
  ++holder.answered;
  if (request.kind == FrameKind::Canary) holder.canary_failed = frame.kind == FrameKind::Failed;
  if (frame.kind == FrameKind::Failed) {
    answered.push_back({std::move(request), channel::decode_error(frame.payload)});
    return true;
  }
  // Each question's answer is the next kind (channel/frame.h).
  if (static_cast<int>(frame.kind) != static_cast<int>(request.kind) + 1) {
    answered.push_back({std::move(request), lost()});
    return false;
  }
  if (frame.kind == FrameKind::CanaryGood) holder.last_canary = holder.last_progress;
  answered.push_back({std::move(request), frame.payload});
  return true;
}

void HolderPool::settle(Request& request, Result<std::string_view> answer) {
  request.done(std::move(answer));
}

void HolderPool::drop(Holder& holder, std::string_view cause) {
  if (holder.gone) return;
  holder.gone = true;
  RoleQueue& role = roles_[holder.name.role];
  const auto place =
      std::find_if(role.holders.begin(), role.holders.end(), [&](const auto& each) { return each.get() == &holder; });
  dropped_.push_back(std::move(*place));
  role.holders.erase(place);
  holder.stream.reset();
  if (!cause.empty()) replace_(holder.name, cause);
  for (auto& [id, request] : holder.in_flight) settle(request, lost());
  holder.in_flight.clear();
  if (role.holders.empty()) {
    std::deque<Request> stranded = std::move(role.queue);
    role.queue.clear();
    for (Request& request : stranded) settle(request, none(holder.name.role));
  } else {
    dispatch(holder.name.role);
  }
  // The caller may be one of the holder's own callbacks.
  if (dropped_.size() == 1) loop_.post([this] { dropped_.clear(); });
}

void HolderPool::canary_all() {
  for (auto& [role, queue] : roles_) {
    for (const auto& holder : queue.holders) {
      hand(*holder,
           Request{FrameKind::Canary, "", [](const Result<std::string_view>&) {}, std::chrono::steady_clock::now()});
    }
  }
}

void HolderPool::tick(Moment now) {
  for (auto& [role, queue] : roles_) {
    while (!queue.queue.empty() && now - queue.queue.front().asked > deadline_) {
      Request request = std::move(queue.queue.front());
      queue.queue.pop_front();
      settle(request, too_late());
    }
    std::vector<Holder*> hung;
    for (const auto& holder : queue.holders) {
      if (!holder->in_flight.empty() && now - holder->last_progress > deadline_) hung.push_back(holder.get());
    }
    std::vector<Holder*> unproven;
    for (const auto& holder : queue.holders) {
      if (holder->canary_failed && now - holder->last_canary > kCanaryCounts) unproven.push_back(holder.get());
    }
    for (Holder* holder : hung) {
      std::deque<std::pair<std::uint64_t, Request>> late = std::move(holder->in_flight);
      holder->in_flight.clear();
      drop(*holder, "sign_deadline");
      for (auto& [id, request] : late) settle(request, too_late());
    }
    // It answers, but its keys do not sign what verifies: a new one says why it cannot, and stays down where that
    // lasts.
    for (Holder* holder : unproven) drop(*holder, "canary_failed");
  }
}

std::size_t HolderPool::coming_soon() const {
  const Moment recently = std::chrono::steady_clock::now() - kSoon;
  std::size_t coming = 0;
  for (const auto& [role, queue] : roles_) {
    bool alive = false;
    for (const auto& holder : queue.holders) {
      if (holder->last_progress < recently) continue;
      coming += holder->in_flight.size();
      alive = true;
    }
    if (alive) coming += queue.queue.size();
  }
  return coming;
}

std::size_t HolderPool::holders_of(Role role) const {
  const auto found = roles_.find(role);
  return found == roles_.end() ? 0 : found->second.holders.size();
}

std::vector<HolderState> HolderPool::states() const {
  std::vector<HolderState> states;
  for (const auto& [role, queue] : roles_) {
    for (const auto& holder : queue.holders) {
      states.push_back({holder->name, holder->ready, holder->in_flight.size(), holder->answered, holder->last_canary});
    }
  }
  return states;
}

}  // namespace countersign::daemon
