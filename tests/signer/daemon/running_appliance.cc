#include "tests/signer/daemon/running_appliance.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "common/durable_file.h"
#include "signer/channel/holder_setup.h"
#include "signer/ledger/sqlite_store.h"
#include "signer/statement/approval_proof.h"
#include "tests/support/binding_profile.h"

namespace countersign::test {
namespace {

constexpr const char* kRoles[] = {"approval", "trace", "release"};

template <typename T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().detail);
  return *std::move(result);
}

}  // namespace

bool eventually(const std::function<bool()>& seen, std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!seen()) {
    if (std::chrono::steady_clock::now() > end) return false;
    ::usleep(5000);
  }
  return true;
}

RunningAppliance::RunningAppliance(const Shape& shape) : environment_(shape.environment) {
  ::mkdir(path("state").c_str(), 0700);
  ::mkdir(path("published").c_str(), 0755);
  for (const std::string role : kRoles) {
    using keymgmt::Algorithm;
    const bool both = role == "trace" && shape.trace_p256;
    make_role(role, both ? std::vector{Algorithm::Ed25519, Algorithm::P256} : std::vector{Algorithm::Ed25519});
  }
  for (const char* name : {"alice", "bob", "mallory"}) make_key(name);
  std::ostringstream text;
  text << "state: state\nsockets: {sign: run/sign.sock, mode: \"0666\"}\ntrial: true\ntokens:\n";
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    text << "  " << kRoles[i] << ":\n    module: " << kSoftHsmModule
         << "\n    environment: {SOFTHSM2_CONF: " << tokens_[i]->conf() << "}\n    label: " << tokens_[i]->label()
         << "\n    pin: {file: " << tokens_[i]->pin_file() << "}\n";
  }
  text << "roles:\n  approval: {token: approval}\n  trace: {token: trace, algorithm: "
       << (shape.trace_p256 ? "[ed25519, p256]" : "ed25519") << ", holders: " << shape.trace_holders
       << "}\n  release: {token: release}\npeers:\n  - {uid: " << ::getuid()
       << ", may: [sign:trace, sign:approval, verify, nonce, decisions, requests, executed, metrics, admin:status, "
          "admin:time]}\n"
       << shape.peers << "approvers:\n";
  for (const char* name : {"alice", "bob"}) {
    text << "  - {identity: " << name << "@approvers.example, proof: {ssh_key: " << name
         << ".pub}, scopes: [\"tool:db.drop_table\", phase:apply]}\n";
  }
  text << "security_owner: {notify: [{file: events.jsonl}]}\npublication: {directory: published}\n" << shape.extra;
  std::ofstream(path("countersign.yaml")) << text.str();
  start();
}

RunningAppliance::~RunningAppliance() {
  if (process_) stop();
}

