// From the outbox to the notifier: one event after another, at least once, whoever else waits for nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "common/clock.h"
#include "signer/channel/frame.h"
#include "signer/daemon/recorder.h"
#include "signer/ledger/store.h"
#include "signer/transport/event_loop.h"

namespace countersign::daemon {

class OutboxPump {
 public:
  OutboxPump(transport::EventLoop& loop, const ledger::Store& store, Recorder& recorder, const Clock& clock)
      : loop_(loop), store_(store), recorder_(recorder), clock_(clock) {}

  // A notifier is up; takes the descriptor over. An earlier one is dropped.
  void connect(int descriptor);
  bool connected() const { return stream_ != nullptr; }
  // Hands over what is due; call it every second.
  void pump();

 private:
  struct Sent {
    std::uint64_t frame = 0;
    std::uint64_t outbox = 0;
  };
  void received(std::string_view bytes);
  void lost();

  transport::EventLoop& loop_;
  const ledger::Store& store_;
  Recorder& recorder_;
  const Clock& clock_;
  std::unique_ptr<transport::Stream> stream_;
  std::unique_ptr<transport::Stream> dropped_;
  channel::FrameReader reader_;
  std::vector<Sent> sent_;
  std::uint64_t next_frame_ = 1;
};

}  // namespace countersign::daemon
