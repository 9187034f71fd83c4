#include "command/ceremony/ceremony_rehearsal.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "command/ceremony/interruption.h"
#include "command/line/ssh_signature.h"
#include "common/digest.h"
#include "common/durable_file.h"
#include "signer/custody/holder_run.h"
#include "signer/process/child_program.h"
#include "signer/process/started_process.h"

namespace countersign::command {
namespace {

using ceremony::Intent;
using ceremony::Step;
using ceremony::StepKind;

constexpr const char* kModules[] = {"/usr/lib/softhsm/libsofthsm2.so",
                                    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
                                    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so"};
constexpr int kCustodians = 4;  // three in office and one who joins
constexpr std::chrono::seconds kComesUp{60};
constexpr std::chrono::milliseconds kLookAgain{20};

std::string programs() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
}

std::string custodian_name(int number) {
  return "rehearsal-custodian-" + std::to_string(number);
}

Result<std::string> softhsm_module() {
  for (const char* module : kModules) {
    if (std::filesystem::exists(module)) return std::string(module);
  }
  return Error{ErrorCode::Unavailable, "SoftHSM is not installed, and a rehearsal needs it", "softhsm_missing",
               "apt install libsofthsm2"};
}

std::string scratch_configuration(const config::Config& like, const std::string& module) {
  std::string text = "state: state\nsockets: {sign: s, admin: a, mode: \"0600\"}\ntokens:\n";
  for (const config::TokenConfig& token : like.tokens) {
    text += "  " + token.name + ": {module: " + module + ", environment: {SOFTHSM2_CONF: t/" + token.name +
            "/softhsm2.conf}, label: rehearsal-" + token.name.substr(0, 20) + ", pin: {file: t/" + token.name +
            "/pin}}\n";
  }
  text += "roles:\n";
  for (const config::RoleConfig& role : like.roles) {
    std::string algorithms;
    for (const keymgmt::Algorithm algorithm : role.algorithms) {
      algorithms += (algorithms.empty() ? "" : ", ") + std::string(keymgmt::name_of(algorithm));
    }
    text += "  " + std::string(keymgmt::name_of(role.role)) + ": {token: " + role.token + ", algorithm: [" +
            algorithms + "]" + (role.standby_token.empty() ? "" : ", standby_token: " + role.standby_token) + "}\n";
  }
  // Sets live one second, so that a gate that takes days in earnest opens while those present look on.
  text += "peers: [{uid: " + std::to_string(geteuid()) +
          ", may: [admin:ceremonies, admin:halt, admin:status]}]\n"
          "security_owner: {notify: [{file: told.jsonl}]}\n"
          "publication: {directory: published, lifetime: 1s, refresh: 500ms, clock_skew: 100ms}\ntrial: true\n";
  return text;
}

Json step_json(const Step& step, const std::map<std::string, std::string>& stand_ins,
               const ceremony::Quorum& custodians) {
  const auto stands_for = [&](const std::string& name) {
    const auto found = stand_ins.find(name);
    return found == stand_ins.end() ? name : found->second;
  };
  const std::string name(ceremony::row_of(step.kind).name);
  switch (step.kind) {
    case StepKind::Generate:
      return Json::object({{name, Json::object({{"role", keymgmt::name_of(step.role)},
                                                {"algorithm", keymgmt::name_of(step.algorithm)},
                                                {"token", step.token},
                                                {"id", step.id},
                                                {"label", step.label},
                                                {"replaces", stands_for(step.replaces)},
                                                {"backup", step.backup ? "required" : "none"}})}});
    case StepKind::Establish:
      return Json::object({{name, Json::object({})}});
    case StepKind::Stage:
    case StepKind::Activate:
      return Json::object({{name, Json::object({{"key", stands_for(step.key)}})}});
    case StepKind::Halt:
      return Json::object({{name, Json::object({{"role", keymgmt::name_of(step.role)},
                                                {"key", stands_for(step.key)},
                                                {"reason", step.reason}})}});
    case StepKind::Destroy:
      return Json::object(
          {{name, Json::object(
                      {{"role", keymgmt::name_of(step.role)}, {"token", step.token}, {"key", stands_for(step.key)}})}});
    case StepKind::Custodians:
      return Json::object({{name, custodians.to_json()}});
    case StepKind::Roster:
      return Json::object({{name, Json::object({{"of", step.roster}, {"sha256", step.sha256}})}});
  }
  std::abort();
}

// A plan as text that reads: JSON is YAML.
std::string plan_text(const Intent& intent, const ceremony::Quorum& quorum, Json::Array steps) {
  return Json::object({{"ceremony", 1},
                       {"name", intent.name},
                       {"purpose", ceremony::name_of(intent.purpose)},
                       {"reason", intent.reason},
                       {"window", Json::object({{"from", "2000-01-01T00:00:00Z"}, {"until", "2999-01-01T00:00:00Z"}})},
                       {"quorum", quorum.to_json()},
                       {"administrator", intent.administrator},
                       {"witnesses", Json::array(intent.witnesses)},
                       {"rehearsal", "optional"},
                       {"steps", std::move(steps)}})
             .compact() +
         "\n";
}

bool is_enrolment(const Intent& intent) {
  return std::ranges::any_of(intent.steps, [&](const Step& step) {
    return step.kind == StepKind::Custodians && step.quorum->digest() == intent.quorum.digest();
  });
}

}  // namespace

Result<std::unique_ptr<ScratchAppliance>> ScratchAppliance::start(const config::Config& like, const Intent& intent) {
  std::string folder = "/tmp/countersign-rehearsal-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) {
    return Error{ErrorCode::Unavailable, "cannot make a folder for the rehearsal in /tmp"};
  }
  std::unique_ptr<ScratchAppliance> appliance(new ScratchAppliance(folder));
  ASSIGN_OR_RETURN(const std::string module, softhsm_module());
  const std::string configuration = folder + "/countersign.yaml";
  RETURN_IF_ERROR(write_durable(configuration, scratch_configuration(like, module), 0600));
  RETURN_IF_ERROR(appliance->make_custodians());
  if (intent.purpose == ceremony::Purpose::FirstKeys) {
    ASSIGN_OR_RETURN(const config::Config scratch, config::load(configuration));
    RETURN_IF_ERROR(appliance->make_tokens(scratch));
    return appliance;
  }
  ASSIGN_OR_RETURN(const process::Finished made,
                   process::run_program({programs() + "/countersignd", "init", "--config", configuration}, ""));
  if (made.exit_code != 0) {
    return Error{ErrorCode::Unavailable, "the scratch appliance cannot be made: " + made.output, "rehearsal_failed"};
  }
  RETURN_IF_ERROR(appliance->bring_up());
  return appliance;
}

