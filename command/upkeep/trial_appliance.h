// An appliance for one measurement: SoftHSM tokens, keys and sockets in a folder, gone with the folder.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "common/result.h"

namespace countersign::command {

// A program of ours that runs until this is destroyed: then SIGTERM, and SIGKILL where that does not end it in 30 s.
class RunningProgram {
 public:
  // Its output goes to `log`. Fails with Unavailable where it cannot be started.
  static Result<std::unique_ptr<RunningProgram>> start(const std::vector<std::string>& argv, const std::string& log);
  ~RunningProgram();
  RunningProgram(const RunningProgram&) = delete;

 private:
  explicit RunningProgram(pid_t process) : process_(process) {}
  pid_t process_;
};

class TrialAppliance {
 public:
  // In `folder`, which is there and empty, with the programs beside this one. The user who calls approves and delegates
  // as alice@company.example. Ready when this returns. Fails with Unavailable, saying what is missing.
  static Result<std::unique_ptr<TrialAppliance>> start(const std::string& folder);

  const std::string& socket() const { return socket_; }

 private:
  explicit TrialAppliance(std::string socket) : socket_(std::move(socket)) {}
  std::string socket_;
  std::unique_ptr<RunningProgram> daemon_;
};

// The folder of this program, in which the others of the product lie. Fails with Internal.
Result<std::string> program_folder();

// The environment in which the measured commands run: none of the caller's but PATH, and this signer.
std::vector<std::string> trial_environment(const std::string& signer);

}  // namespace countersign::command
