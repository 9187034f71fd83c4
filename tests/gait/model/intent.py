"""An intent's normalisation and digests, from the reference's section 5, sharing nothing with the product."""
import re
import urllib.parse

from jcs import ZERO_TIME, by_bytes, digest, lower, normal, text_set, time, time_text, trim

TARGET = {"kind": "s", "value": "s", "operation": "s", "sensitivity": "s", "endpoint_class": "s", "endpoint_domain": "s",
          "destructive": "b", "discovery_method": "s", "read_only_hint": "b", "destructive_hint": "b",
          "idempotent_hint": "b", "open_world_hint": "b"}
PROVENANCE = {"arg_path": "s", "source": "s", "source_ref": "s", "integrity_digest": "s"}
SKILL = {"skill_name": "s", "skill_version": "s", "source": "s", "publisher": "s", "digest": "s", "signature_key_id": "s"}
LINK = {"delegator_identity": "s", "delegate_identity": "s", "scope_class": "s", "token_ref": "s", "issued_at": "t",
        "expires_at": "t"}
DELEGATION = {"requester_identity": "s", "scope_class": "s", "token_refs": ["s"], "chain": [LINK], "issued_at": "t",
              "expires_at": "t"}
AGENT = {"lifecycle_states": ["s"], "owner": "s", "manifest_digest": "s", "publisher": "s", "source": "s",
         "issued_at": "t", "approved_at": "t", "expires_at": "t", "revoked": "b"}
SANDBOX = {"network_mode": "s", "writable_paths": ["s"], "read_only_roots": ["s"], "env_exposure_mode": "s",
           "timeout_seconds": "i", "filesystem_isolation": "s", "user_mode": "s", "evidence_ref": "s",
           "evidence_digest": "s"}
TEXTS = ("agent_id run_id workflow_id repo environment job_id session_id request_id credential_ref credential_issuer "
         "credential_subject credential_owner credential_target_binding credential_run_binding credential_job_binding "
         "approval_ref wrkr_inventory_ref agent_action_bom_ref environment_fingerprint").split()
CONTEXT = {"identity": "s", "workspace": "s", "risk_class": "s", "phase": "s", "agent_identity": AGENT,
           "credential_source": "s", "credential_access_type": "s", "credential_ttl_seconds": "i", "auth_context": "m",
           "sandbox": SANDBOX, "credential_scopes": ["s"], "context_set_digest": "s", "context_evidence_mode": "s",
           "context_refs": ["s"], **{name: "s" for name in TEXTS}}
STEP = {"tool_name": "s", "args": "m", "targets": [TARGET], "arg_provenance": [PROVENANCE]}
INTENT = {"schema_id": "s", "schema_version": "s", "created_at": "t", "producer_version": "s", "tool_name": "s",
          "args": "m", "args_digest": "s", "intent_digest": "s", "script_hash": "s", "script": {"steps": [STEP]},
          "targets": [TARGET], "arg_provenance": [PROVENANCE], "skill_provenance": SKILL, "delegation": DELEGATION,
          "relationship": {}, "context": CONTEXT}
# Structures that stay absent where the document has none.
OPTIONAL = ("script", "skill_provenance", "delegation", "agent_identity", "sandbox")

KINDS = "path url host repo bucket table queue topic other".split()
CLASSES = "fs.read fs.write fs.delete proc.exec net.http net.dns ui.click ui.type ui.navigate other".split()
DISCOVERY = "webmcp dynamic_mcp a2a mcp static_mcp manual unknown".split()
SOURCES = ("aws_iam_user aws_sts azure_federated command env gcp_sts github_oidc github_pat "
           "kubernetes_service_account stub unknown vault_dynamic").split()
ACCESS = "cloud_admin inherited jit standing static unknown".split()
MODES = {"network_mode": "disabled egress_allowlist full".split(), "env_exposure_mode": "allowlist full none".split(),
         "filesystem_isolation": "container none workspace".split(), "user_mode": "default root unprivileged".split()}
SECRET_WORDS = ("token secret password credential apikey api_key api-key accesskey access_key access-key").split() + [
    "api key", "access key"]
HARMLESS = tuple("_ref _refs _digest _digests _hash _issuer _source _type _ttl _ttl_seconds _id _ids _name _names _scope "
                 "_scopes".split())