ScratchAppliance::~ScratchAppliance() {
  if (pid_ > 0) {
    kill(pid_, SIGTERM);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  std::error_code error;
  std::filesystem::remove_all(folder_, error);
}

Status ScratchAppliance::make_tokens(const config::Config& scratch) const {
  for (const config::TokenConfig& token : scratch.tokens) {
    const std::string place = folder_ + "/t/" + token.name;
    RETURN_IF_ERROR(write_durable(place + "/softhsm2.conf",
                                  "directories.tokendir = " + place + "/tokens\nobjectstore.backend = file\n", 0600));
    RETURN_IF_ERROR(write_durable(place + "/pin", to_hex(random_bytes(16)) + "\n", 0400));
    RETURN_IF_ERROR(write_durable(place + "/so-pin", to_hex(random_bytes(16)) + "\n", 0400));
    ASSIGN_OR_RETURN(const int pin, open_private_file(place + "/pin"));
    ASSIGN_OR_RETURN(const int so_pin, open_private_file(place + "/so-pin"));
    RETURN_IF_ERROR(custody::measure_module(programs() + "/countersign-holder", scratch, token, false, pin, so_pin));
  }
  return ok();
}

Status ScratchAppliance::bring_up() {
  const std::string configuration = folder_ + "/countersign.yaml";
  process::Program daemon;
  daemon.argv = {programs() + "/countersignd", "--config", configuration};
  daemon.environment = {process::kPath, process::kLanguage};
  daemon.parent_death_signal = SIGTERM;
  const int log = ::open((folder_ + "/log").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  daemon.output = log;
  daemon.error = log;
  Result<pid_t> pid = process::start(daemon);
  ::close(log);
  if (!pid) return std::move(pid).error();
  pid_ = *pid;
  const auto until = std::chrono::steady_clock::now() + kComesUp;
  while (std::chrono::steady_clock::now() < until) {
    RETURN_IF_ERROR(check_interruption());
    client::SignerClient signer(folder_ + "/a");
    const Result<std::string> ready = signer.get("/readyz");
    if (ready && ready->find("\"ready\":true") != std::string::npos) return ok();
    std::this_thread::sleep_for(kLookAgain);
  }
  const Result<std::string> said = read_file(folder_ + "/log");
  return Error{ErrorCode::Unavailable,
               "the scratch appliance did not come up: " + (said ? said->substr(0, 2000) : std::string()),
               "rehearsal_failed"};
}

Status ScratchAppliance::make_custodians() {
  for (int number = 1; number <= kCustodians; ++number) {
    const std::string key = folder_ + "/" + custodian_name(number);
    ASSIGN_OR_RETURN(const process::Finished made,
                     process::run_program({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key}, ""));
    if (made.exit_code != 0) return Error{ErrorCode::Unavailable, "ssh-keygen makes no key for the rehearsal"};
    ASSIGN_OR_RETURN(const std::string line, read_file(key + ".pub"));
    ceremony::Custodian custodian;
    custodian.name = custodian_name(number);
    custodian.ssh_keys = {line.substr(0, line.find('\n'))};
    wider_.custodians.push_back(custodian);
    if (number < kCustodians) quorum_.custodians.push_back(custodian);
  }
  quorum_.threshold = 2;
  wider_.threshold = 2;
  ASSIGN_OR_RETURN(quorum_, ceremony::read_quorum(quorum_.to_json()));
  ASSIGN_OR_RETURN(wider_, ceremony::read_quorum(wider_.to_json()));
  return ok();
}

Result<std::vector<ceremony::Approval>> ScratchAppliance::signed_by_custodians(const std::string& text) const {
  std::vector<ceremony::Approval> approvals;
  for (int number = 1; number <= quorum_.threshold; ++number) {
    ASSIGN_OR_RETURN(const ApproverKey key, ApproverKey::find(folder_ + "/" + custodian_name(number)));
    ASSIGN_OR_RETURN(const std::string signature, key.sign(text, ceremony::namespace_of(ceremony::Subject::Plan)));
    approvals.push_back({custodian_name(number), ceremony::Approval::Kind::Ssh, signature});
  }
  return approvals;
}

Status ScratchAppliance::enrol(const Intent& intent) {
  Step custodians;
  custodians.kind = StepKind::Custodians;
  Intent enrolment = intent;
  enrolment.name = "rehearsal-enrolment";
  enrolment.purpose = ceremony::Purpose::Custodians;
  const std::string text = plan_text(enrolment, quorum_, {step_json(custodians, {}, quorum_)});
  ASSIGN_OR_RETURN(const std::vector<ceremony::Approval> approvals, signed_by_custodians(text));
  client::SignerClient signer(folder_ + "/a");
  ASSIGN_OR_RETURN(const Json opened,
                   signer.change("/v1/ceremonies",
                                 Json::object({{"intent", text}, {"approvals", ceremony::approvals_json(approvals)}})));
  const std::string place = "/v1/ceremonies/" + std::string(opened.text("sha256"));
  RETURN_IF_ERROR(signer.change(place + "/steps", Json::object({{"step", 0}})));
  RETURN_IF_ERROR(signer.change(place + "/close", Json::object({{"outcome", "abandoned"}, {"reason", "enrolled"}})));
  return ok();
}

// A key of the scratch appliance in the place of one that only the real one has.
Result<std::string> ScratchAppliance::stand_in(const Step& step) {
  client::SignerClient signer(folder_ + "/a");
  ASSIGN_OR_RETURN(const keymgmt::KeySet keys, signer.keys());
  const bool destroyed = step.kind == StepKind::Destroy;
  for (const keymgmt::PublishedKey& key : keys.keys()) {
    if (key.role != step.role || key.compromised_since) continue;
    if (step.kind == StepKind::Generate && key.key.algorithm() != step.algorithm) continue;
    if (key.state != keymgmt::KeyState::Active) continue;
    const std::string kid = key.key.kid();
    if (!destroyed) return kid;
    // Only what never signs again may be destroyed.
    RETURN_IF_ERROR(signer.change("/v1/halt", Json::object({{"role", keymgmt::name_of(step.role)},
                                                            {"key", kid},
                                                            {"reason", "stands in for a key that is retired"}})));
    return kid;
  }
  return Error{ErrorCode::Unavailable,
               "the scratch appliance has no " + std::string(keymgmt::name_of(step.role)) + " key to stand in",
               "rehearsal_failed"};
}

Result<RunSettings> ScratchAppliance::settings_for(const Intent& intent) {
  const bool first_keys = intent.purpose == ceremony::Purpose::FirstKeys;
  if (!first_keys && !is_enrolment(intent)) RETURN_IF_ERROR(enrol(intent));
  for (const Step& step : intent.steps) {
    std::string kid;
    if (step.kind == StepKind::Generate && step.replaces != "none") kid = step.replaces;
    if (step.kind == StepKind::Halt || step.kind == StepKind::Destroy) kid = step.key;
    if (kid.empty() || stand_ins_.contains(kid)) continue;
    ASSIGN_OR_RETURN(std::string standing, stand_in(step));
    stand_ins_.emplace(kid, std::move(standing));
  }
  Json::Array steps;
  for (const Step& step : intent.steps) {
    steps.push_back(step_json(step, stand_ins_, is_enrolment(intent) ? quorum_ : wider_));
  }
  RunSettings settings;
  settings.intent = intent;
  settings.sent_intent = plan_text(intent, quorum_, std::move(steps));
  ASSIGN_OR_RETURN(settings.approvals, signed_by_custodians(settings.sent_intent));
  settings.stand_ins = stand_ins_;
  ASSIGN_OR_RETURN(settings.binding, binding_of_configuration(folder_ + "/countersign.yaml"));
  settings.configuration = folder_ + "/countersign.yaml";
  settings.start_appliance = [this] { return pid_ > 0 ? ok() : bring_up(); };
  settings.rehearsing = true;
  settings.wait = true;
  return settings;
}

}  // namespace countersign::command
