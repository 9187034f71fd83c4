#include "gate/decision/constraints.h"

#include <algorithm>

#include "common/text.h"
#include "gate/decision/rule_match.h"
#include "gate/decision/time_zone.h"
#include "gate/document/paths.h"

namespace countersign::gate {
namespace {

bool demands_agent(const Rule& rule) {
  return rule.require_declared_agent || !rule.allowed_agent_ids.empty() || !rule.denied_agent_ids.empty() ||
         !rule.required_agent_manifest_digest.empty() || !rule.allowed_agent_manifest_publishers.empty() ||
         !rule.allowed_agent_manifest_sources.empty() || !rule.required_agent_lifecycle_states.empty() ||
         rule.require_agent_owner || rule.require_unexpired_agent;
}

void unknown_agent(RuleOutcome& out, std::string_view violation) {
  out.reasons.emplace_back("agent_unknown");
  out.violations.emplace_back(violation);
  out.raise_to(Verdict::Block);
}

bool demands_credential(const Rule& rule) {
  return rule.block_standing_credentials || !rule.allowed_credential_sources.empty() ||
         !rule.allowed_credential_issuers.empty() || !rule.allowed_credential_access_types.empty() ||
         rule.max_credential_ttl_seconds > 0 || rule.require_jit_credential;
}

// gait's decision object about a freeze window.
struct FreezeDecision {
  std::string status = "inactive";
  std::string window_name;
  UtcTime window_start;
  UtcTime window_end;
  std::string reason;
  std::string reason_code;

