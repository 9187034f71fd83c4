// An appliance in a throw-away folder: real tokens, real holders, the real supervisor, and a stand-in for the front
// through which the test sees and speaks.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "common/durable_file.h"
#include "signer/setup/first_setup.h"
#include "tests/support/binding_profile.h"
#include "tests/support/child_process.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fault_pkcs11/fault_pkcs11.h"
#include "tests/support/soft_token.h"
#include "tests/support/temporary_folder.h"

namespace countersign::supervisor {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Looks again and again until `seen`, at most 30 s; nothing here depends on how long it takes.
inline bool eventually(const std::function<bool()>& seen, milliseconds limit = seconds(30)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!seen()) {
    if (std::chrono::steady_clock::now() > end) return false;
    usleep(2000);
  }
  return true;
}

struct Shape {
  bool one_token = false;
  int trace_holders = 1;
  std::string extra = {};  // more of the configuration
};

class SupervisedAppliance {
 public:
  explicit SupervisedAppliance(const Shape& shape = {}) {
    std::ostringstream text;
    text << "state: state\nsockets: {sign: run/sign.sock}\ntokens:\n";
    for (const std::string name : {"approval", "trace", "release"}) {
      text << "  " << name << ":\n    module: " << test::kSoftHsmModule << "\n    environment: {SOFTHSM2_CONF: " << name
           << "/softhsm2.conf}\n    label: test-only-" << name << "\n    pin: {file: " << name << "/pin}\n";
    }
    text << "roles:\n";
    for (const std::string name : {"approval", "trace", "release"}) {
      text << "  " << name << ": {token: " << (shape.one_token ? "trace" : name)
           << ", holders: " << (name == "trace" ? shape.trace_holders : 1) << "}\n";
    }
    text << "peers: [{uid: 60001, may: [sign:trace]}]\nsecurity_owner: {notify: [{file: events.jsonl}]}\n"
            "publication: {directory: published}\n"
         << shape.extra;
    std::ofstream(config_path()) << text.str();
  }

  std::string path(const std::string& name) const { return folder_ / name; }
  std::string config_path() const { return path("countersign.yaml"); }
  std::string pin_file(const std::string& token) const { return path(token + "/pin"); }

  Result<Json> set_up() const {
    ASSIGN_OR_RETURN(const config::Config config, config::load(config_path()));
    return setup::set_up(config, test::program("countersign-holder"), SystemClock());
  }
  // After set_up: the trace role's holders load the fault module in front of SoftHSM; what `rules` says goes wrong as
  // long as that file is there.
  std::vector<std::string> break_trace_while(const std::string& rules) const {
    const std::string text = content("countersign.yaml");
    const std::size_t module = text.find(test::kSoftHsmModule, text.find("\n  trace:"));
    std::ofstream(config_path()) << std::string(text).replace(module, std::strlen(test::kSoftHsmModule),
                                                              test::fault_module());
    // Measured as the module it is a copy of: whoever changes the library has to measure it.
    const std::string profile = "state/profiles/trace.json";
    const Result<Json> measured = Json::parse(content(profile));
    const Json* token = measured ? measured->find("token") : nullptr;
    EXPECT_NE(token, nullptr);
    std::ofstream(path(profile)) << test::binding_profile(test::fault_module(),
                                                          token == nullptr ? "" : std::string(token->text("serial")));
    std::vector<std::string> environment;
    for (const auto& [name, value] : test::fault_environment(test::kSoftHsmModule, "", rules)) {
      environment.push_back(name + "=" + value);
    }
    return environment;
  }
  // For tests of the supervisor alone: its state directory and PIN files, no token.
  void pretend_set_up() const {
    for (const char* name : {"state", "approval", "trace", "release"}) mkdir(path(name).c_str(), 0700);
    for (const char* name : {"approval", "trace", "release"}) {
      ASSERT_TRUE(write_durable(pin_file(name), "test-only-pin", 0400));
    }
  }

