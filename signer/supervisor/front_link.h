// The front process and what we tell it. A front that reads slowly never holds us up: messages wait here, and one that
// lets too many wait is replaced.
#pragma once

#include <sys/types.h>

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "common/json.h"
#include "common/result.h"
#include "signer/process/process_user.h"

namespace countersign::supervisor {

class FrontLink {
 public:
  FrontLink() = default;
  FrontLink(const FrontLink&) = delete;
  FrontLink& operator=(const FrontLink&) = delete;
  ~FrontLink() { forget(); }

  // Starts the process: descriptors 3 control, 4 the configuration's text. Fails with Unavailable.
  Status start(const std::vector<std::string>& argv, const std::vector<std::string>& more_environment,
               int configuration, const std::optional<process::ProcessUser>& user);
  // After its end: messages that wait are dropped, their descriptors closed.
  void forget();

  bool running() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }
  int control() const { return control_; }
  bool has_waiting() const { return !waiting_.empty(); }

  // Sends or queues; takes `descriptor` over where it is not -1. Nothing where no front runs.
  void tell(Json message, int descriptor = -1);
  // Sends what waits, as far as the socket takes it.
  void flush();
  // The next message of the front; Unavailable where there is none now ("would_block") or never again.
  Result<Json> next();
  void close_control();

 private:
  struct Message {
    Json body;
    int descriptor = -1;
  };
  pid_t pid_ = -1;
  int control_ = -1;
  std::deque<Message> waiting_;
};

}  // namespace countersign::supervisor
