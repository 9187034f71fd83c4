// countersign.yaml, read strictly: an unknown, repeated, missing or mistyped member is an error that names its path and
// line. deploy/config/countersign.yaml is the manual: every option, commented, with its default.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/digest.h"
#include "common/json.h"
#include "common/result.h"
#include "keymgmt/role.h"
#include "signer/process/process_user.h"

namespace countersign::config {

// Where a PIN comes from. It never stands in the file, in arguments or in the environment.
struct PinSource {
  enum class Kind { File, Credential, Prompt };
  Kind kind = Kind::File;
  std::string name;  // path, or the name under $CREDENTIALS_DIRECTORY
};

struct TokenConfig {
  std::string name;
  std::string module;                              // path of the PKCS#11 module
  std::map<std::string, std::string> environment;  // allow-listed names only (SOFTHSM2_CONF, …), for its holders alone
  std::string label;
  std::string serial;  // either may be empty, not both
  PinSource pin;
  bool pin_on_restart_ask = false;
  enum class Confinement { File, LocalSocket, Network };
  Confinement confinement = Confinement::File;  // what the module needs to reach
  int concurrent = 0;                           // most operations at once; 0: one per holder
  enum class Trust { Claimed, Binding };
  std::optional<process::ProcessUser> user;  // of its holders; where one process has a user of its own, all have
  Trust trust = Trust::Binding;              // what the profile of its module must have been found to deserve
};
std::string_view name_of(TokenConfig::Trust trust);  // "claimed", "binding"

struct RoleConfig {
  keymgmt::Role role{};
  std::string token;
  std::vector<keymgmt::Algorithm> algorithms;  // first is the default
  int holders = 1;
  std::string standby_token;
  std::optional<std::chrono::nanoseconds> rotate_every;
};

// What a peer may do; the table operation → name is in operation.h.
struct PeerConfig {
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> gid;
  std::vector<std::string> may;  // "sign:trace", "sign:approval", "verify", "requests", "executed", "log", "metrics", …
};

struct ApproverConfig {
  std::string identity;
  std::string identity_key;  // normalised (common/text.h)
  std::string ssh_key;       // public key line, or empty
  std::optional<std::uint32_t> unix_uid;
  std::vector<std::string> scopes;  // "tool:deploy.apply", "phase:apply"; "tool:*" means every tool scope
  std::optional<std::chrono::nanoseconds> max_ttl;
};

struct PolicyConfig {
  Digest digest;
  int min_approvals = 0;
};

struct HighRiskScope {
  std::string scope;
  std::chrono::nanoseconds max_ttl{};
};

struct ApprovalsConfig {
  std::chrono::nanoseconds default_ttl = std::chrono::hours(1);
  std::chrono::nanoseconds max_ttl = std::chrono::hours(24);
  std::chrono::nanoseconds high_risk_default_ttl = std::chrono::minutes(15);
  std::vector<HighRiskScope> high_risk;  // destructive:apply is always one, ≤ 30 min
  std::chrono::nanoseconds execute_within = std::chrono::minutes(5);
  bool distinct_uid = false;
};

struct NotifyConfig {
  enum class Kind { File, Command, Webhook, Mail };
  Kind kind = Kind::File;
  std::string target;             // path, URL or address
  std::vector<std::string> argv;  // of a command
  std::string smtp;               // of mail
  std::chrono::nanoseconds timeout = std::chrono::seconds(10);
};

struct LimitsConfig {
  double requests_per_second = 20000;  // per peer uid
  double burst = 4000;
  int in_flight = 512;     // per peer uid
  int connections = 2048;  // in all
  std::chrono::nanoseconds header_timeout = std::chrono::seconds(5);
  std::chrono::nanoseconds body_timeout = std::chrono::seconds(10);
  std::chrono::nanoseconds idle_timeout = std::chrono::seconds(60);
  std::chrono::nanoseconds write_timeout = std::chrono::seconds(10);
  std::chrono::nanoseconds sign_deadline = std::chrono::seconds(5);    // a holder that answers later is replaced
  std::chrono::nanoseconds start_deadline = std::chrono::seconds(30);  // a holder not ready by then is replaced
  std::size_t holder_memory = std::size_t{256} << 20;                  // a holder that grows past it is replaced
  std::chrono::nanoseconds clock_step = std::chrono::seconds(5);       // larger steps stop signing
  std::uint64_t batch_items = 256;
  std::chrono::nanoseconds idempotency_window = std::chrono::hours(24);  // then a repeated request is a new one
  std::chrono::nanoseconds ledger_check_every = std::chrono::hours(24);  // after a completed check of the whole ledger
};

// The transparency log (docs/log.md). There is one where the role `log` is configured.
struct LogConfig {
  struct Witness {
    std::string key;     // verifier key of a cosigner: NAME+ID+BASE64 (C2SP signed-note, tlog-cosignature)
    std::string socket;  // where it, or a forwarder to it, listens (C2SP tlog-witness)
  };
  static constexpr const char* kDefaultOrigin = "localhost/countersign";
  std::string origin = kDefaultOrigin;  // names the log in every checkpoint, for good
  std::string directory;                // plain files that any static server may serve; default STATE/log
  std::chrono::nanoseconds publish_every = std::chrono::milliseconds(500);
  std::vector<Witness> witnesses;
  std::int64_t witnesses_required = 0;  // no checkpoint is published without so many cosignatures
};

struct Config {
  std::string path;
  std::string state;  // directory, 0700
  std::string sign_socket, admin_socket, public_socket;
  std::uint32_t socket_mode = 0660;
  std::optional<process::ProcessUser> front_user, notifier_user;  // none: all processes run as who starts them
  std::vector<TokenConfig> tokens;
  std::vector<RoleConfig> roles;
  std::vector<PeerConfig> peers;
  std::vector<ApproverConfig> approvers;
  std::vector<PolicyConfig> policies;
  ApprovalsConfig approvals;
  bool context_claims = false;  // gate.context_evidence: intent
  std::vector<NotifyConfig> security_owner;
  std::string publication;  // directory; empty: none
  std::chrono::nanoseconds publication_lifetime = std::chrono::hours(24 * 7);
  std::chrono::nanoseconds publication_refresh = std::chrono::hours(24);
  std::chrono::nanoseconds publication_skew = std::chrono::minutes(1);  // how far a verifier's clock may be off
  std::string publication_roster;  // file of the verifiers that must acknowledge; empty: open roster
  LimitsConfig limits;
  LogConfig log;
  std::int64_t release_approvals = 0;  // releases.approvals: tokens of so many people before a release is signed
  std::string log_level = "info";
  bool trial = false;                 // one uid may hold both sign:trace and sign:approval; `status` says so
  bool confinement_mandatory = true;  // refuse to start where a measure is missing