  void start(std::vector<std::string> holder_environment = {}, const std::string& holder = "countersign-holder") {
    std::vector<std::string> argv = {test::program("supervised"), config_path(), test::program(holder),
                                     test::program("stand_in_front")};
    argv.insert(argv.end(), holder_environment.begin(), holder_environment.end());
    process_ = std::make_unique<test::ChildProcess>(test::Command{.argv = argv});
  }
  pid_t pid() const { return process_->pid(); }
  void send(int signal) const { process_->send(signal); }
  test::Outcome wait() { return process_->wait(seconds(60)); }
  test::Outcome stop() {
    send(SIGTERM);
    return wait();
  }
  bool running() { return process_->running(); }

  std::string journal() const { return content("state/journal"); }
  // How often a line of the journal holds `text`.
  int journal_count(const std::string& text) const {
    const std::string all = journal();
    int count = 0;
    for (std::size_t at = 0; (at = all.find(text, at)) != std::string::npos; at += text.size()) ++count;
    return count;
  }

  // What the front was told, in order, over all fronts.
  std::vector<Json> told() const {
    std::vector<Json> messages;
    std::istringstream lines(content("state/front.told"));
    for (std::string line; std::getline(lines, line);) {
      const Result<Json> message = Json::parse(line);
      if (message) messages.push_back(*message);
    }
    return messages;
  }
  // The latest message of that event about a holder, at or after `generation`.
  std::optional<Json> told(const std::string& event, const std::string& role, std::int64_t generation = 0,
                           std::int64_t index = 0) const {
    std::optional<Json> latest;
    for (const Json& message : told()) {
      if (message.text("event") == event && message.text("role") == role &&
          message.find("index")->as_integer() == index && message.find("generation")->as_integer() >= generation) {
        latest = message;
      }
    }
    return latest;
  }
  bool is_up(const std::string& role, std::int64_t generation = 1, std::int64_t index = 0) const {
    const std::optional<Json> up = told("holder_up", role, generation, index);
    return up && up->find("canary")->as_bool() && up->find("sockets")->as_integer() == 1;
  }
  bool all_up(std::int64_t generation = 1) const {
    return is_up("approval", generation) && is_up("trace", generation) && is_up("release", generation);
  }
  std::int64_t generation(const std::string& role) const {
    const std::optional<Json> up = told("holder_up", role);
    return up ? up->find("generation")->as_integer() : 0;
  }

  // Says a line to the supervisor in the front's name.
  void say_as_front(const std::string& line) const {
    std::ofstream(path("state/front.say")) << line << "\n" << std::flush;
  }

  // The process that the journal says became ready as this holder in this generation.
  pid_t holder_pid(const std::string& name, int generation = 1) const {
    const std::string wanted = name + " is ready, generation " + std::to_string(generation) + ", pid ";
    const std::string all = journal();
    const std::size_t at = all.find(wanted);
    return at == std::string::npos ? -1 : std::stoi(all.substr(at + wanted.size()));
  }
  std::vector<pid_t> children() const {
    std::vector<pid_t> pids;
    std::istringstream list(
        content_of("/proc/" + std::to_string(pid()) + "/task/" + std::to_string(pid()) + "/children"));
    for (pid_t child = 0; list >> child;) pids.push_back(child);
    return pids;
  }
  // Those that ps(1) shows under this title.
  std::vector<pid_t> children_titled(const std::string& title) const {
    std::vector<pid_t> pids;
    for (const pid_t child : children()) {
      if (content_of("/proc/" + std::to_string(child) + "/cmdline").starts_with(title + '\0')) pids.push_back(child);
    }
    return pids;
  }
  static bool alive(pid_t pid) {
    const std::string stat = content_of("/proc/" + std::to_string(pid) + "/stat");
    return !stat.empty() && stat.find(") Z ") == std::string::npos;
  }

 private:
  // Empty for a process that has just ended, whose files can be opened but not read: `<<` takes what a buffer throws.
  static std::string content_of(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  std::string content(const std::string& name) const { return content_of(path(name)); }

  test::TemporaryFolder folder_;
  std::unique_ptr<test::ChildProcess> process_;
};

}  // namespace countersign::supervisor
