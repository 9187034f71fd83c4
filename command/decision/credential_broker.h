// Brokers of credentials (reference: gait-formats §10): off, none, stub, env, command.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "command/line/arguments.h"
#include "common/clock.h"
#include "common/result.h"
#include "gate/evidence/credential.h"

namespace countersign::command {

inline constexpr Flag kCredentialFlags[] = {
    {"credential-broker", Flag::Kind::Text, "KIND", "off (default), none, stub, env or command"},
    {"credential-env-prefix", Flag::Kind::Text, "TEXT", "of the variables of broker env (GAIT_BROKER_TOKEN_)"},
    {"credential-ref", Flag::Kind::Text, "TEXT", "which credential, instead of the rule's broker_reference"},
    {"credential-scopes", Flag::Kind::Text, "LIST", "scopes beside the rule's, separated by commas"},
    {"credential-command", Flag::Kind::Text, "PROGRAM", "what broker command runs; it gets no variables but PATH"},
    {"credential-command-args", Flag::Kind::Text, "LIST", "its arguments, separated by commas"},
    {"credential-command-env", Flag::Kind::Text, "LIST", "variables of ours that it gets as well"},
    {"credential-evidence-out", Flag::Kind::Text, "FILE",
     "where the evidence goes (credential_evidence_<trace_id>.json)"},
};

// How far a reference of broker env tells of the secret: gait adds 64 bits of its hash.
enum class SecretTrace { Hashed, None };

class CredentialBroker {
 public:
  // Fails with Invalid for an unknown kind, for broker command without a program, with white space in its name, or with
  // one that GAIT_CREDENTIAL_COMMAND_ALLOWLIST does not list.
  static Result<CredentialBroker> chosen(const Arguments& arguments);

  // Whether it issues anything: not off, not none.
  bool issues() const { return kind_ != Kind::Off; }

  // The completed receipt; nothing where no credential is to be had, whatever the reason: a missing variable, a program
  // that fails, takes longer than 5 s, writes more than 16 KiB or answers nonsense.
  std::optional<gate::CredentialReceipt> issue(const gate::CredentialRequest& request, SecretTrace trace,
                                               UtcTime now) const;

  // --credential-ref and --credential-scopes.
  const std::string& reference() const { return reference_; }
  const std::vector<std::string>& scopes() const { return scopes_; }

 private:
  enum class Kind { Off, Stub, Env, Command };
  CredentialBroker() = default;
  Result<gate::CredentialReceipt> from_environment(const gate::CredentialRequest& request, SecretTrace trace) const;
  Result<gate::CredentialReceipt> from_command(const gate::CredentialRequest& request) const;

  Kind kind_ = Kind::Off;
  std::string prefix_;
  std::string reference_;
  std::vector<std::string> scopes_;
  std::vector<std::string> argv_;
  std::vector<std::string> environment_;
};

}  // namespace countersign::command
