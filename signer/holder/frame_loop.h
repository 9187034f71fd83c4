// The serving loop of a holder: one thread, one session, frames answered in their order.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "signer/channel/frame.h"
#include "signer/channel/holder_exit.h"
#include "signer/config/holder_settings.h"
#include "signer/holder/sign_desk.h"
#include "signer/holder/start.h"

namespace countersign::holder {

// How serving ended; `error` says what for every exit but Stopped.
struct LoopEnd {
  channel::HolderExit exit = channel::HolderExit::Stopped;
  Error error{ErrorCode::Unavailable, ""};
};

class FrameLoop {
 public:
  // All outlive this. `control` is only watched for its end.
  FrameLoop(int control, int frames, const config::HolderSettings& settings, const StartedHolder& started,
            const Clock& clock);
  ~FrameLoop();

  // Until the front or the supervisor closes its end, a frame is nonsense, the token is lost, or memory runs over.
  LoopEnd run();

 private:
  // Waits for bytes; false when no more will come.
  bool read_some();
  // Answers every whole frame that has arrived.
  void answer_waiting();
  void answer(const channel::FrameView& frame);
  Result<std::string> answer_to(const channel::FrameView& frame, channel::FrameKind& kind);
  void respond(std::uint64_t id, channel::FrameKind kind, Result<std::string> payload);
  // Takes a job in; those taken in are answered together, each step for all of them (sign_desk.h).
  void take(const channel::FrameView& frame);
  void answer_jobs();
  struct Job;
  void finish(Job& job);
  Error gone() const;
  // False when the front no longer reads.
  bool flush();
  void end(channel::HolderExit exit, Error error);

  int control_;
  int frames_;
  const config::HolderSettings& settings_;
  const StartedHolder& started_;
  SignDesk desk_;
  std::vector<Job> jobs_;  // taken in and not yet answered
  channel::FrameReader reader_;
  std::string buffer_;
  std::string out_;
  std::size_t waiting_answers_ = 0;
  bool ended_ = false;
  LoopEnd end_;
};

}  // namespace countersign::holder