OPERATIONS = {"path": [("read get list open cat head download stat", "fs.read"),
                       ("write append put create update save copy move rename", "fs.write"),
                       ("delete remove rm unlink rmdir drop truncate", "fs.delete")],
              "other": [("exec spawn run shell command", "proc.exec")]}
WORDS = {"path": [("read list fetch search", "fs.read"), ("write update save create", "fs.write"),
                  ("delete remove rm drop", "fs.delete")],
         "other": [("exec spawn run shell command", "proc.exec")]}
DESTRUCTIVE = "delete remove rm unlink rmdir drop truncate exec spawn".split()
HEX = re.compile("[0-9a-f]{64}")


class Refused(Exception):
    pass


def require(condition):
    if not condition:
        raise Refused


def typed(shape, value):
    """`value` as Go decodes it into `shape`."""
    if isinstance(shape, list):
        require(isinstance(value, list))
        return [typed(shape[0], {} if e is None and isinstance(shape[0], dict) else "" if e is None else e)
                for e in value]
    if isinstance(shape, dict):
        require(isinstance(value, dict))
        out = {name: {"s": "", "b": False, "i": 0, "t": None, "m": None}[kind] if isinstance(kind, str)
               else [] if isinstance(kind, list) else None if name in OPTIONAL else typed(kind, {})
               for name, kind in shape.items()}
        for given, member in value.items():
            name = lower(given).replace("\u017f", "s")
            if name in shape and member is not None:
                out[name] = typed(shape[name], member)
        return out
    if shape == "s":
        require(isinstance(value, str))
    elif shape == "b":
        require(isinstance(value, bool))
    elif shape == "i":
        require(isinstance(value, int) and not isinstance(value, bool) and -2**63 <= value < 2**63)
    elif shape == "m":
        require(isinstance(value, dict))
    else:
        require(isinstance(value, str))
        value = time(value)
        require(value is not None)
    return value


def free(value, strict):
    if isinstance(value, str):
        require(not strict or value == trim(value))
        return trim(value)
    if isinstance(value, list):
        return [free(e, strict) for e in value]
    if isinstance(value, dict):
        out = {}
        for name, member in value.items():
            require(trim(name) and (not strict or name == trim(name)) and trim(name) not in out)
            out[trim(name)] = free(member, strict)
        return out
    return value


def material(text):
    low = lower(trim(text))
    text = trim(text)
    if low.startswith(("env:", "stub:", "cmd:", "ref:", "sha256:")) or HEX.fullmatch(low) and HEX.fullmatch(text.lower()):
        return False
    if text.startswith(("ghp_", "gho_", "github_pat_", "sk-", "AKIA", "ASIA")):
        return True
    return (len(by_bytes(text)) >= 16 and not re.search("[ \t\r\n]", text) and bool(re.search("[A-Za-z]", text))
            and bool(re.search("[0-9]", text)))


def scan(value):
    if isinstance(value, list):
        for element in value:
            scan(element)
    elif isinstance(value, dict):
        for name, member in value.items():
            key = normal(name)
            named = any(word in key for word in SECRET_WORDS) and not key.endswith(HARMLESS)
            require(not (named and isinstance(member, str) and material(member)))
            scan(member)


def endpoint_class(kind, operation, tool):
    if kind in ("host", "url"):
        return "net.dns" if operation in ("dns", "resolve", "lookup") else "net.http"
    for words, name in OPERATIONS.get(kind, []):
        if operation in words.split():
            return name
    last = tool.rsplit("/", 1)[-1]
    for words, name in WORDS.get(kind, []):
        if any(word in last for word in words.split()):
            return name
    return "other"


def domain(kind, value):
    if kind == "host":
        for scheme in ("http://", "https://"):
            value = value[len(scheme):] if value.startswith(scheme) else value
        return lower(value.split("/")[0].split(":")[0])
    if kind != "url":
        return ""
    try:
        return lower(urllib.parse.urlsplit(value).hostname or "")
    except ValueError:
        return ""


