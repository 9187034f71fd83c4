// SIGTERM and SIGINT as something that an event loop waits for.
#pragma once

#include <functional>
#include <memory>

#include "common/result.h"
#include "signer/transport/event_loop.h"

namespace countersign::command {

class StopSignals {
 public:
  // Blocks both for this thread and those it starts: call it before the first. SIGPIPE is ignored from here on. Fails
  // with Internal.
  static Result<StopSignals> block();
  // Calls `stop` on the loop when one comes, as long as the watch lives: it must not outlive the loop. Once.
  std::unique_ptr<transport::ReadWatch> watch(transport::EventLoop& loop, std::function<void()> stop);

 private:
  explicit StopSignals(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace countersign::command
