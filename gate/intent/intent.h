// An intent as gait normalises it: what an agent wants to do, and the digest under which people approve it
// (reference: gait-formats §5). Every text in it is trimmed and lower-cased as that section says.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/digest.h"
#include "common/json.h"
#include "common/result.h"

namespace countersign::gate {

// The order of the members is gait's order of targets.
struct Target {
  std::string kind;
  std::string value;
  std::string operation;
  std::string sensitivity;
  std::string endpoint_class;   // given, or inferred from kind, operation and tool name
  std::string endpoint_domain;  // given, or taken from a host or url
  bool destructive = false;     // claimed, hinted, or implied by class or operation
  std::string discovery_method;
  bool read_only_hint = false;
  bool destructive_hint = false;
  bool idempotent_hint = false;
  bool open_world_hint = false;
  auto operator<=>(const Target&) const = default;
};

struct ArgProvenance {
  std::string arg_path;
  std::string source;
  std::string source_ref;
  std::string integrity_digest;
  auto operator<=>(const ArgProvenance&) const = default;
};

struct SkillProvenance {
  std::string skill_name;
  std::string skill_version;
  std::string source;
  std::string publisher;
  std::string digest;
  std::string signature_key_id;
  Json json() const;
};

struct DelegationLink {
  std::string delegator_identity;
  std::string delegate_identity;
  std::string scope_class;
  std::string token_ref;
  UtcTime issued_at;  // zero where absent
  UtcTime expires_at;
};

struct Delegation {
  std::string requester_identity;
  std::string scope_class;
  std::vector<std::string> token_refs;
  std::vector<DelegationLink> chain;
  UtcTime issued_at;
  UtcTime expires_at;
  // The object whose JCS digest is an approval's delegation_binding_digest and a trace's chain_digest.
  Json json() const;
};

struct AgentIdentity {
  std::vector<std::string> lifecycle_states;
  std::string owner;
  std::string manifest_digest;
  std::string publisher;
  std::string source;
  UtcTime issued_at;
  UtcTime approved_at;
  UtcTime expires_at;
  bool revoked = false;
  Json json() const;
};

struct Sandbox {
  std::string network_mode;
  std::vector<std::string> writable_paths;
  std::vector<std::string> read_only_roots;
  std::string env_exposure_mode;
  std::int64_t timeout_seconds = 0;
  std::string filesystem_isolation;
  std::string user_mode;
  std::string evidence_ref;
  std::string evidence_digest;
  Json json() const;
};

// What the intent says about its own context. gait discards it; where `gate.context_evidence: intent` it is judged. It
// is never hashed.
struct ContextClaims {
  std::string set_digest;
  std::string mode;  // "", "best_effort" or "required"
  std::vector<std::string> refs;
  std::optional<double> age_seconds;  // auth_context.context_age_seconds, where it is a number
  bool any() const { return !set_digest.empty() || !mode.empty() || !refs.empty() || age_seconds.has_value(); }
};

struct IntentContext {
  std::string identity;
  std::string workspace;
  std::string risk_class;
  std::string phase;  // "plan" or "apply"
  std::string agent_id;
  std::optional<AgentIdentity> agent_identity;
  std::string run_id;
  std::string workflow_id;
  std::string repo;
  std::string environment;
  std::string job_id;
  std::string session_id;
  std::string request_id;
  std::string credential_ref;
  std::string credential_source;
  std::string credential_access_type;
  std::string credential_issuer;
  std::string credential_subject;
  std::string credential_owner;
  std::string credential_target_binding;
  std::string credential_run_binding;
  std::string credential_job_binding;
  std::int64_t credential_ttl_seconds = 0;
  std::string approval_ref;
  std::string wrkr_inventory_ref;
  std::string agent_action_bom_ref;
  Json auth_context;  // an object without the claims, or null where empty
  std::optional<Sandbox> sandbox;
  std::vector<std::string> credential_scopes;
  std::string environment_fingerprint;
  ContextClaims claims;

  // The wrkr.* members of auth_context may permit: an inventory set them, or claims are believed. Not hashed.
  bool tool_facts_are_known = false;