def target(given, tool):
    out = dict(given)
    for name in ("kind", "operation", "sensitivity", "endpoint_class", "endpoint_domain", "discovery_method"):
        out[name] = normal(out[name])
    out["value"] = trim(out["value"])
    require(out["kind"] and out["value"])
    require(out["kind"] in KINDS)
    out["discovery_method"] = out["discovery_method"].replace("-", "_").replace(" ", "_") or "unknown"
    require(out["discovery_method"] in DISCOVERY)
    out["endpoint_class"] = out["endpoint_class"] or endpoint_class(out["kind"], out["operation"], tool)
    require(out["endpoint_class"] in CLASSES)
    out["endpoint_domain"] = out["endpoint_domain"] or domain(out["kind"], out["value"])
    out["destructive"] = (out["destructive"] or out["destructive_hint"] or
                          out["endpoint_class"] in ("fs.delete", "proc.exec") or out["operation"] in DESTRUCTIVE)
    return out


def targets(given, tool):
    order = ("kind value operation sensitivity endpoint_class endpoint_domain destructive discovery_method read_only_hint "
             "destructive_hint idempotent_hint open_world_hint").split()
    unique = {tuple(t[name] for name in order): t for t in (target(g, tool) for g in given)}
    key = lambda row: tuple(by_bytes(v) if isinstance(v, str) else v for v in row)  # noqa: E731
    return [unique[row] for row in sorted(unique, key=key)]


def provenance(given):
    rows = set()
    for entry in given:
        row = (trim(entry["arg_path"]), normal(entry["source"]), trim(entry["source_ref"]),
               normal(entry["integrity_digest"]))
        require(row[0] and row[1])
        require(row[1] in ("user", "tool_output", "external", "system"))
        require(not row[3] or HEX.fullmatch(row[3]))
        rows.add(row)
    return [dict(zip(PROVENANCE, row)) for row in sorted(rows, key=lambda r: tuple(map(by_bytes, r)))]


def clean(path):
    parts = []
    for part in path.split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part == ".." and path.startswith("/") or part in ("", "."):
            continue
        else:
            parts.append(part)
    return ("/" if path.startswith("/") else "") + "/".join(parts) or "."


def after(later, earlier, equal_ok=False):
    return later is None or earlier is None or later > earlier or (equal_ok and later == earlier)


def sandbox(box):
    for name, known in MODES.items():
        box[name] = normal(box[name])
        require(not box[name] or box[name] in known)
    require(box["timeout_seconds"] >= 0)
    for name in ("writable_paths", "read_only_roots"):
        paths = [trim(p) for p in box[name] if trim(p)]
        require(not any(re.match("[A-Za-z_][A-Za-z0-9_]*=", p) for p in paths))
        box[name] = text_set([clean(p) for p in paths if clean(p) != "."], False)
    box["evidence_ref"], box["evidence_digest"] = trim(box["evidence_ref"]), normal(box["evidence_digest"])
    require(not box["evidence_digest"] or HEX.fullmatch(box["evidence_digest"]))
    prefixed = lower(box["evidence_ref"]).startswith(("ref:", "receipt:", "proof:", "sandbox:", "sha256:"))
    require(prefixed or not material(box["evidence_ref"]))
    return box if any(box.values()) else None


def agent(one):
    one["lifecycle_states"] = text_set(one["lifecycle_states"], False)
    one["owner"], one["publisher"] = trim(one["owner"]), trim(one["publisher"])
    one["manifest_digest"], one["source"] = normal(one["manifest_digest"]), normal(one["source"])
    require(not one["manifest_digest"] or HEX.fullmatch(one["manifest_digest"]))
    require(after(one["approved_at"], one["issued_at"], True))
    require(after(one["expires_at"], one["issued_at"]) and after(one["expires_at"], one["approved_at"]))
    return one


def context(given):
    out = given
    out["identity"], out["workspace"] = trim(out["identity"]), trim(out["workspace"]).replace("\\", "/")
    out["risk_class"], out["phase"] = normal(out["risk_class"]), normal(out["phase"]) or "apply"
    require(out["identity"] and out["workspace"] and out["risk_class"] and out["phase"] in ("plan", "apply"))
    for name in TEXTS:
        out[name] = trim(out[name])
    out["credential_source"], out["credential_access_type"] = map(
        normal, (out["credential_source"], out["credential_access_type"]))
    require(out["credential_source"] in ["", *SOURCES] and out["credential_access_type"] in ["", *ACCESS])
    require(out["credential_ttl_seconds"] >= 0)
    require(not normal(out["context_set_digest"]) or HEX.fullmatch(normal(out["context_set_digest"])))
    require(normal(out["context_evidence_mode"]) in ("", "best_effort", "required"))
    auth = free(out["auth_context"] or {}, False)
    scan(auth)
    auth.pop("context_age_seconds", None)
    out["auth_context"] = auth or None
    for name in ("context_set_digest", "context_evidence_mode", "context_refs"):
        out[name] = None  # only an envelope sets them
    out["credential_scopes"] = text_set(out["credential_scopes"], False)
    out["sandbox"] = sandbox(out["sandbox"]) if out["sandbox"] else None
    out["agent_identity"] = agent(out["agent_identity"]) if out["agent_identity"] else None
    return out