  Json json(const FreezeRule& rule, UtcTime now) const {
    Json out = Json::object({{"status", status},
                             {"effect", Json(statement::name_of(rule.effect))},
                             {"timezone", rule.timezone},
                             {"evaluated_at", now.rfc3339()}});
    if (!window_name.empty()) out.set("window_name", Json(window_name));
    out.set("window_start", Json(window_start.rfc3339()));
    out.set("window_end", Json(window_end.rfc3339()));
    if (!reason.empty()) out.set("reason", Json(reason));
    if (!reason_code.empty()) out.set("reason_code", Json(reason_code));
    return out;
  }
};

FreezeDecision decided_freeze(const FreezeRule& rule, const IntentContext& context, UtcTime now) {
  FreezeDecision decision;
  if (!rule.environments.empty() && !holds(rule.environments, lowered(context.environment))) return decision;
  if (!rule.risk_classes.empty() && !holds(rule.risk_classes, context.risk_class)) return decision;
  const Result<TimeZone> zone = TimeZone::named(rule.timezone);
  if (!zone) {
    decision.status = "invalid";
    decision.reason = "freeze window timezone could not be loaded";
    decision.reason_code = "freeze_window_invalid_timezone";
    return decision;
  }
  for (const FreezeWindow& window : rule.windows) {
    const Result<UtcTime> start = zone->moment_of(window.start);
    const Result<UtcTime> end = zone->moment_of(window.end);
    if (!start || !end || *end <= *start) {
      decision.status = "invalid";
      decision.window_name = window.name;
      decision.reason = start && end ? "freeze window has an invalid range" : "freeze window has an invalid timestamp";
      decision.reason_code = "freeze_window_invalid_window";
      return decision;
    }
    if (*start <= now && now < *end) {
      decision.status = "active";
      decision.window_name = window.name;
      decision.window_start = *start;
      decision.window_end = *end;
      decision.reason = rule.reason.empty() ? window.name : rule.reason;
      decision.reason_code = "freeze_window_active_" + std::string(statement::name_of(rule.effect));
      return decision;
    }
  }
  return decision;
}

void check_mode(const Texts& allowed, const std::string& value, std::string_view name, Texts& codes) {
  const std::string code = "sandbox_" + std::string(name);
  if (value.empty()) {
    codes.push_back(code + "_missing");
  } else if (!allowed.empty() && !holds(allowed, value)) {
    codes.push_back(code + "_disallowed");
  }
}

Texts sandbox_findings(const SandboxRule& rule, const Sandbox& sandbox) {
  Texts codes;
  if (sandbox.evidence_ref.empty() || sandbox.evidence_digest.empty()) codes.emplace_back("sandbox_evidence_missing");
  check_mode(rule.allowed_network_modes, sandbox.network_mode, "network_mode", codes);
  check_mode(rule.allowed_env_exposure_modes, sandbox.env_exposure_mode, "env_exposure_mode", codes);
  check_mode(rule.allowed_filesystem_isolations, sandbox.filesystem_isolation, "filesystem_isolation", codes);
  check_mode(rule.allowed_user_modes, sandbox.user_mode, "user_mode", codes);
  if (sandbox.timeout_seconds == 0) {
    codes.emplace_back("sandbox_timeout_missing");
  } else if (rule.max_timeout_seconds > 0 && sandbox.timeout_seconds > rule.max_timeout_seconds) {
    codes.emplace_back("sandbox_timeout_exceeded");
  }
  const auto inside = [](const Texts& roots, const std::string& path) {
    return std::any_of(roots.begin(), roots.end(), [&](const std::string& root) { return is_within(path, root); });
  };
  const Texts& writable = rule.allowed_writable_path_prefixes;
  if (!writable.empty() && std::any_of(sandbox.writable_paths.begin(), sandbox.writable_paths.end(),
                                       [&](const std::string& path) { return !inside(writable, path); })) {
    codes.emplace_back("sandbox_writable_path_disallowed");
  }
  // gait asks the other way round and is content with a sandbox that declares no root at all (gait-formats §19.13).
  const Texts& required = rule.required_read_only_roots;
  if (std::any_of(required.begin(), required.end(),
                  [&](const std::string& root) { return !inside(sandbox.read_only_roots, root); })) {
    codes.emplace_back("sandbox_read_only_root_missing");
  }
  std::sort(codes.begin(), codes.end());
  return codes;
}

std::string sandbox_status(const Texts& codes) {
  const auto some = [&codes](std::string_view part) {
    return std::any_of(codes.begin(), codes.end(),
                       [part](const std::string& code) { return code.find(part) != std::string::npos; });
  };
  if (codes.empty()) return "valid";
  if (some("_missing")) return "missing";
  if (some("_disallowed") || some("_exceeded")) return "disallowed";
  return "invalid";
}

}  // namespace

void judge_agent(const Rule& rule, const Intent& intent, UtcTime now, RuleOutcome& out) {
  if (!demands_agent(rule)) return;
  const IntentContext& context = intent.context();
  const AgentIdentity* agent = context.agent_identity ? &*context.agent_identity : nullptr;
  if (rule.require_declared_agent && (context.agent_id.empty() || agent == nullptr)) {
    unknown_agent(out, "agent_identity_missing");
  }
  if (!rule.allowed_agent_ids.empty() && !holds(rule.allowed_agent_ids, context.agent_id)) {
    unknown_agent(out, "agent_not_declared");
  }
  if (holds(rule.denied_agent_ids, context.agent_id)) unknown_agent(out, "agent_not_declared");
  if (agent != nullptr && agent->revoked) out.refuse("agent_revoked");
  if (rule.require_agent_owner && (agent == nullptr || agent->owner.empty())) out.refuse("agent_owner_missing");
  const Texts& states = rule.required_agent_lifecycle_states;
  if (std::any_of(states.begin(), states.end(), [agent](const std::string& state) {
        return agent == nullptr || !holds(agent->lifecycle_states, state);
      })) {
    out.refuse("agent_lifecycle_state_invalid");
  }
  if (rule.require_unexpired_agent && (agent == nullptr || agent->expires_at.is_zero() || agent->expires_at <= now)) {
    out.refuse("agent_expired");
  }
  const auto absent_or = [agent](bool fault) { return agent == nullptr || fault; };
  const bool mismatch =
      (!rule.required_agent_manifest_digest.empty() &&
       absent_or(agent == nullptr || agent->manifest_digest != rule.required_agent_manifest_digest)) ||
      (!rule.allowed_agent_manifest_publishers.empty() &&
       absent_or(agent == nullptr || !holds(rule.allowed_agent_manifest_publishers, lowered(agent->publisher)))) ||
      (!rule.allowed_agent_manifest_sources.empty() &&
       absent_or(agent == nullptr || !holds(rule.allowed_agent_manifest_sources, lowered(agent->source))));
  if (mismatch) out.refuse("agent_manifest_mismatch");
}

void judge_credential(const Rule& rule, const Intent& intent, RuleOutcome& out) {
  if (!demands_credential(rule) || rule.require_broker_credential) return;
  static const Texts kStanding = {"cloud_admin", "inherited", "standing", "static", "unknown"};
  const IntentContext& context = intent.context();
  const std::string& access = context.credential_access_type;
  const std::string& source = context.credential_source;
  const bool evidence_missing = context.credential_ref.empty() || (rule.require_jit_credential && access.empty()) ||
                                (rule.max_credential_ttl_seconds > 0 && context.credential_ttl_seconds == 0);
  const auto outside = [](const Texts& list, const std::string& text) { return !list.empty() && !holds(list, text); };
  const auto mismatch = [](const std::string& given, const std::string& real) {
    return !given.empty() && given != real;
  };
  struct Finding {
    bool found;
    std::string_view code;
  };
  const Finding findings[] = {
      {evidence_missing, "credential_evidence_missing"},
      {source.empty() || source == "unknown", "credential_source_unknown"},
      {access.empty() || access == "unknown", "credential_access_type_unknown"},
      {rule.require_jit_credential && !access.empty() && access != "jit", "credential_not_jit"},
      {rule.block_standing_credentials && (access.empty() || holds(kStanding, access)),
       "standing_credential_disallowed"},
      {outside(rule.allowed_credential_sources, source), "credential_source_disallowed"},
      {outside(rule.allowed_credential_issuers, context.credential_issuer), "credential_issuer_disallowed"},
      {outside(rule.allowed_credential_access_types, access), "credential_access_type_disallowed"},
      {rule.max_credential_ttl_seconds > 0 && context.credential_ttl_seconds > rule.max_credential_ttl_seconds,
       "credential_ttl_exceeded"},
      {mismatch(context.credential_target_binding, intent.targets_digest().hex()),
       "credential_target_binding_mismatch"},
      {mismatch(context.credential_run_binding, context.run_id), "credential_run_binding_mismatch"},
      {mismatch(context.credential_job_binding, context.job_id), "credential_job_binding_mismatch"},
  };
  for (const Finding& finding : findings) {
    if (finding.found) out.refuse(std::string(finding.code));
  }
}

void judge_freeze(const Rule& rule, const Intent& intent, UtcTime now, RuleOutcome& out) {
  if (!rule.freeze_window) return;
  const FreezeDecision decision = decided_freeze(*rule.freeze_window, intent.context(), now);
  out.freeze_window = decision.json(*rule.freeze_window, now);
  if (decision.reason_code.empty()) return;
  out.reasons.push_back(decision.reason_code);
  out.violations.push_back(decision.reason_code);
  out.raise_to(decision.status == "active" ? rule.freeze_window->effect : Verdict::Block);
}

void judge_sandbox(const Rule& rule, const Intent& intent, RuleOutcome& out) {
  if (!rule.sandbox) return;
  const std::optional<Sandbox>& sandbox = intent.context().sandbox;
  const Texts codes = sandbox ? sandbox_findings(*rule.sandbox, *sandbox) : Texts{"sandbox_metadata_missing"};
  Json decision = Json::object({{"status", sandbox_status(codes)}});
  if (sandbox) {
    const Json facts = sandbox->json();
    for (const std::string_view name : {"network_mode", "env_exposure_mode", "timeout_seconds", "filesystem_isolation",
                                        "user_mode", "evidence_ref", "evidence_digest"}) {
      if (const Json* fact = facts.find(name)) decision.set(name, *fact);
    }
  }
  if (!codes.empty()) decision.set("reason_codes", Json::array(codes));
  for (const std::string& code : codes) out.refuse(code);
  out.sandbox = std::move(decision);
  out.sandbox_is_valid = codes.empty();
}

}  // namespace countersign::gate
