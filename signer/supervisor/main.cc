// countersignd: the supervisor, and, started by it as processes of their own, front and notifier.
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "common/durable_file.h"
#include "common/error_line.h"
#include "signer/config/config.h"
#include "signer/daemon/front.h"
#include "signer/notifier/notifier.h"
#include "signer/setup/establishment.h"
#include "signer/setup/first_setup.h"
#include "signer/setup/ledger_upkeep.h"
#include "signer/setup/module_measurement.h"
#include "signer/setup/successor.h"
#include "signer/supervisor/supervisor.h"

namespace countersign {
namespace {

// Where the supervisor puts the descriptors of front and notifier.
constexpr int kControl = 3;
constexpr int kConfiguration = 4;
constexpr int kFrames = 5;
constexpr std::size_t kLongestConfiguration = std::size_t{1} << 20;

constexpr std::string_view kUsage =
    R"(countersignd --config FILE            runs the appliance until SIGTERM; SIGHUP tries roles again that are down
countersignd --config FILE --check    prints every error and every choice that weakens security (with --json: as JSON)
countersignd init --config FILE       makes tokens, first keys and the ledger on SoftHSM, for trying out (--json)
countersignd probe TOKEN --config FILE measures the token's module and keeps its profile (--json, --out FILE,
                                      --pin-lockout: also counts wrong PINs, which locks the token)
countersignd establish --config FILE  makes the ledger of a first-keys ceremony, which calls it (request on stdin)
countersignd stage ROLE --config FILE makes the key that follows a role's active one, and publishes it (--token NAME)
countersignd ledger verify [--config FILE | --ledger FILE]              checks a whole ledger, also a running appliance's
countersignd ledger root --at N [--config FILE | --ledger FILE]          the root over its first N records
countersignd ledger backup --to FILE [--config FILE | --ledger FILE]    copies one state of it, synced and verified
countersignd ledger restore --from FILE --config FILE --reason TEXT [--accept-loss]
                                      puts a backup back while the appliance is down (all three with --json)
countersignd --version | --help

Example:
  countersignd init --config /etc/countersign/countersign.yaml
  countersignd --config /etc/countersign/countersign.yaml

Exit: 0 done, 3 refused, 6 unusable configuration or arguments, 7 unavailable, 1 internal.
)";

enum class Action { Run, Check, Init, Probe, Establish, Stage, Ledger, Front, Notifier, Help, Version };

struct Arguments {
  Action action = Action::Run;
  std::string config;
  std::string role;   // to stage a key for
  std::string token;  // where, if not in the role's own; or the one to measure
  std::string out;    // a copy of the profile
  bool pin_lockout = false;
  bool json = false;
};

void print(std::FILE* to, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), to);
}

Result<Arguments> read_arguments(std::span<char*> argv) {
  Arguments arguments;
  const auto wants = [&arguments](Action action) {
    const bool first = arguments.action == Action::Run;
    arguments.action = action;
    return first;
  };
  if (argv.size() > 1 && std::string_view(argv[1]) == "ledger") {
    arguments.action = Action::Ledger;  // reads its own
    return arguments;
  }
  for (std::size_t i = 1; i < argv.size(); ++i) {
    const std::string_view word = argv[i];
    bool known = true;
    if (word == "--config" && i + 1 < argv.size() && arguments.config.empty()) {
      arguments.config = argv[++i];
    } else if (word == "--json") {
      arguments.json = true;
    } else if (word == "--check") {
      known = wants(Action::Check);
    } else if (word == "init" && i == 1) {
      known = wants(Action::Init);
    } else if (word == "establish" && i == 1) {
      known = wants(Action::Establish);
    } else if (word == "probe" && i == 1 && i + 1 < argv.size()) {
      known = wants(Action::Probe);
      arguments.token = argv[++i];
    } else if (word == "--pin-lockout" && arguments.action == Action::Probe) {
      arguments.pin_lockout = true;
    } else if (word == "--out" && arguments.action == Action::Probe && i + 1 < argv.size()) {
      arguments.out = argv[++i];
    } else if (word == "stage" && i == 1 && i + 1 < argv.size()) {
      known = wants(Action::Stage);
      arguments.role = argv[++i];
    } else if (word == "--token" && arguments.action == Action::Stage && i + 1 < argv.size()) {
      arguments.token = argv[++i];
    } else if (word == "--front" && i == 1) {
      known = wants(Action::Front);
    } else if (word == "--notifier" && i == 1) {
      known = wants(Action::Notifier);
    } else if (word == "--help" || word == "-h") {
      known = wants(Action::Help);
    } else if (word == "--version") {
      known = wants(Action::Version);
    } else {
      known = false;
    }
    if (!known) return Error{ErrorCode::Invalid, "does not know, or not here: " + std::string(word), "", "--help"};
  }
  const bool needs_config = arguments.action != Action::Help && arguments.action != Action::Version;
  if (needs_config && arguments.config.empty()) return Error{ErrorCode::Invalid, "needs --config FILE", "", "--help"};
  return arguments;
}