def delegation(one):
    one["requester_identity"], one["scope_class"] = trim(one["requester_identity"]), normal(one["scope_class"])
    require(one["requester_identity"])
    one["token_refs"] = text_set(one["token_refs"], False)
    previous = None
    for link in one["chain"]:
        for name in ("delegator_identity", "delegate_identity", "token_ref"):
            link[name] = trim(link[name])
        link["scope_class"] = normal(link["scope_class"])
        require(link["delegator_identity"] and link["delegate_identity"])
        require(after(link["expires_at"], link["issued_at"]))
        require(previous in (None, link["delegator_identity"]))
        previous = link["delegate_identity"]
    require(previous in (None, one["requester_identity"]))
    require(after(one["expires_at"], one["issued_at"]))
    return one


def normalised(document, strict):
    """The intent's members, normalised. With `strict`, what digests do not tell apart is refused, as ours does."""
    out = typed(INTENT, document)
    if out["script"] is not None:
        steps = out["script"]["steps"]
        require(1 <= len(steps) <= 64)
        for step in steps:
            step["tool_name"] = normal(step["tool_name"])
            require(step["tool_name"])
            step["args"] = free(step["args"] or {}, strict)
            step["targets"] = targets(step["targets"], step["tool_name"])
            step["arg_provenance"] = provenance(step["arg_provenance"])
    out["tool_name"] = "script" if out["script"] else normal(out["tool_name"])
    require(out["tool_name"])
    out["args"] = free(out["args"] or {}, strict)
    scan(out["args"])
    if out["script"]:
        for name in ("targets", "arg_provenance"):
            out[name] = out[name] or [e for step in out["script"]["steps"] for e in step[name]]
    out["targets"] = targets(out["targets"], out["tool_name"])
    out["arg_provenance"] = provenance(out["arg_provenance"])
    if out["skill_provenance"]:
        skill = {name: normal(v) if name in ("source", "digest") else trim(v)
                 for name, v in out["skill_provenance"].items()}
        require(skill["skill_name"] and skill["source"] and skill["publisher"])
        require(not skill["digest"] or HEX.fullmatch(skill["digest"]))
        out["skill_provenance"] = skill
    out["context"] = context(out["context"])
    if out["delegation"]:
        out["delegation"] = delegation(out["delegation"])
    return out


ALWAYS = {"kind", "value", "arg_path", "skill_name", "requester_identity", "delegator_identity",
          "delegate_identity", "identity", "workspace", "risk_class", "tool_name", "args"}
TIMES = {"issued_at", "approved_at", "expires_at"}


def hashed(value, always=ALWAYS):
    """A structure as gait encodes it: empty members left out, times never."""
    if isinstance(value, list):
        return [hashed(e, always) for e in value]
    if not isinstance(value, dict):
        return value
    out = {}
    for name, member in value.items():
        if name in TIMES:
            out[name] = time_text(member) if member else ZERO_TIME
        elif name in always or member not in (None, "", False, 0, [], {}):
            free_map = name in ("args", "auth_context")
            out[name] = member if free_map else hashed(member, always)
    return out


def intent_digest(intent):
    form = {"tool_name": intent["tool_name"], "args": intent["args"], "targets": hashed(intent["targets"]),
            "context": hashed(intent["context"])}
    if intent["script"]:
        form["script"] = hashed(intent["script"])
        form["script_hash"] = digest(form["script"])
    if intent["arg_provenance"]:
        form["arg_provenance"] = hashed(intent["arg_provenance"], ALWAYS | {"source"})
    if intent["skill_provenance"]:
        form["skill_provenance"] = hashed(intent["skill_provenance"], ALWAYS | {"source", "publisher"})
    if intent["delegation"]:
        form["delegation"] = hashed(intent["delegation"])
    return digest(form)
