#include "command/decision/credential_broker.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "command/line/comma_list.h"
#include "common/program_path.h"
#include "common/text.h"
#include "signer/process/child_program.h"

namespace countersign::command {
namespace {

constexpr std::string_view kAllowlist = "GAIT_CREDENTIAL_COMMAND_ALLOWLIST";
constexpr std::string_view kDefaultPrefix = "GAIT_BROKER_TOKEN_";
constexpr std::string_view kPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr std::chrono::seconds kCommandTime{5};
constexpr std::size_t kMostOutput = std::size_t{16} * 1024;
constexpr std::size_t kSecretDigits = 16;

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

std::string variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::string() : std::string(trimmed(value));
}

bool is_listed(const std::string& program, const std::vector<std::string>& allowed) {
  const std::string base = program.substr(program.rfind('/') + 1);
  return std::any_of(allowed.begin(), allowed.end(),
                     [&](const std::string& entry) { return entry == program || entry == base; });
}

Result<std::vector<std::string>> broker_argv(const Arguments& arguments) {
  const std::string program(trimmed(arguments.text("credential-command")));
  if (program.empty()) return invalid("command broker requires --credential-command");
  if (program.find_first_of(" \t\r\n\v\f") != std::string::npos) {
    return invalid("command broker command must be a single executable path or name without whitespace");
  }
  if (const std::string list = variable(std::string(kAllowlist)); !list.empty()) {
    if (!is_listed(program, comma_list(list))) {
      return invalid("command broker command is not in allowlist " + std::string(kAllowlist));
    }
  }
  std::vector<std::string> argv = {program};
  for (std::string& argument : comma_list(arguments.text("credential-command-args"))) {
    argv.push_back(std::move(argument));
  }
  return argv;
}

// No variable of ours but those named: keys and tokens lie in some of them.
std::vector<std::string> broker_environment(const Arguments& arguments) {
  std::vector<std::string> out = {std::string(kPath)};
  for (const std::string& name : comma_list(arguments.text("credential-command-env"))) {
    if (name.find('=') != std::string::npos) continue;
    if (const char* value = std::getenv(name.c_str())) out.push_back(name + "=" + value);
  }
  return out;
}

// "db.save-x" is DB_SAVE_X (gait-formats §10).
std::string variable_name(std::string_view text) {
  std::string out;
  bool in_run = false;
  for (char c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    const bool kept = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (kept || c == '.' || c == '-') {
      out += kept ? c : '_';
    } else if (!in_run) {
      out += '_';
    }
    in_run = !kept && c != '.' && c != '-';
  }
  const std::size_t first = out.find_first_not_of('_');
  if (first == std::string::npos) return "DEFAULT";
  return out.substr(first, out.find_last_not_of('_') - first + 1);
}

Status read_time(const std::string& name, UtcTime& out) {
  const std::string text = variable(name);
  if (text.empty()) return ok();
  ASSIGN_OR_RETURN(out, UtcTime::parse(text));
  return ok();
}

Status read_seconds(const std::string& name, std::int64_t& out) {
  const std::string text = variable(name);
  if (text.empty()) return ok();
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (failure != std::errc() || end != text.data() + text.size() || out < 0) {
    return invalid(name + " is no number of seconds");
  }
  return ok();
}

}  // namespace

Result<CredentialBroker> CredentialBroker::chosen(const Arguments& arguments) {
  const std::string name = lowered(trimmed(arguments.text("credential-broker", "off")));
  struct Row {
    std::string_view name;
    Kind kind;
  };
  static constexpr Row kKinds[] = {{"", Kind::Off},      {"off", Kind::Off}, {"none", Kind::Off},
                                   {"stub", Kind::Stub}, {"env", Kind::Env}, {"command", Kind::Command}};
  const auto row =
      std::find_if(std::begin(kKinds), std::end(kKinds), [&](const Row& each) { return each.name == name; });
  if (row == std::end(kKinds)) return invalid("unsupported credential broker: " + name);
  CredentialBroker broker;
  broker.kind_ = row->kind;
  broker.prefix_ = trimmed(arguments.text("credential-env-prefix"));
  if (broker.prefix_.empty()) broker.prefix_ = kDefaultPrefix;
  broker.reference_ = trimmed(arguments.text("credential-ref"));
  broker.scopes_ = comma_list(arguments.text("credential-scopes"));
  if (broker.kind_ == Kind::Command) {
    ASSIGN_OR_RETURN(broker.argv_, broker_argv(arguments));
    broker.environment_ = broker_environment(arguments);
  }
  return broker;
}

