"""The rule engine, from the reference's section 7, sharing nothing with the product. `strict` has the differences of
differences.json; without it, gait's own answers."""
import datetime
import json
import re
import zoneinfo

from intent import clean, hashed
from jcs import by_bytes, digest, lower, normal, time
from limits import tightest
from patterns import domain_fits, path_fits, within
from policy import VERDICTS

LIMITS = ("rate_limit", "destructive_budget")
NO_LIMITS = dict.fromkeys(LIMITS, ())
OUTWARD = ("host", "url", "bucket", "queue", "topic")
STANDING = ("", "cloud_admin", "inherited", "standing", "static", "unknown")
WRKR = {"context_tool_names": "wrkr.tool_name", "context_data_classes": "wrkr.data_class",
        "context_endpoint_classes": "wrkr.endpoint_class", "context_autonomy_levels": "wrkr.autonomy_level"}
TARGET_LISTS = {"target_kinds": "kind", "target_values": "value", "endpoint_classes": "endpoint_class",
                "discovery_method": "discovery_method", "data_classes": "sensitivity", "destination_kinds": "kind",
                "destination_values": "value", "destination_operations": "operation"}
HINTS = {"readOnlyHint": "read_only_hint", "destructiveHint": "destructive_hint", "idempotentHint": "idempotent_hint",
         "openWorldHint": "open_world_hint"}


def stronger(a, b):
    return max(a, b, key=VERDICTS.index)


