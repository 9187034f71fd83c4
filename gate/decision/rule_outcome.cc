#include "gate/decision/rule_outcome.h"

#include <algorithm>

#include "common/text.h"
#include "gate/decision/constraints.h"
#include "gate/decision/rule_match.h"
#include "gate/document/paths.h"
#include "gate/intent/endpoint.h"

namespace countersign::gate {
namespace {

void judge_dataflow(const Rule& rule, const Intent& intent, RuleOutcome& out) {
  if (!rule.dataflow) return;
  const DataflowRule& flow = *rule.dataflow;
  const std::vector<ArgProvenance>& sources = intent.fields().arg_provenance;
  const bool tainted = std::any_of(sources.begin(), sources.end(), [&flow](const ArgProvenance& entry) {
    return holds(flow.tainted_sources, entry.source);
  });
  static const Texts kOutward = {"bucket", "host", "queue", "topic", "url"};
  const bool any_list =
      !flow.destination_kinds.empty() || !flow.destination_values.empty() || !flow.destination_operations.empty();
  const auto given = [](const Texts& list, const std::string& text) { return list.empty() || holds(list, text); };
  const std::vector<Target>& targets = intent.fields().targets;
  const bool reached = std::any_of(targets.begin(), targets.end(), [&](const Target& target) {
    if (!any_list) return holds(kOutward, target.kind);
    return given(flow.destination_kinds, target.kind) && given(flow.destination_values, target.value) &&
           given(flow.destination_operations, target.operation);
  });
  if (!tainted || !reached) return;
  // gait lets the action replace a stronger effect (gait-formats §19.13); here a constraint only ever restricts.
  out.raise_to(flow.action);
  out.reasons.push_back(flow.reason_code);
  out.violations.push_back(flow.violation);
}

bool some_pattern(const Texts& patterns, std::string_view text, bool (*fits)(std::string_view, std::string_view)) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) { return fits(pattern, text); });
}

// A path is allowed only if it is as spelled and without its "..", and denied if it is either way: gait cleans nothing,
// so that "/tmp/ok/../../etc/passwd" passes "/tmp/ok/**".
Texts endpoint_findings(const EndpointRule& rule, const Target& target) {
  Texts out;
  if (target.kind == "path") {
    const std::string cleaned = cleaned_path(target.value);
    const auto fits = [&](const Texts& patterns, std::string_view path) {
      return some_pattern(patterns, path, matches_path_pattern);
    };
    if (fits(rule.path_denylist, target.value) || fits(rule.path_denylist, cleaned)) {
      out.emplace_back("endpoint_path_denied");
    }
    const bool inside = fits(rule.path_allowlist, target.value) && fits(rule.path_allowlist, cleaned);
    const bool same_spelled = target.value == cleaned + "/" && fits(rule.path_allowlist, cleaned);
    if (!rule.path_allowlist.empty() && !inside && !same_spelled) out.emplace_back("endpoint_path_not_allowlisted");
  }
  if (!target.endpoint_domain.empty()) {
    if (some_pattern(rule.domain_denylist, target.endpoint_domain, matches_domain_pattern)) {
      out.emplace_back("endpoint_domain_denied");
    }
    if (!rule.domain_allowlist.empty() &&
        !some_pattern(rule.domain_allowlist, target.endpoint_domain, matches_domain_pattern)) {
      out.emplace_back("endpoint_domain_not_allowlisted");
    }
  }
  if (is_network_class(target.endpoint_class) && !rule.egress_classes.empty() &&
      !holds(rule.egress_classes, target.endpoint_class)) {
    out.emplace_back("endpoint_egress_class_not_allowed");
  }
  return out;
}