  // Hashed members that only a context envelope sets (Intent::with_envelope_facts).
  std::string context_set_digest;
  std::string context_evidence_mode;
  std::vector<std::string> context_refs;
};

struct ScriptStep {
  std::string tool_name;
  Json args;
  std::vector<Target> targets;
  std::vector<ArgProvenance> arg_provenance;
};

struct IntentFields {
  UtcTime created_at;  // 1980-01-01T00:00:00Z where absent
  std::string tool_name;
  Json args;
  std::vector<Target> targets;
  std::vector<ArgProvenance> arg_provenance;
  std::optional<SkillProvenance> skill_provenance;
  std::optional<Delegation> delegation;
  IntentContext context;
  std::optional<std::vector<ScriptStep>> script;
};

// What becomes of arguments that a digest does not tell from others: texts and keys of args with outer white space,
// which gait trims before it hashes, and integers beyond 2^53, which it rounds.
enum class ArgsReading {
  Bound,   // refused, reasons "unbound_white_space" and "inexact_integer": what is approved is what runs
  AsGait,  // trimmed and rounded
  Exact,   // white space is bound by a member of the digest form that gait does not have; integers are refused
};

// A normalised intent: only parse makes one.
class Intent {
 public:
  // The JSON of an intent's text, a gait document (Json::Limits::gait). Fails with Invalid, "parse intent json: …".
  static Result<Json> read(std::string_view text, ArgsReading args = ArgsReading::Bound);
  // Members match without regard to case, unknown ones are ignored, repeated ones refused. Fails with Invalid (exit 6);
  // the detail is gait's text where gait refuses too
  // ("parse intent json: …", "normalize intent: …"). Two argument keys that become equal by trimming are refused, since
  // either of them could be what runs.
  static Result<Intent> parse(std::string_view text, ArgsReading args = ArgsReading::Bound);
  static Result<Intent> parse(const std::string& text, ArgsReading args = ArgsReading::Bound) {
    return parse(std::string_view(text), args);
  }
  static Result<Intent> parse(const Json& document, ArgsReading args = ArgsReading::Bound);

  const IntentFields& fields() const { return fields_; }
  const IntentContext& context() const { return fields_.context; }
  bool is_script() const { return fields_.script.has_value(); }
  bool has_destructive_target() const;

  // The JSON whose JCS SHA-256 is the intent digest: gait's, with a member `exact_args` where exact_args() is.
  Json digest_form() const;
  // Read as ArgsReading::Exact, of arguments that trimming changes: JCS digest of {"args", "steps": [the args of each]}
  // as they were written (docs/decisions/0011-exact-arguments.md).
  const std::optional<Digest>& exact_args() const { return exact_args_; }
  Digest intent_digest() const { return digest_form().digest(); }
  Digest args_digest() const { return fields_.args.digest(); }
  std::optional<Digest> script_hash() const;  // only of a script
  // JCS digest of the normalised targets: what a credential's target binding must equal.
  Digest targets_digest() const;

  // args.argv where it is a list of texts, exactly as the document spells them, before trimming: what `run` compares.
  const std::optional<std::vector<std::string>>& argv() const { return argv_; }

  // A script's step as an intent of its own: same context; its own tool, args, targets, provenance. Precondition: i is
  // a step.
  Intent step(std::size_t i) const;
  // The intent with the members that a context envelope sets; `age_seconds` only where it is to be hashed as gait does.
  Intent with_envelope_facts(std::string set_digest, std::string mode, std::vector<std::string> refs,
                             std::optional<std::int64_t> age_seconds) const;
  // The intent with the members wrkr.* of auth_context, which are hashed, as an inventory knows them.
  Intent with_tool_facts(const std::string& tool_name, const std::string& data_class, const std::string& endpoint_class,
                         const std::string& autonomy_level) const;
  // The intent whose own wrkr.* claims are believed.
  Intent with_believed_tool_facts() const;

 private:
  explicit Intent(IntentFields fields) : fields_(std::move(fields)) {}
  IntentFields fields_;
  std::optional<std::vector<std::string>> argv_;
  std::optional<Digest> exact_args_;
};

}  // namespace countersign::gate
