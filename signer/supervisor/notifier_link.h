// The notifier process. Its frames go to the front; if either ends, both sockets do, and it is started again.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "signer/process/process_user.h"
#include "signer/supervisor/front_link.h"

namespace countersign::supervisor {

class NotifierLink {
 public:
  NotifierLink() = default;
  NotifierLink(const NotifierLink&) = delete;
  NotifierLink& operator=(const NotifierLink&) = delete;
  ~NotifierLink() { forget(); }

  // Starts the process: descriptors 3 control, 4 the configuration's text, 5 frames. Fails with Unavailable.
  Status start(const std::vector<std::string>& argv, int configuration,
               const std::optional<process::ProcessUser>& user);
  void forget();
  bool running() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }
  // Gives the front its end, once.
  void pass_on(FrontLink& front);
  // At which it ends.
  void close();

 private:
  pid_t pid_ = -1;
  int control_ = -1;
  int frames_ = -1;
};

}  // namespace countersign::supervisor
