"""Approval tokens and what they add up to, from the reference's sections 9.1 to 9.4, sharing nothing with the product. `strict` has the
differences of differences.json; without it, gait's own answers. Signatures are looked at by libcrypto."""
import base64
import binascii
import hashlib
import re
import unicodedata

from intent import HEX, Refused, hashed, require, typed
from jcs import TIME, ZERO_TIME, by_bytes, canonical, digest, lower, normal, text_set, time, time_text, trim
from signatures import signature_of, verifies

SCHEMA, VERSION = "gait.gate.approval_token", "1.0.0"
ENVELOPE = {"alg": "s", "key_id": "s", "sig": "s", "signed_digest": "s"}
# Times stay texts: they are hashed in the zone they are written in.
TOKEN = {"schema_id": "s", "schema_version": "s", "created_at": "s", "producer_version": "s", "token_id": "s",
         "approver_identity": "s", "reason_code": "s", "intent_digest": "s", "policy_digest": "s",
         "delegation_binding_digest": "s", "scope": ["s"], "max_targets": "i", "max_ops": "i", "expires_at": "s"}
OMITTED_WHERE_EMPTY = ("delegation_binding_digest", "max_targets", "max_ops")


def written(text):
    """A time as Go writes what it read: the zone stays, zeros at the end of the fraction go."""
    require(time(text) is not None)
    found = TIME.fullmatch(text)
    zone = "Z" if found[8] in ("Z", "+00:00", "-00:00") else found[8]
    fraction = (found[7] or "").rstrip("0")
    return text[:19] + ("." + fraction if fraction else "") + zone


def known(document):
    """(the token in its normal form, its envelope or None): what a signature covers (9.3, step 1)."""
    require(isinstance(document, dict))
    given = {k: v for k, v in document.items() if lower(k).replace("\u017f", "s") != "signature"}
    envelopes = [v for k, v in document.items() if lower(k).replace("\u017f", "s") == "signature"]
    token = typed(TOKEN, given)
    envelope = typed(ENVELOPE, envelopes[0]) if envelopes and envelopes[0] is not None else None
    token["schema_id"], token["schema_version"] = token["schema_id"] or SCHEMA, token["schema_version"] or VERSION
    require((token["schema_id"], token["schema_version"]) == (SCHEMA, VERSION))
    for name in ("token_id", "approver_identity", "reason_code"):
        token[name] = trim(token[name])
        require(token[name])
    for name in ("intent_digest", "policy_digest", "delegation_binding_digest"):
        token[name] = normal(token[name])
        require(HEX.fullmatch(token[name]) or name == "delegation_binding_digest" and not token[name])
    token["scope"] = text_set(token["scope"], True)
    require(token["scope"] and token["max_targets"] >= 0 and token["max_ops"] >= 0)
    for name in ("created_at", "expires_at"):
        token[name] = written(token[name])
        require(token[name] != ZERO_TIME)
    return {k: v for k, v in token.items() if v or k not in OMITTED_WHERE_EMPTY}, envelope


