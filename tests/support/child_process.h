// Running programs in tests: to the end (`run`), or beside the test (`ChildProcess`). A child is killed and reaped at
// the end of its scope at the latest.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace countersign::test {

struct Command {
  std::vector<std::string> argv;                        // argv[0] is a path, or a name on PATH
  std::map<std::string, std::string> environment = {};  // added to ours
  std::string input = {};                               // standard input, to its end
};

struct Outcome {
  int exit_code = -1;  // -1 where a signal ended it
  int signal = 0;
  bool timed_out = false;  // then it was killed
  std::string out;
  std::string err;
};

// `name` among the programs of this build.
std::string program(const std::string& name);

Outcome run(const Command& command, std::chrono::milliseconds limit = std::chrono::seconds(60));

class ChildProcess {
 public:
  // Throws if the program cannot be started.
  explicit ChildProcess(const Command& command);
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess();

  pid_t pid() const { return pid_; }
  void send(int signal) const;
  // True once standard output holds `text`; false when the process ended or the time passed before.
  bool wait_for_output(const std::string& text, std::chrono::milliseconds limit = std::chrono::seconds(30));
  // Waits for the end; kills it after `limit`.
  Outcome wait(std::chrono::milliseconds limit = std::chrono::seconds(60));
  bool running();

 private:
  bool pump(std::chrono::milliseconds limit);  // false once both outputs are at their end
  void reap(int options);
  pid_t pid_ = -1;
  int out_ = -1;
  int err_ = -1;
  Outcome outcome_;
  bool reaped_ = false;
};

}  // namespace countersign::test