int failed(const Error& error, bool json) {
  if (json) {
    const Json answer = Json::object(
        {{"ok", false},
         {"error", Json::object({{"code", error.wire_code()}, {"message", error.detail}, {"hint", error.hint}})}});
    print(stdout, answer.compact() + "\n");
  }
  print(stderr, "countersignd: " + line_of(error) + "\n");
  return row_of(error.code).exit_code;
}

int check(const Arguments& arguments) {
  bool usable = true;
  Json::Array findings;
  for (const config::Finding& finding : config::check(arguments.config)) {
    usable = usable && !finding.error;
    findings.push_back(finding.to_json());
    if (arguments.json) continue;
    print(stdout, std::string(finding.error ? "error: " : "WARNING: ") + finding.text() +
                      (finding.hint.empty() ? "" : " (" + finding.hint + ")") + "\n");
  }
  if (arguments.json) {
    print(stdout, Json::object({{"ok", usable}, {"findings", std::move(findings)}}).compact() + "\n");
  } else if (usable) {
    print(stdout, arguments.config + " can be used\n");
  }
  return usable ? 0 : row_of(ErrorCode::Invalid).exit_code;
}

int init(const Arguments& arguments) {
  const Result<config::Config> config = config::load(arguments.config);
  if (!config) return failed(config.error(), arguments.json);
  const Result<supervisor::Programs> programs = supervisor::installed_programs(arguments.config);
  if (!programs) return failed(programs.error(), arguments.json);
  const Result<Json> done = setup::set_up(*config, programs->holder, SystemClock());
  if (!done) return failed(done.error(), arguments.json);
  if (arguments.json) {
    print(stdout, done->compact() + "\n");
    return 0;
  }
  print(stdout, "ready to start: state " + config->state + "\n");
  for (const Json& key : done->find("keys")->as_array()) {
    print(stdout, std::string(key.text("role")) + " " + std::string(key.text("algorithm")) + " " +
                      std::string(key.text("kid")) + " " + std::string(key.text("state")) + "\n");
  }
  return 0;
}

int stage(const Arguments& arguments) {
  const Result<config::Config> config = config::load(arguments.config);
  if (!config) return failed(config.error(), arguments.json);
  const Result<supervisor::Programs> programs = supervisor::installed_programs(arguments.config);
  if (!programs) return failed(programs.error(), arguments.json);
  const Result<Json> done = setup::stage_successor(*config, programs->holder, arguments.role, arguments.token);
  if (!done) return failed(done.error(), arguments.json);
  if (arguments.json) {
    print(stdout, done->compact() + "\n");
    return 0;
  }
  for (const Json& key : done->find("staged")->as_array()) {
    print(stdout, "staged " + std::string(key.text("kid")) + ", may become active from " +
                      std::string(key.text("gate_opens")) + " on\n");
  }
  return 0;
}

int keep_ledger(std::span<char*> words) {
  const Result<setup::LedgerTask> task = setup::read_ledger_task(words);
  if (!task) {
    const bool json = std::find(words.begin(), words.end(), std::string_view("--json")) != words.end();
    return failed(task.error(), json);
  }
  const Result<Json> done = setup::carry_out(*task, SystemClock());
  if (!done) return failed(done.error(), task->json);
  print(stdout, task->json ? done->compact() + "\n" : setup::text_of(*task, *done));
  return 0;
}

