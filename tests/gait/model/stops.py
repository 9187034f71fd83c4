"""The kill switch, from the reference's section 14, sharing nothing with the product."""
from intent import clean, require, typed
from jcs import lower, normal, text_set, trim
from patterns import within

SCHEMA = "gait.gate.kill_switch_state"
ENTRY = {"entry_id": "s", "enabled": "b", "agent_id": "s", "identity": "s", "tool_name": "s", "target_kind": "s",
         "target_value": "s", "environment": "s", "path_prefixes": ["s"], "workspace_prefixes": ["s"], "reason": "s",
         "actor": "s", "created_at": "t", "expires_at": "t"}
STATE = {"schema_id": "s", "schema_version": "s", "created_at": "t", "updated_at": "t", "producer_version": "s",
         "entries": [ENTRY]}
NEVER = (None, (0, 0))


def entries(document):
    """The file's entries, normalised."""
    state = typed(STATE, document)
    require(state["schema_id"] == SCHEMA)
    for entry in state["entries"]:
        for name in ("entry_id", "agent_id", "identity", "target_value", "reason", "actor"):
            entry[name] = trim(entry[name])
        for name in ("tool_name", "target_kind", "environment"):
            entry[name] = normal(entry[name])
        for name in ("path_prefixes", "workspace_prefixes"):
            entry[name] = [clean(prefix) for prefix in text_set(entry[name], False)]
    return state["entries"]


def selectors(entry, intent):
    """The names of the entry's selectors; None where one of them does not match."""
    context, targets = intent["context"], intent["targets"]
    def below(path, prefixes):
        return any(within(clean(path), prefix) for prefix in prefixes)
    rows = (("agent_id", entry["agent_id"], context["agent_id"] == entry["agent_id"]),
            ("identity", entry["identity"], context["identity"] == entry["identity"]),
            ("tool_name", entry["tool_name"], intent["tool_name"] == entry["tool_name"]),
            ("environment", entry["environment"], lower(context["environment"]) == entry["environment"]),
            ("target", entry["target_kind"] or entry["target_value"],
             any(entry["target_kind"] in ("", t["kind"]) and entry["target_value"] in ("", t["value"]) for t in targets)),
            ("path", entry["path_prefixes"], any(t["kind"] == "path" and below(t["value"], entry["path_prefixes"]) for t in targets)),
            ("workspace", entry["workspace_prefixes"], below(context["workspace"], entry["workspace_prefixes"])))
    given = [(name, fits) for name, wanted, fits in rows if wanted]
    return [name for name, _ in given] if all(fits for _, fits in given) else None


def found(listed, intent, now):
    """(ids of the entries that stop the intent or a step of it, the reason codes)."""
    ids, codes = set(), set()
    steps = intent["script"]["steps"] if intent["script"] else []
    for looked_at in [intent, *({**intent, **step, "script": None} for step in steps)]:
        for entry in listed:
            if not entry["enabled"] or entry["expires_at"] not in NEVER and entry["expires_at"] <= now:
                continue
            names = selectors(entry, looked_at)
            if names is not None:
                ids.add(entry["entry_id"])
                codes |= {"kill_switch_active", *(f"kill_switch_{name}_active" for name in names)}
    return sorted(i for i in ids if i), sorted(codes)