def signature_fault(token, envelope, public, strict):
    """The code of what is wrong with the signature (9.3, step 2); None where it holds."""
    if envelope is None:
        return "approval_token_signature_missing"
    key_id = hashlib.sha256(public).hexdigest()
    try:
        raw = base64.b64decode(envelope["sig"], validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    good = (envelope["signed_digest"] == digest(token) and envelope["alg"] == "ed25519" and
            envelope["key_id"] in ((key_id,) if strict else (key_id, "")) and len(raw) == 64 and
            verifies(public, bytes.fromhex(digest(token)), raw))
    return None if good else "approval_token_signature_invalid"


def required_scopes(intent):
    scopes = {"tool:" + intent["tool_name"]}
    targets = intent["targets"]
    if intent["context"]["phase"] == "apply" and any(t["destructive"] for t in targets):
        scopes |= {"phase:apply", "destructive:apply"}
    return scopes


def extent(intent):
    """(targets, operations) that an approval's limits are held against (9.3, step 6)."""
    count = len(intent["targets"])
    if not intent["script"]:
        return count, max(count, 1)
    steps = intent["script"]["steps"]
    return sum(len(step["targets"]) for step in steps) or count, len(steps)


def objection(token, asked, now, strict):
    """Steps 3 to 6 on a token whose signature holds; None where it counts. `asked`: intent, intent_digest, policy_digest."""
    intent = asked["intent"]
    if token["intent_digest"] != asked["intent_digest"]:
        return "intent_mismatch"
    if token["policy_digest"] != asked["policy_digest"]:
        return "policy_mismatch"
    if intent["delegation"] and token.get("delegation_binding_digest", "") != digest(hashed(intent["delegation"])):
        return "delegation_binding_mismatch"
    if now >= time(token["expires_at"]):
        return "expired"
    covered = required_scopes(intent) <= set(token["scope"]) or not strict and "*" in token["scope"]
    if not covered:
        return "scope_mismatch"
    for limit, count in zip(("max_targets", "max_ops"), extent(intent)):
        if 0 < token.get(limit, 0) < count:
            return limit + "_exceeded"
    return None


def person(identity, strict):
    if not strict:
        return identity
    return unicodedata.normalize("NFC", lower(unicodedata.normalize("NFC", trim(identity))))


def judged(document, public, asked, now, strict):
    """(token_id, who approved, the code of what is wrong or None)."""
    try:
        token, envelope = known(document)
    except Refused:
        text = document.get("token_id") if isinstance(document, dict) else None
        return trim(text) if isinstance(text, str) else "", "", "approval_token_invalid"
    fault = signature_fault(token, envelope, public, strict)
    # Gait compares approvers as the file spells them, which the signature does not cover.
    spelled = next(v for k, v in document.items() if lower(k) == "approver_identity")
    if not fault and strict and re.search("[\0-\x1f\x7f]", token["approver_identity"]):
        fault = "approval_token_invalid"
    if not fault:
        wrong = objection(token, asked, now, strict)
        fault = wrong and "approval_token_" + wrong
    return token["token_id"], person(spelled, strict), fault


def added_up(documents, public, asked, needed, distinct, now, strict):
    """What the tokens come to (9.4), in the order they were given."""
    if not documents:
        return {"valid": 0, "approved": False, "reasons": ["approval_token_missing"], "ref": "", "entries": []}
    rows, seen = [], set()
    for document in documents:
        token_id, who, fault = judged(document, public, asked, now, strict)
        if not fault and strict and token_id in seen:
            fault = "approval_token_duplicate"
        if not fault:
            seen.add(token_id)
        rows.append((token_id, who, fault))
    valid = [(token_id, who) for token_id, who, fault in rows if not fault]
    reasons = {fault for _, _, fault in rows if fault}
    enough = len(valid) >= max(needed, 1)
    apart = not distinct or needed <= 1 or len({who for _, who in valid}) >= needed
    if not enough:
        reasons.add("approval_chain_insufficient")
    if not apart:
        reasons.add("approval_distinct_approvers_required")
    approved = enough and apart
    if approved:
        reasons.add("approval_granted")
    return {"valid": len(valid), "approved": approved, "reasons": sorted(reasons),
            "ref": ",".join(sorted((t for t, _ in valid), key=by_bytes)) if approved else "",
            "entries": sorted((token_id, fault or "") for token_id, _, fault in rows)}


def minted(private, fields, created_at, expires_at):
    """A signed token of `fields` (9.1, 9.2), its id as gait makes it."""
    token = {"schema_id": SCHEMA, "schema_version": VERSION, "created_at": time_text(created_at), "producer_version": "model",
             **fields, "expires_at": time_text(expires_at)}
    named = [fields["intent_digest"], fields["policy_digest"], fields["approver_identity"], fields["reason_code"],
             ",".join(fields["scope"]), fields.get("max_targets", 0), fields.get("max_ops", 0), token["expires_at"]]
    token["token_id"] = hashlib.sha256(by_bytes(":".join(map(str, named)))).hexdigest()[:24]
    return sealed(token, private)


def sealed(token, private):
    """The token with a new signature; one that cannot be read is signed as it stands."""
    bare = {k: v for k, v in token.items() if k != "signature"}
    try:
        covered = digest(known(bare)[0])
    except Refused:
        covered = hashlib.sha256(by_bytes(canonical(bare))).hexdigest()
    return {**bare, "signature": {"alg": "ed25519", "key_id": hashlib.sha256(private[32:]).hexdigest(),
                                  "sig": base64.b64encode(signature_of(private, bytes.fromhex(covered))).decode(),
                                  "signed_digest": covered}}