int establish(const Arguments& arguments) {
  const Result<config::Config> config = config::load(arguments.config);
  if (!config) return failed(config.error(), true);
  std::string text;
  char buffer[4096];
  for (ssize_t got = 0;
       text.size() <= kLongestConfiguration && (got = read(STDIN_FILENO, buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(got));
  }
  const Result<Json> request = Json::parse(text);
  if (!request) return failed(request.error(), true);
  const Result<Json> done = setup::establish(*config, *request, SystemClock());
  if (!done) return failed(done.error(), true);
  print(stdout, done->compact() + "\n");
  return 0;
}

int probe(const Arguments& arguments) {
  const Result<config::Config> config = config::load(arguments.config);
  if (!config) return failed(config.error(), arguments.json);
  const Result<supervisor::Programs> programs = supervisor::installed_programs(arguments.config);
  if (!programs) return failed(programs.error(), arguments.json);
  const Result<Json> profile = setup::probe_module(*config, programs->holder, arguments.token, arguments.pin_lockout);
  if (!profile) return failed(profile.error(), arguments.json);
  if (!arguments.out.empty()) {
    const Status written = write_durable(arguments.out, profile->compact() + "\n", 0644);
    if (!written) return failed(written.error(), arguments.json);
  }
  if (arguments.json) {
    print(stdout, profile->compact() + "\n");
    return 0;
  }
  for (const Json& each : profile->find("measurements")->as_array()) {
    const bool well = each.find("well")->as_bool();
    const bool counts = each.find("counts")->as_bool();
    print(stdout, std::string(well     ? "well    "
                              : counts ? "NOT     "
                                       : "note    ") +
                      std::string(each.text("name")) + ": " + std::string(each.text("found")) + "\n");
  }
  print(stdout, "trust: " + std::string(profile->text("trust")) +
                    "; attestation: " + std::string(profile->text("attestation")) + "; profile " +
                    std::string(profile->text("digest")) + "\nkept in " + config->profile_file(arguments.token) + "\n");
  return 0;
}

int run(const Arguments& arguments) {
  const Result<std::string> text = read_file(arguments.config, kLongestConfiguration);
  if (!text) return failed(text.error(), false);
  const Result<config::Config> config = config::parse(*text, arguments.config);
  if (!config) return failed(config.error(), false);
  const Result<supervisor::Programs> programs = supervisor::installed_programs(config->path);
  if (!programs) return failed(programs.error(), false);
  return supervisor::run_supervisor(*config, *text, *programs);
}

// The text the supervisor read, whatever stands in the file by now.
Result<config::Config> inherited_configuration(const std::string& path) {
  std::string text(kLongestConfiguration, '\0');
  std::size_t length = 0;
  ssize_t got = 0;
  while (length < text.size() &&
         (got = pread(kConfiguration, text.data() + length, text.size() - length, static_cast<off_t>(length))) > 0) {
    length += static_cast<std::size_t>(got);
  }
  close(kConfiguration);
  if (got < 0) return Error{ErrorCode::Invalid, "--front and --notifier are for countersignd itself"};
  text.resize(length);
  return config::parse(text, path);
}

int serve(const Arguments& arguments) {
  const Result<config::Config> config = inherited_configuration(arguments.config);
  if (!config) return failed(config.error(), false);
  prctl(PR_SET_NAME, "countersignd");  // it was executed by link, as "exe"
  fcntl(kControl, F_SETFD, FD_CLOEXEC);
  if (arguments.action == Action::Front) return daemon::run_front(kControl, *config);
  fcntl(kFrames, F_SETFD, FD_CLOEXEC);
  return notifier::run_notifier(kControl, kFrames, *config);
}

int act(std::span<char*> argv) {
  const Result<Arguments> arguments = read_arguments(argv);
  if (!arguments) return failed(arguments.error(), false);
  switch (arguments->action) {
    case Action::Run:
      return run(*arguments);
    case Action::Check:
      return check(*arguments);
    case Action::Init:
      return init(*arguments);
    case Action::Establish:
      return establish(*arguments);
    case Action::Probe:
      return probe(*arguments);
    case Action::Stage:
      return stage(*arguments);
    case Action::Ledger:
      return keep_ledger(argv.subspan(2));
    case Action::Front:
    case Action::Notifier:
      return serve(*arguments);
    case Action::Help:
      print(stdout, kUsage);
      return 0;
    case Action::Version:
      print(stdout, "countersignd " COUNTERSIGN_VERSION "\n");
      return 0;
  }
  return 1;
}

}  // namespace
}  // namespace countersign

int main(int argc, char** argv) {
  try {
    return countersign::act({argv, static_cast<std::size_t>(argc)});
  } catch (const std::exception& defect) {
    std::fprintf(stderr, "countersignd: internal: %s\n", defect.what());
    return 1;
  }
}
