#!/usr/bin/env python3
"""Verifies a signed trace, approval token or audit without any code of ours: python3 and the openssl command.

    verify_gait.py DOCUMENT.json PUBLIC_KEY.pem

It recomputes the RFC 8785 digest over the document without `signature` and `countersign`, compares it with
`signed_digest`, lets openssl check the signature over the 32 digest bytes, and checks that the digest of `countersign`
stands in relationship.related_entity_ids. Exit 0: verified. Exit 2: not, with the reason on stderr.
"""
import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile

ALGORITHMS = ("ed25519", "ecdsa-p256-sha256")


def number(value):
    """ECMAScript's Number::toString, as RFC 8785 §3.2.2.3 demands."""
    if isinstance(value, int):
        if abs(value) <= 2**53:
            return str(value)
        value = float(value)
    if value == 0:
        return "0"
    sign, value = ("-", -value) if value < 0 else ("", value)
    mantissa, _, exponent = f"{value!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len((whole + fraction).lstrip("0")))
    digits = digits.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    tail = ("e+" if point > 0 else "e-") + str(abs(point - 1))
    return sign + digits[0] + ("." + digits[1:] if count > 1 else "") + tail


def canonical(value):
    if value is None or isinstance(value, bool) or isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    names = sorted(value, key=lambda name: name.encode("utf-16-be"))
    return "{" + ",".join(canonical(name) + ":" + canonical(value[name]) for name in names) + "}"


def digest(value):
    return hashlib.sha256(canonical(value).encode()).digest()


def refuse(reason):
    print(f"not verified: {reason}", file=sys.stderr)
    sys.exit(2)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        document = json.load(file)
    signature = document.pop("signature", None) or refuse("no signature")
    facts = document.pop("countersign", None)
    computed = digest(document)
    if signature.get("signed_digest") != computed.hex():
        refuse("signed_digest mismatch")
    if signature.get("alg") not in ALGORITHMS:
        refuse("unknown alg")
    ids = (document.get("relationship") or {}).get("related_entity_ids") or []
    bound = [name for name in ids if name.startswith("countersign:")]
    if bound != ([] if facts is None else ["countersign:" + digest(facts).hex()]):
        refuse("countersign is not the one that was signed")
    der = subprocess.run(["openssl", "pkey", "-pubin", "-in", sys.argv[2], "-outform", "DER"], check=True,
                         capture_output=True).stdout
    raw = {"ed25519": der[12:], "ecdsa-p256-sha256": der[26:]}[signature["alg"]]
    if hashlib.sha256(raw).hexdigest() != signature.get("key_id"):
        refuse("signed by another key")
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in ("digest", "signature")]
        for path, content in zip(paths, (computed, base64.b64decode(signature["sig"], validate=True))):
            with open(path, "wb") as file:
                file.write(content)
        answer = subprocess.run(["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", sys.argv[2], "-in",
                                 paths[0], "-sigfile", paths[1]], capture_output=True, check=False)
    if answer.returncode != 0:
        refuse("the signature does not verify")
    print(computed.hex())


if __name__ == "__main__":
    main()
