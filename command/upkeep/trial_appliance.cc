#include "command/upkeep/trial_appliance.h"

#include <fcntl.h>
#include <pwd.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <thread>

#include "command/line/input_file.h"
#include "signer/process/child_program.h"

extern char** environ;

namespace countersign::command {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kModules[] = {
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
};
constexpr std::string_view kRoles[] = {"approval", "trace", "release"};
constexpr std::chrono::seconds kPatience{120};

Error unavailable(std::string detail, std::string hint = {}) {
  return Error{ErrorCode::Unavailable, std::move(detail), "trial_appliance", std::move(hint)};
}

Result<std::string> softhsm() {
  for (const std::string_view module : kModules) {
    if (fs::exists(module)) return std::string(module);
  }
  return unavailable("SoftHSM is not installed", "apt-get install softhsm2");
}

Result<std::string> configuration() {
  ASSIGN_OR_RETURN(const std::string module, softhsm());
  const passwd* user = ::getpwuid(::geteuid());
  if (user == nullptr) return unavailable("this uid has no name, so nobody can approve");
  std::string text =
      "state: state\nsockets: {sign: run/sign.sock, admin: run/admin.sock, public: run/public.sock, mode: \"0600\"}\n";
  std::string tokens = "tokens:\n";
  std::string roles = "roles:\n";
  for (const std::string_view role : kRoles) {
    const std::string name(role);
    tokens += "  " + name + ": {module: " + module + ", environment: {SOFTHSM2_CONF: tokens/" + name +
              "/softhsm2.conf}, label: trial-" + name + ", pin: {file: tokens/" + name + "/pin}}\n";
    roles += "  " + name + ": {token: " + name + "}\n";
  }
  text += tokens + roles;
  text +=
      "peers:\n  - uid: " + std::to_string(::geteuid()) +
      "\n    may: [sign:approval, sign:trace, verify, nonce, decisions, requests, executed, evidence, log, metrics, "
      "admin:status]\n";
  text += "approvers:\n  - {identity: alice@company.example, proof: {unix_user: " + std::string(user->pw_name) +
          "}, scopes: [\"tool:*\", \"phase:apply\", \"destructive:apply\", \"delegate:write\"]}\n";
  text += "security_owner: {notify: [{file: security.jsonl}]}\npublication: {directory: published}\n";
  text += "confinement: {mandatory: false}\ntrial: true\n";
  return text;
}

Status run_to_end(const std::vector<std::string>& argv, const std::vector<std::string>& environment) {
  const std::string what = fs::path(argv.front()).filename().string() + " " + (argv.size() > 1 ? argv[1] : "");
  ASSIGN_OR_RETURN(const process::Finished done,
                   process::run_confined(argv, "", {environment, kPatience, std::size_t{1} << 20}));
  if (done.exit_code == 0) return ok();
  return unavailable(what + " ended with " + std::to_string(done.exit_code) + ": " + done.output.substr(0, 500));
}

}  // namespace

Result<std::unique_ptr<RunningProgram>> RunningProgram::start(const std::vector<std::string>& argv,
                                                              const std::string& log) {
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  pid_t process = -1;
  const int failure = ::posix_spawn(&process, words[0], &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) return unavailable("start " + argv.front() + ": " + std::strerror(failure));
  return std::unique_ptr<RunningProgram>(new RunningProgram(process));
}

RunningProgram::~RunningProgram() {
  ::kill(process_, SIGTERM);
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (::waitpid(process_, nullptr, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > patience) ::kill(process_, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

Result<std::unique_ptr<TrialAppliance>> TrialAppliance::start(const std::string& folder) {
  ASSIGN_OR_RETURN(const std::string programs, program_folder());
  ASSIGN_OR_RETURN(const std::string text, configuration());
  const std::string config = folder + "/countersign.yaml";
  std::error_code failure;
  fs::create_directories(folder + "/run", failure);
  RETURN_IF_ERROR(write_output(config, text));
  std::unique_ptr<TrialAppliance> out(new TrialAppliance(folder + "/run/sign.sock"));
  const std::vector<std::string> environment = trial_environment(out->socket_);
  RETURN_IF_ERROR(run_to_end({programs + "/countersignd", "init", "--config", config}, environment));
  ASSIGN_OR_RETURN(out->daemon_, RunningProgram::start({programs + "/countersignd", "--config", config},
                                                       folder + "/countersignd.log"));
  RETURN_IF_ERROR(run_to_end({programs + "/countersign", "status", "--wait", "90s"}, environment));
  return out;
}

Result<std::string> program_folder() {
  std::error_code failure;
  const fs::path self = fs::read_symlink("/proc/self/exe", failure);
  if (failure) return Error{ErrorCode::Internal, "cannot tell where this program lies: " + failure.message()};
  return self.parent_path().string();
}

std::vector<std::string> trial_environment(const std::string& signer) {
  return {"PATH=/usr/bin:/bin", "COUNTERSIGN_SIGNER=" + signer, "LANG=C.UTF-8"};
}

}  // namespace countersign::command
