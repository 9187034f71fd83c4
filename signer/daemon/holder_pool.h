// The holders, and one queue in front of those of a role: whoever is free takes the next request. Frames carry ids of
// ours; what a holder says under another id ends the connection to it.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "common/result.h"
#include "keymgmt/role.h"
#include "signer/channel/frame.h"
#include "signer/transport/event_loop.h"

namespace countersign::daemon {

struct HolderName {
  keymgmt::Role role{};
  int index = 0;
  std::uint64_t generation = 0;
};

struct HolderState {
  HolderName name;
  Json ready;  // what it said of itself: keys, token, confinement
  std::size_t in_flight = 0;
  std::uint64_t answered = 0;
  std::chrono::steady_clock::time_point last_canary;  // when one was last good; READY counts
};

// A canary counts for this long; each holder is asked for one every kCanaryEvery.
inline constexpr std::chrono::seconds kCanaryCounts{45};
inline constexpr std::chrono::seconds kCanaryEvery{10};

class HolderPool {
 public:
  using Moment = std::chrono::steady_clock::time_point;
  // The payload of the answer, there during the call; or why there is none: the holder's own Error, or Unavailable with
  // reason "holder_lost", "sign_deadline" or "role_unavailable".
  using Done = std::function<void(Result<std::string_view>)>;
  // A holder was dropped by us; the supervisor is to replace it.
  using Replace = std::function<void(const HolderName&, std::string_view cause)>;

  // `deadline`: of a request in queue and holder together; and of a holder to answer anything at all.
  HolderPool(transport::EventLoop& loop, std::chrono::nanoseconds deadline, Replace replace);
  ~HolderPool();
  HolderPool(const HolderPool&) = delete;
  HolderPool& operator=(const HolderPool&) = delete;

  // Takes over the descriptor of a holder that said READY. An older one of the same role and index is dropped.
  void add(const HolderName& name, int descriptor, Json ready);
  // The supervisor says it is gone: its requests fail, nothing is asked for.
  void remove(const HolderName& name);

  // By the first free holder of the role.
  void ask(keymgmt::Role role, channel::FrameKind kind, std::string payload, Done done);
  // By that holder alone.
  void ask_holder(keymgmt::Role role, int index, channel::FrameKind kind, std::string payload, Done done);
  // Each proves its keys now; one whose canary failed and was not good for kCanaryCounts is dropped by tick.
  void canary_all();
  // Fails requests and drops holders whose time is up; call it several times a second.
  void tick(Moment now);

  // How many answers are still to come from holders that did something during the last milliseconds: what a hung holder
  // or a slow token owes is nothing to wait for.
  std::size_t coming_soon() const;
  std::size_t holders_of(keymgmt::Role role) const;
  std::vector<HolderState> states() const;

 private:
  struct Request {
    channel::FrameKind kind;
    std::string payload;
    Done done;
    Moment asked;
  };
  struct Answered {
    Request request;
    Result<std::string_view> answer;  // in the reader's buffer
  };
  struct Holder;
  struct RoleQueue {
    std::deque<Request> queue;
    std::vector<std::unique_ptr<Holder>> holders;
  };

  void dispatch(keymgmt::Role role);
  void hand(Holder& holder, Request request);
  void received(Holder& holder, std::string_view bytes);
  // Puts the request that `frame` answers with its answer into `answered`; false if it answers none.
  static bool accept(Holder& holder, const channel::FrameView& frame, std::vector<Answered>& answered);
  // Fails what it was asked and forgets it; `cause` is empty where the supervisor knows.
  void drop(Holder& holder, std::string_view cause);
  static void settle(Request& request, Result<std::string_view> answer);

  transport::EventLoop& loop_;
  std::chrono::nanoseconds deadline_;
  Replace replace_;
  std::map<keymgmt::Role, RoleQueue> roles_;
  std::vector<std::unique_ptr<Holder>> dropped_;  // until their callbacks have returned
  std::uint64_t next_id_ = 1;
};

}  // namespace countersign::daemon
