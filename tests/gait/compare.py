"""How an answer or a file of ours is compared with the recorded one: what changes from run to run is left out."""
import hashlib
import io
import json
import re
import zipfile

# Members that differ between two runs of gait itself, or name the program.
VOLATILE = {"observed_at", "event_id", "latency_ms", "sig", "signed_digest", "evaluated_at", "decision_latency_ms",
            "duration_ms", "producer_version"}
# Volatile only in what is made anew: tokens, receipts, journals.
MINTED = {"created_at", "updated_at", "expires_at", "issued_at"}
# Members of ours beside gait's, everywhere (interfaces: `error` is gait's text, ours is `error_detail`).
OURS = {"error_detail"}
# Entries of a pack that hold the digests of others, in the order they are made.
MANIFESTS = {"evidence_pointers.json": 1, "pack_manifest.json": 2}
STAMP = re.compile(r"\d{8}T\d{6}(\.\d+)?Z")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


class Names:
    """What ours calls an id that gait called otherwise: ids of tokens and keys made during the replay."""

    def __init__(self):
        self._gaits = {}

    def learn(self, ours, gaits):
        if isinstance(ours, str) and isinstance(gaits, str) and len(ours) >= 20 and ours != gaits:
            self._gaits[ours] = gaits

    def translated(self, text):
        for ours, gaits in self._gaits.items():
            text = text.replace(ours, gaits)
        return text


def _sorted_ids(value):
    """Ids made anew sort differently: lists and comma lists of them are compared as sets."""
    if isinstance(value, dict):
        out = {name: _sorted_ids(member) for name, member in value.items()}
        for name in ("approval_ref", "approval_token_ref", "delegation_ref", "delegation_token_ref"):
            if isinstance(out.get(name), str):
                out[name] = ",".join(sorted(out[name].split(",")))
        for name in ("entries", "related_entity_ids", "entity_refs"):
            if isinstance(out.get(name), list):
                out[name] = sorted(out[name], key=lambda e: json.dumps(e, sort_keys=True))
        return out
    return [_sorted_ids(member) for member in value] if isinstance(value, list) else value


def without(value, names):
    if isinstance(value, dict):
        return {k: without(v, names) for k, v in value.items() if k not in names}
    return [without(v, names) for v in value] if isinstance(value, list) else value


def member_order(value):
    """The order in which members stand, all the way down."""
    if isinstance(value, dict):
        return [[k, member_order(v)] for k, v in value.items() if k not in VOLATILE | MINTED]
    return [member_order(v) for v in value] if isinstance(value, list) else None


def differences(gaits, ours, path=""):
    """[(path, gait's, ours)] where two JSON values differ."""
    if isinstance(gaits, dict) and isinstance(ours, dict):
        found = []
        for name in sorted(set(gaits) | set(ours)):
            found += differences(gaits.get(name, "(absent)"), ours.get(name, "(absent)"), f"{path}/{name}")
        return found
    same = gaits == ours and isinstance(gaits, bool) == isinstance(ours, bool)
    return [] if same else [(path or "/", gaits, ours)]


def _normal(value, minted):
    return _sorted_ids(without(value, VOLATILE | (MINTED if minted else set())))


def answer_differences(gaits, ours, argv):
    """Between two `json` answers of one command. `ours` is None where no JSON was printed."""
    gaits = gaits or None  # plain text is recorded as an empty object
    if ours is None:
        return [("/", gaits, "(no JSON)")] if gaits is not None else []
    minted = argv[1:2] != ["gate"] and argv[1:3] != ["trace", "verify"]
    text = json.dumps(without(ours, OURS))
    return differences(_normal(json.loads(STAMP.sub("STAMP", json.dumps(gaits))), minted),
                       _normal(json.loads(STAMP.sub("STAMP", text)), minted))


def _journal(data):
    return [without(json.loads(line), VOLATILE | MINTED | {"at", "timestamp"}) for line in data.decode().splitlines()]


def _minted_file(document):
    schema = document.get("schema_id", "") if isinstance(document, dict) else ""
    return schema.endswith(("_token", "broker_credential_record", "approved_script_entry", "rate_limit_state",
                             "kill_switch_state"))


def file_differences(path, gaits, ours, names):
    """Between two files of one path; `names` translates ids of ours."""
    if gaits == ours:
        return []
    if path.endswith(".key"):
        return [] if len(gaits) == len(ours) else [(path, f"{len(gaits)} bytes", f"{len(ours)} bytes")]
    if path.endswith(".zip"):
        return _archive_differences(path, gaits, ours, names)
    try:
        text = names.translated(ours.decode())
        if path.endswith(".jsonl"):
            return differences(_journal(gaits), _journal(text.encode()), path)
        recorded, written = json.loads(gaits), json.loads(text)
    except ValueError:
        return [(path, gaits[:200], ours[:200])]
    minted = _minted_file(recorded) or path.endswith("registry.json")
    if "rate_limit_state" in str(recorded.get("schema_id") if isinstance(recorded, dict) else ""):
        recorded, written = (json.loads(TIME.sub("TIME", json.dumps(v))) for v in (recorded, written))
    if isinstance(written, dict):
        written.pop("countersign", None)
    if re.split("[/#]", path)[-1].startswith(("approval_audit", "delegation_audit")):
        recorded, written = (without(document, {"expires_at"}) for document in (recorded, written))
    if isinstance(recorded, dict) and recorded.get("pre_approved"):
        minted = True  # the decision's time is the clock's, not the intent's
    found = differences(_normal(recorded, minted), _normal(written, minted), path)
    if not found and member_order(_sorted_ids(recorded)) != member_order(_sorted_ids(written)):
        found = [(path, "order of members", list(written) if isinstance(written, dict) else written)]
    return found


def _archive_differences(path, gaits, ours, names):
    try:
        both = [{entry.filename: archive.read(entry) for entry in archive.infolist()}
                for archive in (zipfile.ZipFile(io.BytesIO(data)) for data in (gaits, ours))]
    except zipfile.BadZipFile as fault:
        return [(path, "a zip", str(fault))]
    found = [] if list(both[0]) == list(both[1]) else [(path, list(both[0]), list(both[1]))]
    # Digests of entries that agree are called what gait's are: some hold what was made anew. Manifests come last.
    digests = Names()
    for name in sorted(set(both[0]) & set(both[1]), key=lambda name: (name in MANIFESTS, MANIFESTS.get(name))):
        text = digests.translated(both[1][name].decode("latin-1")).encode("latin-1")
        differs = file_differences(f"{path}#{name}", both[0][name], text, names)
        found += differs
        if not differs:
            digests.learn(*(hashlib.sha256(archive[name]).hexdigest() for archive in (both[1], both[0])))
    return found