void judge_endpoint(const Rule& rule, const Intent& intent, RuleOutcome& out) {
  if (!rule.endpoint) return;
  const EndpointRule& endpoint = *rule.endpoint;
  bool found = false;
  for (const Target& target : intent.fields().targets) {
    for (const std::string& finding : endpoint_findings(endpoint, target)) {
      found = true;
      out.reasons.push_back(finding);
      out.violations.push_back(finding);
    }
  }
  if (endpoint.destructive_action && intent.has_destructive_target()) {
    found = true;
    out.reasons.emplace_back("endpoint_destructive_operation");
    out.violations.emplace_back("destructive_operation");
    out.raise_to(*endpoint.destructive_action);
  }
  if (!found) return;
  out.reasons.push_back(endpoint.reason_code);
  out.violations.push_back(endpoint.violation);
  out.raise_to(endpoint.action);
}

void judge_context(const Rule& rule, const ContextEvidence& evidence, RuleOutcome& out) {
  if (!rule.demands_context()) return;
  const auto block = [&out](std::initializer_list<std::string_view> reasons, std::string_view violation) {
    for (const std::string_view reason : reasons) out.reasons.emplace_back(reason);
    out.violations.emplace_back(violation);
    out.has_context_reason = true;
    out.raise_to(Verdict::Block);
  };
  if (evidence.set_digest.empty()) {
    block({"context_evidence_missing", "context_set_digest_missing"}, "missing_context_evidence");
  }
  if (rule.context_mode_required && evidence.mode != "required") {
    block({"context_evidence_mode_mismatch"}, "context_evidence_mode_violation");
  }
  if (rule.max_context_age_seconds > 0) {
    // A claimed age below zero is no age.
    const bool fresh = evidence.age_seconds && *evidence.age_seconds >= 0 &&
                       *evidence.age_seconds <= static_cast<double>(rule.max_context_age_seconds);
    if (!fresh) block({"context_freshness_exceeded"}, "context_freshness_violation");
  }
}

// gait-formats §7.2.8.
void judge_destructive_targets(const Intent& intent, RuleOutcome& out) {
  if (!intent.has_destructive_target()) return;
  const std::vector<Target>& targets = intent.fields().targets;
  const bool only_programs = std::all_of(targets.begin(), targets.end(),
                                         [](const Target& target) { return target.endpoint_class == "proc.exec"; });
  if (out.sandbox_is_valid && only_programs) return;
  if (intent.context().phase == "plan") {
    out.raise_to(Verdict::DryRun);
    out.reasons.emplace_back("plan_phase_non_destructive");
  } else {
    out.raise_to(Verdict::RequireApproval);
    out.reasons.emplace_back("destructive_apply_requires_approval");
  }
}

}  // namespace

void RuleOutcome::refuse(const std::string& code) {
  reasons.push_back(code);
  violations.push_back(code);
  raise_to(Verdict::Block);
}

void RuleOutcome::raise_to(Verdict least) {
  effect = std::max(effect, least);
}

std::string reason_of_rule(const std::string& name) {
  std::string text = Json(name).gait_line();
  while (!text.empty() && (text.back() == '"' || text.back() == '\n')) text.pop_back();
  text.erase(0, text.find_first_not_of('"'));
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == ' ' || c == '-'; }, '_');
  return "matched_rule_" + lowered(text);
}

RuleOutcome outcome_of(const Rule& rule, const JudgedIntent& judged, UtcTime now) {
  RuleOutcome out;
  out.effect = rule.effect;
  out.reasons = rule.reason_codes.empty() ? Texts{reason_of_rule(rule.name)} : rule.reason_codes;
  out.violations = rule.violations;
  judge_dataflow(rule, judged.intent, out);
  judge_endpoint(rule, judged.intent, out);
  judge_context(rule, judged.context, out);
  judge_agent(rule, judged.intent, now, out);
  judge_credential(rule, judged.intent, out);
  judge_freeze(rule, judged.intent, now, out);
  judge_sandbox(rule, judged.intent, out);
  judge_destructive_targets(judged.intent, out);
  out.min_approvals = rule.min_approvals;
  if (out.effect == Verdict::RequireApproval && out.min_approvals == 0) out.min_approvals = 1;
  return out;
}

}  // namespace countersign::gate