  bool has_users() const { return front_user.has_value(); }  // then every process has one
  // Who owns the state directory and all that the front writes.
  uid_t front_uid() const;
  const TokenConfig* token(std::string_view name) const;
  // Where `countersignd probe` leaves what it measured of the token's module.
  std::string profile_file(std::string_view token) const { return state + "/profiles/" + std::string(token) + ".json"; }
  const RoleConfig* role(keymgmt::Role role) const;
  const ApproverConfig* approver(std::string_view identity_key) const;
  int min_approvals(const Digest& policy) const;  // 0 where not listed
};

// A finding of `config check`: an error makes the configuration unusable, a warning does not.
struct Finding {
  bool error = false;
  std::string path;     // "roles.trace.token"; empty for the file itself
  std::string message;  // what is said of `path`: "names no token of this file (line 12)"
  std::string hint;
  std::string text() const { return path.empty() ? message : path + " " + message; }
  Json to_json() const;
};

// Reads and checks a file. Relative paths in it are relative to its folder. Fails with Invalid on the first error.
Result<Config> load(const std::string& path);
// The same for a text that stood in `path`: the supervisor reads the file once and hands the text to its children.
Result<Config> parse(std::string_view text, const std::string& path);
// All findings at once, warnings included.
std::vector<Finding> check(const std::string& path);

}  // namespace countersign::config