Result<gate::CredentialReceipt> CredentialBroker::from_environment(const gate::CredentialRequest& request,
                                                                   SecretTrace trace) const {
  const std::string name = prefix_ + variable_name(request.reference.empty() ? request.tool_name : request.reference);
  const std::string secret = variable(name);
  if (secret.empty()) return Error{ErrorCode::NotFound, "the variable " + name + " is not set"};
  gate::CredentialReceipt receipt;
  receipt.credential_ref = "env:" + name;
  if (trace == SecretTrace::Hashed) receipt.credential_ref += ":" + sha256(secret).hex().substr(0, kSecretDigits);
  struct Row {
    std::string_view suffix;
    std::string gate::CredentialReceipt::*member;
  };
  static constexpr Row kTexts[] = {{"_SOURCE", &gate::CredentialReceipt::source},
                                   {"_ACCESS_TYPE", &gate::CredentialReceipt::access_type},
                                   {"_ISSUER", &gate::CredentialReceipt::issuer},
                                   {"_SUBJECT", &gate::CredentialReceipt::subject},
                                   {"_OWNER", &gate::CredentialReceipt::owner},
                                   {"_TARGET_BINDING", &gate::CredentialReceipt::target_binding},
                                   {"_RUN_BINDING", &gate::CredentialReceipt::run_binding},
                                   {"_JOB_BINDING", &gate::CredentialReceipt::job_binding}};
  for (const Row& row : kTexts) receipt.*row.member = variable(name + std::string(row.suffix));
  receipt.scope = comma_list(variable(name + "_SCOPE"));
  RETURN_IF_ERROR(read_time(name + "_ISSUED_AT", receipt.issued_at));
  RETURN_IF_ERROR(read_time(name + "_EXPIRES_AT", receipt.expires_at));
  RETURN_IF_ERROR(read_seconds(name + "_TTL_SECONDS", receipt.ttl_seconds));
  if (receipt.access_type.empty()) receipt.access_type = "unknown";
  if (receipt.subject.empty()) receipt.subject = request.identity;
  if (receipt.owner.empty()) receipt.owner = request.identity;
  return receipt;
}

Result<gate::CredentialReceipt> CredentialBroker::from_command(const gate::CredentialRequest& request) const {
  std::vector<std::string> argv = argv_;
  ASSIGN_OR_RETURN(argv.front(), program_path(argv.front()));
  ASSIGN_OR_RETURN(const process::Finished finished,
                   process::run_confined(argv, request.json().compact(), {environment_, kCommandTime, kMostOutput}));
  if (finished.exit_code != 0) {
    return Error{ErrorCode::Unavailable, "the broker ended with " + std::to_string(finished.exit_code)};
  }
  return gate::CredentialReceipt::parse(finished.output);
}

std::optional<gate::CredentialReceipt> CredentialBroker::issue(const gate::CredentialRequest& request,
                                                               SecretTrace trace, UtcTime now) const {
  const auto issued = [&]() -> Result<gate::CredentialReceipt> {
    switch (kind_) {
      case Kind::Off:
        break;
      case Kind::Stub:
        return gate::stub_receipt(request, now);
      case Kind::Env:
        return from_environment(request, trace);
      case Kind::Command:
        return from_command(request);
    }
    return Error{ErrorCode::NotFound, "no broker"};
  };
  Result<gate::CredentialReceipt> receipt = issued();
  if (!receipt) return std::nullopt;
  static constexpr std::string_view kNames[] = {"", "stub", "env", "command"};
  gate::complete(*receipt, kNames[static_cast<std::size_t>(kind_)], request);
  return *std::move(receipt);
}

}  // namespace countersign::command
