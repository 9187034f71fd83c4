"""A policy's grammar and digest, from the reference's section 6, sharing nothing with the product. A policy is what its
YAML says, as JSON would: this reads no YAML."""
import re

from intent import ACCESS, CLASSES, DISCOVERY, HEX, Refused, SOURCES, clean, require  # noqa: F401
from jcs import digest, normal, number, text_set, trim

VERDICTS = ("allow", "dry_run", "require_approval", "block")  # weakest first
L, S = ["lower"], ["kept"]
MATCH = {"tool_name": "s", "endpoint_class": L, "tool_names": L, "risk_classes": L, "target_kinds": L, "target_values": S,
         "endpoint_classes": L, "discovery_method": L,
         "tool_annotations": {n: "ob" for n in ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")},
         "skill_publishers": L, "skill_sources": L, "data_classes": L, "destination_kinds": L, "destination_values": S,
         "destination_operations": L, "provenance_sources": L, "identities": S, "workspace_prefixes": S,
         "context_tool_names": L, "context_data_classes": L, "context_endpoint_classes": L, "context_autonomy_levels": L,
         "require_delegation": "b", "allowed_delegator_identities": S, "allowed_delegate_identities": S,
         "delegation_scopes": L, "max_delegation_depth": "oi"}
ENDPOINT = {"enabled": "b", "path_allowlist": S, "path_denylist": S, "domain_allowlist": L, "domain_denylist": L,
            "egress_classes": L, "action": "s", "destructive_action": "s", "reason_code": "s", "violation": "s"}
DATAFLOW = {"enabled": "b", "tainted_sources": L, "destination_kinds": L, "destination_values": S,
            "destination_operations": L, "action": "s", "reason_code": "s", "violation": "s"}
FREEZE = {"enabled": "b", "timezone": "s", "effect": "s", "reason": "s", "environments": L, "risk_classes": L,
          "windows": [{"name": "s", "start": "s", "end": "s"}]}
SANDBOX = {"enabled": "b", "allowed_network_modes": L, "allowed_writable_path_prefixes": S, "required_read_only_roots": S,
           "allowed_env_exposure_modes": L, "max_timeout_seconds": "i", "allowed_filesystem_isolations": L,
           "allowed_user_modes": L}
RATE = {"requests": "i", "window": "s", "scope": "s"}
RULE = {"name": "s", "priority": "i", "effect": "s", "action": "s", "match": MATCH, "endpoint": ENDPOINT,
        "dataflow": DATAFLOW, "reason_codes": S, "violations": S, "min_approvals": "i", "require_distinct_approvers": "b",
        "require_context_evidence": "b", "required_context_evidence_mode": "s", "max_context_age_seconds": "i",
        "require_broker_credential": "b", "broker_reference": "s", "broker_scopes": L, "require_declared_agent": "b",
        "allowed_agent_ids": S, "denied_agent_ids": S, "required_agent_manifest_digest": "s",
        "allowed_agent_manifest_publishers": L, "allowed_agent_manifest_sources": L,
        "required_agent_lifecycle_states": L, "require_agent_owner": "b", "require_unexpired_agent": "b",
        "block_standing_credentials": "b", "allowed_credential_sources": L, "allowed_credential_issuers": S,
        "allowed_credential_access_types": L, "max_credential_ttl_seconds": "i", "require_jit_credential": "b",
        "freeze_window": FREEZE, "sandbox": SANDBOX, "rate_limit": RATE, "destructive_budget": RATE}
POLICY = {"schema_id": "s", "schema_version": "s", "default_verdict": "s", "default_action": "s",
          "scripts": {"max_steps": "i", "require_approval_above": "i", "block_mixed_risk": "b"},
          "fail_closed": {"enabled": "b", "risk_classes": L, "required_fields": L, "required_high_risk_fields": L},
          "mcp_trust": {"enabled": "b", "snapshot": "s", "action": "s", "required_risk_classes": L, "min_score": "f",
                        "max_age": "s", "publisher_allowlist": L, "require_registry": "b"},
          "rules": [RULE]}
FIELDS = "targets arg_provenance endpoint_class delegation context_evidence".split()
HIGH_RISK = ("agent_id agent_identity run_id workflow_id repo environment credential_ref credential_source "
             "credential_access_type credential_issuer credential_ttl_seconds approval_ref wrkr_inventory_ref "
             "agent_action_bom_ref").split()


def text(value):
    """A scalar in a member of text: numbers and booleans are re-formatted."""
    require(not isinstance(value, (list, dict)))
    if isinstance(value, bool):
        return "true" if value else "false"
    return number(value) if isinstance(value, float) else str(value)


def typed(shape, value):
    if shape in (L, S):
        if value is None:
            return []
        require(isinstance(value, list))
        return text_set([text(e) for e in value if e is not None], shape is L)
    if isinstance(shape, list):
        require(value is None or isinstance(value, list))
        return [typed(shape[0], e) for e in value or []]
    if isinstance(shape, dict):
        value = {} if value is None else value
        require(isinstance(value, dict) and set(value) <= set(shape))
        return {name: typed(kind, value.get(name)) for name, kind in shape.items()}
    if value is None:
        return {"s": "", "b": False, "i": 0, "f": 0.0, "ob": None, "oi": None}[shape]
    if shape == "s":
        return text(value)
    if shape in ("b", "ob"):
        require(isinstance(value, bool))
        return value
    if isinstance(value, str) and re.fullmatch("[+-]?([1-9][0-9]*|0)", value):
        value = int(value)
    elif isinstance(value, str) and re.fullmatch("[+-]?[0-9]+[.][0-9]+", value):
        value = float(value)
    require(isinstance(value, (int, float)) and not isinstance(value, bool))
    require(shape == "f" or -2**63 <= value < 2**63)
    return value if shape == "f" else int(value)


def verdict(name):
    require(normal(name) in VERDICTS)
    return normal(name)


def constraint(name, otherwise):
    name = normal(name) or otherwise
    require(name in ("block", "require_approval"))
    return name


def any_of(part, *left_out):
    return any(v for name, v in part.items() if name not in left_out)


def checked_match(match):
    match["tool_names"] = text_set([*match["tool_names"], match.pop("tool_name")], True)
    match["endpoint_classes"] = text_set([*match["endpoint_classes"], *match.pop("endpoint_class")], True)
    require(all(c in CLASSES for c in match["endpoint_classes"]))
    match["discovery_method"] = text_set([m.replace("-", "_").replace(" ", "_") for m in match["discovery_method"]], True)
    require(all(m in DISCOVERY for m in match["discovery_method"]))
    require(match["max_delegation_depth"] is None or match["max_delegation_depth"] >= 0)


def checked_endpoint(part):
    require(all(c in CLASSES and c.startswith("net.") for c in part["egress_classes"]))
    part["reason_code"] = trim(part["reason_code"]) or "endpoint_constraint_violation"
    part["violation"] = trim(part["violation"]) or "endpoint_constraint_violation"
    part["destructive_action"] = normal(part["destructive_action"])
    if not any_of(part, "action", "reason_code", "violation"):
        return None
    part["action"] = constraint(part["action"], "block")
    if part["destructive_action"]:
        part["destructive_action"] = constraint(part["destructive_action"], "")
    return part


def checked_dataflow(part):
    if not any_of(part, "action", "reason_code", "violation"):
        return None
    part["tainted_sources"] = part["tainted_sources"] or ["external", "tool_output"]
    part["action"] = constraint(part["action"], "require_approval")
    part["reason_code"] = trim(part["reason_code"]) or "dataflow_tainted_destination"
    part["violation"] = trim(part["violation"]) or "tainted_dataflow"
    return part


def checked_freeze(part):
    part["timezone"], part["reason"] = trim(part["timezone"]), trim(part["reason"])
    if not any_of(part):
        return None
    require(part["timezone"])
    part["effect"] = constraint(part["effect"], "block")
    require(part["windows"])
    for number, window in enumerate(part["windows"], 1):
        for name in window:
            window[name] = trim(window[name])
        window["name"] = window["name"] or f"window-{number}"
        require(window["start"] and window["end"])
    return part


def checked_sandbox(part):
    for name in ("allowed_writable_path_prefixes", "required_read_only_roots"):
        part[name] = text_set([clean(p) for p in part[name] if clean(p) != "."], False)
    require(part["max_timeout_seconds"] >= 0)
    return part if any_of(part) else None


def checked_rate(part, must_count):
    window, scope = normal(part["window"]), normal(part["scope"])
    require(part["requests"] >= 0)
    require(part["requests"] or not must_count or not (window or scope))
    if not part["requests"]:
        return None
    part["window"], part["scope"] = window or "minute", scope or "tool_identity"
    require(part["window"] in ("minute", "hour") and part["scope"] in ("tool", "identity", "tool_identity"))
    return part


def checked_rule(rule):
    rule["name"] = trim(rule["name"])
    require(rule["name"])
    effect, action = normal(rule["effect"]), normal(rule.pop("action"))
    require((effect or action) and (not effect or not action or effect == action))
    rule["effect"] = verdict(effect or action)
    require(rule["min_approvals"] >= 0 and rule["max_context_age_seconds"] >= 0)
    rule["require_distinct_approvers"] = rule["require_distinct_approvers"] or rule["min_approvals"] > 1
    checked_match(rule["match"])
    rule["endpoint"], rule["dataflow"] = checked_endpoint(rule["endpoint"]), checked_dataflow(rule["dataflow"])
    mode = normal(rule["required_context_evidence_mode"])
    require(mode in ("", "required"))
    rule["required_context_evidence_mode"] = "required" if mode or rule["require_context_evidence"] else ""
    rule["required_agent_manifest_digest"] = normal(rule["required_agent_manifest_digest"])
    require(not rule["required_agent_manifest_digest"] or HEX.fullmatch(rule["required_agent_manifest_digest"]))
    rule["broker_reference"] = trim(rule["broker_reference"])
    require(set(rule["allowed_credential_sources"]) <= set(SOURCES))
    require(set(rule["allowed_credential_access_types"]) <= set(ACCESS))
    require(rule["max_credential_ttl_seconds"] >= 0)
    rule["freeze_window"], rule["sandbox"] = checked_freeze(rule["freeze_window"]), checked_sandbox(rule["sandbox"])
    rule["rate_limit"] = checked_rate(rule["rate_limit"], False)
    rule["destructive_budget"] = checked_rate(rule["destructive_budget"], True)


def checked(document):
    """The policy of what its YAML says; raises Refused."""
    policy = typed(POLICY, document)
    require(policy["schema_id"] in ("", "gait.gate.policy") and policy["schema_version"] in ("", "1.0.0"))
    given, action = normal(policy["default_verdict"]), normal(policy.pop("default_action"))
    require(not given or not action or given == action)
    policy["default_verdict"] = verdict(given or action or "require_approval")
    require(min(policy["scripts"]["max_steps"], policy["scripts"]["require_approval_above"]) >= 0)
    closed = policy["fail_closed"]
    if closed["enabled"] and not closed["risk_classes"]:
        closed["risk_classes"] = ["critical", "high"]
    require(set(closed["required_fields"]) <= set(FIELDS))
    require(set(closed["required_high_risk_fields"]) <= set(HIGH_RISK))
    require(not any_of(policy.pop("mcp_trust")))  # not modelled: the gate does not use it
    for rule in policy["rules"]:
        checked_rule(rule)
    policy["rules"].sort(key=lambda r: (r["priority"], r["name"].encode()))
    return policy


NAMES = {"allowed_agent_ids": "AllowedAgentIDs", "denied_agent_ids": "DeniedAgentIDs",
         "max_credential_ttl_seconds": "MaxCredentialTTLSeconds", "require_jit_credential": "RequireJITCredential",
         "discovery_method": "DiscoveryMethods", "destination_operations": "DestinationOps"}
ALWAYS_IN_MATCH = "tool_names risk_classes target_kinds target_values provenance_sources identities workspace_prefixes".split()


def camel(name):
    return NAMES.get(name) or "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def form(part, always=None, named=camel):
    return {named(name): value for name, value in part.items()
            if always is None or name in always or value not in ("", None, False, 0, [], {})}


def hashed_rule(rule):
    match = dict(rule["match"])
    hints = form({n[:1].upper() + n[1:]: v for n, v in match.pop("tool_annotations").items() if v is not None}, None, str)
    depth = match.pop("max_delegation_depth")
    match = form(match, ALWAYS_IN_MATCH)
    match.update({"ToolAnnotations": hints} if hints else {})
    match.update({"MaxDelegationDepth": depth} if depth is not None else {})
    parts = ("match", "endpoint", "dataflow", "freeze_window", "sandbox", "rate_limit", "destructive_budget")
    out = form({n: v for n, v in rule.items() if n not in parts},
               ["name", "priority", "effect", "reason_codes", "violations"])
    out["Match"] = match
    for name in ("endpoint", "freeze_window", "rate_limit", "destructive_budget"):
        if rule[name]:
            out[camel(name)] = form({**rule[name], **({"enabled": True} if "enabled" in rule[name] else {})})
    if rule["freeze_window"]:
        out["FreezeWindow"]["Windows"] = [form(w) for w in rule["freeze_window"]["windows"]]
    if rule["sandbox"]:
        box = form({**rule["sandbox"], "enabled": True})
        for name in ("AllowedWritablePathPrefixes", "RequiredReadOnlyRoots"):
            box[name] = box[name] or None
        out["Sandbox"] = box
    if rule["dataflow"]:
        flow = {**rule["dataflow"], "enabled": True}
        out["Dataflow"] = form(flow, ["enabled", "tainted_sources", "action", "reason_code", "violation"],
                               lambda n: "".join(w.capitalize() for w in n.split("_")))
    return out


def policy_digest(policy):
    closed = policy["fail_closed"]
    out = {"SchemaID": "gait.gate.policy", "SchemaVersion": "1.0.0", "DefaultVerdict": policy["default_verdict"],
           "FailClosed": form(closed, ["enabled", "risk_classes", "required_fields"]),
           "Rules": [hashed_rule(rule) for rule in policy["rules"]]}
    if any_of(policy["scripts"]):
        out["Scripts"] = form(policy["scripts"])
    return digest(out)