def moment(text, zone):
    """The time of a window's text; None where it is none."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", text) or time(text + "Z") is None:
        return None
    local = datetime.datetime.fromisoformat(text).replace(tzinfo=zone)
    return time(local.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"))


class Engine:
    """`now` is the evaluation time, RFC 3339."""

    def __init__(self, strict, now):
        self.strict, self.now = strict, time(now)

    # Whether a rule speaks about an intent (7.1).
    def matches(self, rule, intent):
        match, context = rule["match"], intent["context"]
        targets = intent["targets"]
        permits = VERDICTS.index(rule["effect"]) < VERDICTS.index("require_approval")
        for wanted, given in ((match["tool_names"], intent["tool_name"]), (match["risk_classes"], context["risk_class"]),
                              (match["identities"], context["identity"])):
            if wanted and given not in wanted:
                return False
        if match["workspace_prefixes"]:
            place = context["workspace"]
            inside = [p for p in match["workspace_prefixes"] if place.startswith(p)]
            if self.strict and permits:
                inside = [p for p in inside if within(clean(place), clean(p))]
            if not inside:
                return False
        for wanted, member in TARGET_LISTS.items():
            if match[wanted] and not any(t[member] in match[wanted] for t in targets):
                return False
        for wanted, member in HINTS.items():
            value = match["tool_annotations"][wanted]
            if value is not None and not any(t[member] == value for t in targets):
                return False
        skill = intent["skill_provenance"]
        for wanted, member in (("skill_publishers", "publisher"), ("skill_sources", "source")):
            if match[wanted] and not (skill and normal(skill[member]) in match[wanted]):
                return False
        if match["provenance_sources"] and not any(p["source"] in match["provenance_sources"]
                                                   for p in intent["arg_provenance"]):
            return False
        for wanted, member in WRKR.items():
            value = (context["auth_context"] or {}).get(member)
            known = not (self.strict and permits)
            if match[wanted] and not (known and isinstance(value, str) and normal(value) in match[wanted]):
                return False
        return self.delegation_fits(match, intent["delegation"])

    @staticmethod
    def delegation_fits(match, delegation):
        delegators, delegates, scopes, depth = (match[n] for n in (
            "allowed_delegator_identities", "allowed_delegate_identities", "delegation_scopes", "max_delegation_depth"))
        if not (match["require_delegation"] or delegators or delegates or scopes or depth is not None):
            return True
        if delegation is None:
            return False
        chain = delegation["chain"]
        if depth is not None and len(chain) > depth:
            return False
        if delegators and not any(link["delegator_identity"] in delegators for link in chain):
            return False
        people = [delegation["requester_identity"], *(link["delegate_identity"] for link in chain)]
        if delegates and not set(people) & set(delegates):
            return False
        classes = [delegation["scope_class"], *(link["scope_class"] for link in chain)]
        return not scopes or bool(set(classes) & set(scopes))

    # One rule on one intent (7.2).
    def outcome(self, rule, intent):
        name = json.dumps(rule["name"], ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e")
        name = name.replace("&", "\\u0026").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").strip('"')
        own = "matched_rule_" + lower(name.replace(" ", "_").replace("-", "_"))
        out = {"effect": rule["effect"], "reasons": list(rule["reason_codes"] or [own]),
               "violations": list(rule["violations"]), "sandbox_valid": False}
        self.dataflow(rule, intent, out)
        self.endpoint(rule, intent, out)
        self.context(rule, out)
        self.agent(rule, intent, out)
        self.credential(rule, intent, out)
        self.freeze(rule, intent, out)
        self.sandbox(rule, intent, out)
        destructive = any(t["destructive"] for t in intent["targets"])
        only_programs = all(t["endpoint_class"] == "proc.exec" for t in intent["targets"])
        if destructive and not (out["sandbox_valid"] and only_programs):
            plan = intent["context"]["phase"] == "plan"
            out["effect"] = stronger(out["effect"], "dry_run" if plan else "require_approval")
            out["reasons"].append("plan_phase_non_destructive" if plan else "destructive_apply_requires_approval")
        out["min"] = rule["min_approvals"] or int(out["effect"] == "require_approval")
        return out

    def refuse(self, out, code, violation=None):
        out["reasons"].append(code)
        out["violations"].append(violation or code)
        out["effect"] = "block"

    def dataflow(self, rule, intent, out):
        flow = rule["dataflow"]
        if not flow or not any(p["source"] in flow["tainted_sources"] for p in intent["arg_provenance"]):
            return
        lists = [(n, m) for n, m in (("destination_kinds", "kind"), ("destination_values", "value"),
                                     ("destination_operations", "operation")) if flow[n]]
        def reached(target):
            if not lists:
                return target["kind"] in OUTWARD
            return all(target[m] in flow[n] for n, m in lists)
        if not any(map(reached, intent["targets"])):
            return
        out["effect"] = stronger(out["effect"], flow["action"]) if self.strict else flow["action"]
        out["reasons"].append(flow["reason_code"])
        out["violations"].append(flow["violation"])

    def endpoint(self, rule, intent, out):
        part = rule["endpoint"]
        if not part:
            return
        found = []
        for target in intent["targets"]:
            if target["kind"] == "path":
                spelled = [target["value"]] + ([clean(target["value"])] if self.strict else [])
                fits = lambda patterns, path: any(path_fits(p, path) for p in patterns)  # noqa: E731
                if any(fits(part["path_denylist"], path) for path in spelled):
                    found.append("endpoint_path_denied")
                allowed = all(fits(part["path_allowlist"], path) for path in spelled)
                if self.strict and target["value"] == clean(target["value"]) + "/":
                    allowed = allowed or fits(part["path_allowlist"], clean(target["value"]))
                if part["path_allowlist"] and not allowed:
                    found.append("endpoint_path_not_allowlisted")
            if target["endpoint_domain"]:
                if any(domain_fits(p, target["endpoint_domain"]) for p in part["domain_denylist"]):
                    found.append("endpoint_domain_denied")
                if part["domain_allowlist"] and not any(domain_fits(p, target["endpoint_domain"])
                                                        for p in part["domain_allowlist"]):
                    found.append("endpoint_domain_not_allowlisted")
            if (target["endpoint_class"].startswith("net.") and part["egress_classes"]
                    and target["endpoint_class"] not in part["egress_classes"]):
                found.append("endpoint_egress_class_not_allowed")
        reasons, violations = list(found), list(found)
        if part["destructive_action"] and any(t["destructive"] for t in intent["targets"]):
            reasons.append("endpoint_destructive_operation")
            violations.append("destructive_operation")
            out["effect"] = stronger(out["effect"], part["destructive_action"])
        if reasons:
            out["effect"] = stronger(out["effect"], part["action"])
            out["reasons"] += [*reasons, part["reason_code"]]
            out["violations"] += [*violations, part["violation"]]

    def context(self, rule, out):
        """Without an envelope there is no evidence."""
        required = rule["required_context_evidence_mode"] == "required"
        if not (rule["require_context_evidence"] or required or rule["max_context_age_seconds"]):
            return
        self.refuse(out, "context_evidence_missing", "missing_context_evidence")
        out["reasons"].append("context_set_digest_missing")
        if required:
            self.refuse(out, "context_evidence_mode_mismatch", "context_evidence_mode_violation")
        if rule["max_context_age_seconds"]:
            self.refuse(out, "context_freshness_exceeded", "context_freshness_violation")

    def agent(self, rule, intent, out):
        names = ("require_declared_agent allowed_agent_ids denied_agent_ids required_agent_manifest_digest "
                 "allowed_agent_manifest_publishers allowed_agent_manifest_sources required_agent_lifecycle_states "
                 "require_agent_owner require_unexpired_agent").split()
        if not any(rule[n] for n in names):
            return
        declared, allowed, denied, manifest, publishers, sources, states, owner, unexpired = (rule[n] for n in names)
        name, one = intent["context"]["agent_id"], intent["context"]["agent_identity"]
        given = one or {"owner": "", "lifecycle_states": [], "expires_at": None, "manifest_digest": "", "publisher": "",
                        "source": "", "revoked": False}
        if declared and (not name or one is None):
            self.refuse(out, "agent_unknown", "agent_identity_missing")
        if allowed and name not in allowed or name in denied:
            self.refuse(out, "agent_unknown", "agent_not_declared")
        for code, wrong in (
                ("agent_revoked", given["revoked"]), ("agent_owner_missing", owner and not given["owner"]),
                ("agent_lifecycle_state_invalid", set(states) - set(given["lifecycle_states"])),
                ("agent_expired", unexpired and not (given["expires_at"] and given["expires_at"] > self.now)),
                ("agent_manifest_mismatch", manifest and given["manifest_digest"] != manifest or
                 publishers and lower(given["publisher"]) not in publishers or
                 sources and given["source"] not in sources)):
            if wrong:
                self.refuse(out, code)

    def freeze(self, rule, intent, out):
        part, context = rule["freeze_window"], intent["context"]
        if not part or part["environments"] and lower(context["environment"]) not in part["environments"]:
            return
        if part["risk_classes"] and context["risk_class"] not in part["risk_classes"]:
            return
        try:
            zone = zoneinfo.ZoneInfo(part["timezone"])
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            self.refuse(out, "freeze_window_invalid_timezone")
            return
        for window in part["windows"]:
            start, end = moment(window["start"], zone), moment(window["end"], zone)
            if start is None or end is None or end <= start:
                self.refuse(out, "freeze_window_invalid_window")
                return
            if start <= self.now < end:
                code = "freeze_window_active_" + part["effect"]
                out["reasons"].append(code)
                out["violations"].append(code)
                out["effect"] = stronger(out["effect"], part["effect"])
                return

    def credential(self, rule, intent, out):
        limits = [rule[n] for n in ("block_standing_credentials", "allowed_credential_sources",
                                    "allowed_credential_issuers", "allowed_credential_access_types",
                                    "max_credential_ttl_seconds", "require_jit_credential")]
        if not any(limits) or rule["require_broker_credential"]:
            return
        standing, sources, issuers, types, most, jit = limits
        context = intent["context"]
        source, access, ttl = (context["credential_" + n] for n in ("source", "access_type", "ttl_seconds"))
        bound = digest(hashed(intent["targets"]))
        for code, wrong in (
                ("credential_evidence_missing", not context["credential_ref"] or jit and not access or most and not ttl),
                ("credential_source_unknown", source in ("", "unknown")),
                ("credential_access_type_unknown", access in ("", "unknown")),
                ("credential_not_jit", jit and access not in ("", "jit")),
                ("standing_credential_disallowed", standing and access in STANDING),
                ("credential_source_disallowed", sources and source not in sources),
                ("credential_issuer_disallowed", issuers and context["credential_issuer"] not in issuers),
                ("credential_access_type_disallowed", types and access not in types),
                ("credential_ttl_exceeded", most and ttl > most),
                ("credential_target_binding_mismatch", context["credential_target_binding"] not in ("", bound)),
                ("credential_run_binding_mismatch", context["credential_run_binding"] not in ("", context["run_id"])),
                ("credential_job_binding_mismatch", context["credential_job_binding"] not in ("", context["job_id"]))):
            if wrong:
                self.refuse(out, code)

    def sandbox(self, rule, intent, out):
        limits, box = rule["sandbox"], intent["context"]["sandbox"]
        if not limits:
            return
        codes = []
        if not box:
            codes.append("sandbox_metadata_missing")
        else:
            if not box["evidence_ref"] or not box["evidence_digest"]:
                codes.append("sandbox_evidence_missing")
            for name in ("network_mode", "env_exposure_mode", "filesystem_isolation", "user_mode"):
                allowed = limits[f"allowed_{name}s"]
                if not box[name]:
                    codes.append(f"sandbox_{name}_missing")
                elif allowed and box[name] not in allowed:
                    codes.append(f"sandbox_{name}_disallowed")
            if not box["timeout_seconds"]:
                codes.append("sandbox_timeout_missing")
            elif limits["max_timeout_seconds"] and box["timeout_seconds"] > limits["max_timeout_seconds"]:
                codes.append("sandbox_timeout_exceeded")
            prefixes, roots = limits["allowed_writable_path_prefixes"], limits["required_read_only_roots"]
            if prefixes and not all(any(within(p, x) for x in prefixes) for p in box["writable_paths"]):
                codes.append("sandbox_writable_path_disallowed")
            outer, inner = (box["read_only_roots"], roots) if self.strict else (roots, box["read_only_roots"])
            if roots and not all(any(within(p, x) for x in outer) for p in inner):
                codes.append("sandbox_read_only_root_missing")
        for code in codes:
            self.refuse(out, code)
        out["sandbox_valid"] = not codes

    # All rules on one intent (7, step 5).
    def by_rules(self, policy, intent):
        rules = []
        for rule in policy["rules"]:
            if rules and rule["priority"] != rules[0]["priority"]:
                break
            if self.matches(rule, intent):
                rules.append(rule)
        if not rules:
            return self.default(policy, intent)
        outcomes = [self.outcome(rule, intent) for rule in rules]
        verdict = max((o["effect"] for o in outcomes), key=VERDICTS.index)
        deciding = [(r, o) for r, o in zip(rules, outcomes) if o["effect"] == verdict]
        asks = verdict == "require_approval"
        return {"verdict": verdict, "reasons": {c for _, o in deciding for c in o["reasons"]},
                "violations": {c for _, o in deciding for c in o["violations"]},
                "rules": {r["name"] for r in rules},
                "approvals": max(o["min"] for _, o in deciding) if asks else 0,
                "distinct": asks and any(r["require_distinct_approvers"] for r, _ in deciding),
                "broker": any(r["require_broker_credential"] for r, _ in deciding),
                **{name: tightest(r[name] for r, _ in deciding) for name in LIMITS}}

    def default(self, policy, intent):
        verdict = policy["default_verdict"]
        reasons = {"default_" + verdict}
        if self.strict and verdict == "allow" and any(t["destructive"] for t in intent["targets"]):
            plan = intent["context"]["phase"] == "plan"
            verdict = "dry_run" if plan else "require_approval"
            reasons.add("plan_phase_non_destructive" if plan else "destructive_apply_requires_approval")
        return {"verdict": verdict, "reasons": reasons, "violations": set(), "rules": set(),
                "approvals": int(verdict == "require_approval"), "distinct": False, "broker": False, **NO_LIMITS}

    def fail_closed(self, policy, intent):
        closed, context = policy["fail_closed"], intent["context"]
        if not closed["enabled"] or context["risk_class"] not in closed["risk_classes"]:
            return None
        other = any(t["endpoint_class"] == "other" for t in intent["targets"])
        lacks = {"targets": not intent["targets"], "arg_provenance": not intent["arg_provenance"],
                 "endpoint_class": other, "delegation": not intent["delegation"], "context_evidence": True}
        missing = [f for f in closed["required_fields"] if lacks[f]]
        missing += [f for f in closed["required_high_risk_fields"] if not context[f]]
        reasons = {"context_evidence_missing" if f == "context_evidence" else "fail_closed_missing_" + f for f in missing}
        violations = {"missing_" + f for f in missing}
        if other:
            reasons.add("fail_closed_endpoint_class_unknown")
            violations.add("endpoint_class_unknown")
        if not reasons:
            return None
        return {"verdict": "block", "reasons": reasons, "violations": violations, "rules": set(), "approvals": 0,
                "distinct": False, "broker": False, **NO_LIMITS}

    def decide(self, policy, intent):
        found = self.fail_closed(policy, intent)
        if found:
            return found
        return self.script(policy, intent) if intent["script"] else self.by_rules(policy, intent)

    def script(self, policy, intent):
        steps = intent["script"]["steps"]
        each = [self.by_rules(policy, {**intent, **step, "script": None}) for step in steps]
        out = {"verdict": max((s["verdict"] for s in each), key=VERDICTS.index),
               "approvals": max(s["approvals"] for s in each), "distinct": any(s["distinct"] for s in each),
               "broker": any(s["broker"] for s in each),
               **{name: tightest(rule for s in each for rule in s[name]) for name in LIMITS}}
        for name in ("reasons", "violations", "rules"):
            out[name] = set().union(*(s[name] for s in each))
        limits = policy["scripts"]
        if len(steps) > (limits["max_steps"] or 64):
            out["verdict"] = "block"
            out["reasons"].add("script_max_steps_exceeded")
            out["violations"].add("script_max_steps_exceeded")
        if limits["require_approval_above"] and len(steps) > limits["require_approval_above"]:
            out["verdict"] = stronger(out["verdict"], "require_approval")
            out["reasons"].add("script_step_threshold_approval")
        if limits["block_mixed_risk"] and len({self.risk(step) for step in steps}) > 1:
            out["verdict"] = "block"
            out["reasons"].add("script_mixed_risk_blocked")
            out["violations"].add("script_mixed_risk")
        if out["verdict"] == "require_approval":
            out["approvals"] = out["approvals"] or 1
        return out

    @staticmethod
    def risk(step):
        classes = {t["endpoint_class"] for t in step["targets"]}
        if any(t["destructive"] for t in step["targets"]) or classes & {"fs.delete", "proc.exec"}:
            return 2
        return int(bool(classes & {"fs.write", "net.http", "net.dns"}))


def names(texts):
    return ",".join(sorted(texts, key=by_bytes))
