#include "gate/decision/rule_match.h"

#include <algorithm>

#include "common/text.h"
#include "gate/document/paths.h"

namespace countersign::gate {
namespace {

template <typename Member>
bool some_target(const Texts& list, const Intent& intent, Member member) {
  if (list.empty()) return true;
  const std::vector<Target>& targets = intent.fields().targets;
  return std::any_of(targets.begin(), targets.end(), [&](const Target& target) { return holds(list, target.*member); });
}

bool annotation_holds(std::optional<bool> wanted, const Intent& intent, bool Target::*hint) {
  if (!wanted) return true;
  const std::vector<Target>& targets = intent.fields().targets;
  return std::any_of(targets.begin(), targets.end(), [&](const Target& target) { return target.*hint == *wanted; });
}

bool permits(const Rule& rule) {
  return rule.effect < Verdict::RequireApproval;
}

bool workspace_holds(const Rule& rule, const std::string& workspace) {
  const Texts& prefixes = rule.match.workspace_prefixes;
  if (prefixes.empty()) return true;
  return std::any_of(prefixes.begin(), prefixes.end(), [&](const std::string& prefix) {
    if (!workspace.starts_with(prefix)) return false;
    return !permits(rule) || is_within(cleaned_path(workspace), cleaned_path(prefix));
  });
}

// gait believes what the caller claims about its own tool (gait-formats §19.12); here a claim may restrict, and only
// what an inventory knows may permit.
bool context_holds(const Texts& list, const Rule& rule, const Intent& intent, std::string_view name) {
  if (list.empty()) return true;
  if (permits(rule) && !intent.context().tool_facts_are_known) return false;
  const Json* value = intent.context().auth_context.find(name);
  return value != nullptr && value->is_string() && holds(list, lowered(trimmed(value->as_string())));
}

bool skill_holds(const Texts& list, const std::optional<SkillProvenance>& skill, std::string SkillProvenance::*member) {
  if (list.empty()) return true;
  return skill && holds(list, lowered(trimmed((*skill).*member)));
}

bool delegation_holds(const Match& match, const std::optional<Delegation>& delegation) {
  if (!demands_delegation(match)) return true;
  if (!delegation) return false;
  const std::vector<DelegationLink>& chain = delegation->chain;
  if (match.max_delegation_depth && static_cast<std::int64_t>(chain.size()) > *match.max_delegation_depth) return false;
  const auto some_link = [&chain](const Texts& list, std::string DelegationLink::*member) {
    return std::any_of(chain.begin(), chain.end(),
                       [&](const DelegationLink& link) { return holds(list, link.*member); });
  };
  if (!match.allowed_delegator_identities.empty() &&
      !some_link(match.allowed_delegator_identities, &DelegationLink::delegator_identity)) {
    return false;
  }
  if (!match.allowed_delegate_identities.empty() &&
      !holds(match.allowed_delegate_identities, delegation->requester_identity) &&
      !some_link(match.allowed_delegate_identities, &DelegationLink::delegate_identity)) {
    return false;
  }
  return match.delegation_scopes.empty() || holds(match.delegation_scopes, delegation->scope_class) ||
         some_link(match.delegation_scopes, &DelegationLink::scope_class);
}

bool provenance_holds(const Texts& list, const std::vector<ArgProvenance>& entries) {
  return list.empty() || std::any_of(entries.begin(), entries.end(),
                                     [&](const ArgProvenance& entry) { return holds(list, entry.source); });
}

}  // namespace

bool holds(const Texts& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool demands_delegation(const Match& match) {
  return match.require_delegation || !match.allowed_delegator_identities.empty() ||
         !match.allowed_delegate_identities.empty() || !match.delegation_scopes.empty() ||
         match.max_delegation_depth.has_value();
}

bool matches(const Rule& rule, const Intent& intent) {
  const Match& match = rule.match;
  const IntentFields& fields = intent.fields();
  const IntentContext& context = fields.context;
  const auto given = [](const Texts& list, const std::string& text) { return list.empty() || holds(list, text); };
  return given(match.tool_names, fields.tool_name) && given(match.risk_classes, context.risk_class) &&
         given(match.identities, context.identity) && workspace_holds(rule, context.workspace) &&
         some_target(match.target_kinds, intent, &Target::kind) &&
         some_target(match.target_values, intent, &Target::value) &&
         some_target(match.endpoint_classes, intent, &Target::endpoint_class) &&
         some_target(match.discovery_methods, intent, &Target::discovery_method) &&
         some_target(match.data_classes, intent, &Target::sensitivity) &&
         some_target(match.destination_kinds, intent, &Target::kind) &&
         some_target(match.destination_values, intent, &Target::value) &&
         some_target(match.destination_operations, intent, &Target::operation) &&
         annotation_holds(match.tool_annotations.read_only, intent, &Target::read_only_hint) &&
         annotation_holds(match.tool_annotations.destructive, intent, &Target::destructive_hint) &&
         annotation_holds(match.tool_annotations.idempotent, intent, &Target::idempotent_hint) &&
         annotation_holds(match.tool_annotations.open_world, intent, &Target::open_world_hint) &&
         skill_holds(match.skill_publishers, fields.skill_provenance, &SkillProvenance::publisher) &&
         skill_holds(match.skill_sources, fields.skill_provenance, &SkillProvenance::source) &&
         provenance_holds(match.provenance_sources, fields.arg_provenance) &&
         context_holds(match.context_tool_names, rule, intent, "wrkr.tool_name") &&
         context_holds(match.context_data_classes, rule, intent, "wrkr.data_class") &&
         context_holds(match.context_endpoint_classes, rule, intent, "wrkr.endpoint_class") &&
         context_holds(match.context_autonomy_levels, rule, intent, "wrkr.autonomy_level") &&
         delegation_holds(match, fields.delegation);
}

}  // namespace countersign::gate