void RunningAppliance::make_key(const std::string& name) const {
  const Outcome made =
      run({.argv = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test-only", "-f", path(name)}});
  if (made.exit_code != 0) throw std::runtime_error("ssh-keygen: " + made.err);
}

void RunningAppliance::make_role(const std::string& role, const std::vector<keymgmt::Algorithm>& algorithms) {
  auto token = std::make_unique<SoftToken>("test-only-" + role);
  channel::SetupRequest request;
  request.module = kSoftHsmModule;
  request.label = token->label();
  request.roles = {{*keymgmt::role_named(role), algorithms}};
  request.profile = binding_profile(kSoftHsmModule, token->serial());
  must(write_durable(path("state/profiles/" + role + ".json"), request.profile, 0644));
  const Outcome made = run(
      {.argv = {"/bin/sh", "-c", "exec \"$1\" init 5<\"$2\"", "sh", program("countersign-holder"), token->pin_file()},
       .environment = token->environment(),
       .input = request.to_json().compact()});
  if (made.exit_code != 0) throw std::runtime_error("init: " + made.out + made.err);
  const channel::SetupAnswer answer = must(channel::SetupAnswer::from_json(must(Json::parse(made.out))));
  const UtcTime now = SystemClock().now().whole_seconds();
  for (const channel::HeldKey& held : answer.keys) {
    keys_.push_back({held.key, held.role, keymgmt::KeyState::Active, held.token_id, held.label, now,
                     now - std::chrono::seconds(5), std::nullopt, std::nullopt});
  }
  tokens_.push_back(std::move(token));
  if (tokens_.size() < std::size(kRoles)) return;
  const SystemClock clock;
  const auto store = must(ledger::SqliteStore::create(path("state/ledger.db"), clock));
  must(store->put_keys(keys_, now));
}

std::vector<std::string> RunningAppliance::argv() const {
  std::vector<std::string> words = {program("whole_daemon")};
  words.insert(words.end(), environment_.begin(), environment_.end());
  words.push_back(path("countersign.yaml"));
  return words;
}

void RunningAppliance::start(bool until_ready) {
  process_ = std::make_unique<ChildProcess>(Command{.argv = argv()});
  const bool ready = eventually([this, until_ready] {
    if (!process_->running()) return true;
    transport::HttpClient http(socket());
    const Result<transport::HttpAnswer> answer = http.get("/readyz");
    return answer && (!until_ready || answer->status == 200);
  });
  if (ready && process_->running()) return;
  process_->send(SIGTERM);
  const Outcome outcome = process_->wait();
  process_.reset();
  throw std::runtime_error("the appliance did not start: " + outcome.out + outcome.err);
}

Outcome RunningAppliance::start_failing() {
  return run({.argv = argv()});
}

void RunningAppliance::stop() {
  process_->send(SIGTERM);
  const Outcome outcome = process_->wait(std::chrono::seconds(30));
  if (std::getenv("COUNTERSIGN_TEST_JOURNAL") != nullptr) std::fputs((outcome.out + outcome.err).c_str(), stderr);
  process_.reset();
}

config::Config RunningAppliance::config() const {
  return must(config::load(path("countersign.yaml")));
}

Json RunningAppliance::status() const {
  transport::HttpClient admin(socket("admin"));
  return must(Json::parse(must(admin.get("/v1/status")).body));
}

std::vector<pid_t> RunningAppliance::holders(const std::string& role) const {
  std::vector<pid_t> found;
  const std::string name = "test-only-" + role;
  std::string conf;
  for (const auto& token : tokens_) {
    if (token->label() == name) conf = token->conf();
  }
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string pid = entry.path().filename();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream file("/proc/" + pid + "/environ");
    std::stringstream environment;
    environment << file.rdbuf();
    if (environment.str().find("SOFTHSM2_CONF=" + conf) != std::string::npos) found.push_back(std::stoi(pid));
  }
  return found;
}

Json RunningAppliance::ssh_proof(const std::string& name, const Json& fields) const {
  const statement::Statement token = must(statement::Statement::parse(statement::StatementType::ApprovalToken, fields));
  const Json challenge = must(client().nonce());
  const std::string nonce(challenge.text("nonce"));
  const UtcTime expires = must(UtcTime::parse(challenge.text("expires_at")));
  const Outcome made = run(
      {.argv = {"ssh-keygen", "-Y", "sign", "-q", "-n", std::string(statement::kApprovalNamespace), "-f", path(name)},
       .input = statement::approval_message(*token.approval_token(), nonce, expires)});
  if (made.exit_code != 0) throw std::runtime_error("ssh-keygen -Y sign: " + made.err);
  return Json::object({{"kind", "ssh"}, {"signature", made.out}, {"nonce", nonce}, {"expires_at", expires.rfc3339()}});
}

std::string as_other_uid(const RunningAppliance& appliance, const std::string& method, const std::string& target,
                         const std::string& body) {
  int pipe[2];
  if (::pipe(pipe) != 0) return "no pipe";
  std::filesystem::permissions(appliance.path(""), std::filesystem::perms(0755));
  const std::string socket = appliance.socket();
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0) ::_exit(1);
    transport::HttpClient http(socket);
    const auto answer =
        method == "GET" ? http.get(target) : http.post(target, body, transport::HttpClient::Repeat::Unsafe);
    const std::string text = answer ? std::to_string(answer->status) + " " + answer->body : answer.error().detail;
    ::_exit(::write(pipe[1], text.data(), text.size()) < 0 ? 1 : 0);
  }
  ::close(pipe[1]);
  std::string text(65536, '\0');
  const ssize_t got = ::read(pipe[0], text.data(), text.size());
  ::close(pipe[0]);
  ::waitpid(child, nullptr, 0);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

Json digest_form(const std::string& seed) {
  return Json::object({{"tool_name", "db.drop_table"}, {"args", Json::object({{"table", seed}})}});
}

Digest intent_digest(const std::string& seed) {
  return digest_form(seed).digest();
}

Json trace_fields(const std::string& seed, const std::string& verdict, int required_approvals) {
  Json::Array reasons;
  if (verdict == "require_approval") reasons.push_back("approval_token_missing");
  return Json::object({{"created_at", "2026-06-08T21:14:00Z"},
                       {"tool_name", "db.drop_table"},
                       {"args_digest", sha256(seed).hex()},
                       {"intent_digest", intent_digest(seed).hex()},
                       {"policy_digest", kPolicy},
                       {"policy_id", "gait.gate.policy"},
                       {"policy_version", "1.0.0"},
                       {"verdict", verdict},
                       {"countersign", Json::object({{"requester", "zoe@team.example"},
                                                     {"reason_codes", std::move(reasons)},
                                                     {"matched_rule", "drops"},
                                                     {"required_approvals", required_approvals},
                                                     {"distinct_approvers", true},
                                                     {"required_scopes", Json::array({"tool:db.drop_table"})},
                                                     {"destructive", false}})}});
}

Json token_fields(const std::string& seed, const std::string& approver, int ttl_seconds) {
  return Json::object({{"intent_digest", intent_digest(seed).hex()},
                       {"policy_digest", kPolicy},
                       {"approver_identity", approver + "@approvers.example"},
                       {"reason_code", "change_ticket_604"},
                       {"scope", Json::array({"tool:db.drop_table"})},
                       {"ttl_seconds", ttl_seconds}});
}

}  // namespace countersign::test
