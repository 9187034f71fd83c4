// SIGTERM and SIGINT, and SIGHUP where somebody listens to it, as something that an event loop waits for.
#pragma once

#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <utility>

#include "common/result.h"
#include "signer/transport/event_loop.h"

namespace countersign::command {

class StopSignals {
 public:
  enum class Hangup { Ends, Listened };  // what SIGHUP does

  // Blocks them for this thread and those it starts: call it before the first. SIGPIPE is ignored from here on. Fails
  // with Internal.
  static Result<StopSignals> block(Hangup hangup = Hangup::Ends);
  // Calls `heard` with the number of each that comes, on the loop, as long as the watch lives: it must not outlive the
  // loop. Once.
  std::unique_ptr<transport::ReadWatch> watch(transport::EventLoop& loop, std::function<void(int number)> heard);

  // For a server with stop_accepting(), idle() and sweep(): it is swept each second, accepts nothing more once SIGTERM
  // or SIGINT came, and ends the loop when it has answered everything. SIGHUP calls `hangup`.
  template <class Server>
  std::unique_ptr<transport::ReadWatch> end(transport::EventLoop& loop, Server& server,
                                            std::function<void()> hangup = {}) {
    auto stopping = std::make_shared<bool>(false);
    auto watch = this->watch(loop, [stopping, &server, hangup = std::move(hangup)](int number) {
      if (number == SIGHUP && hangup) return hangup();
      *stopping = true;
      server.stop_accepting();
    });
    loop.every(std::chrono::milliseconds(50), [stopping, &loop, &server] {
      if (*stopping && server.idle()) loop.stop();
    });
    loop.every(std::chrono::seconds(1), [&server] { server.sweep(); });
    return watch;
  }

 private:
  explicit StopSignals(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace countersign::command
