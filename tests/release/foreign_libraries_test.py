#!/usr/bin/env python3
"""Releases as libraries and tools from outside Debian read them: securesystemslib (DSSE), python-tuf (a delegated targets role),
cosign (detached signature, both bundles). What is not installed is skipped with a message.

  foreign_libraries_test.py PROGRAMS
"""
import base64
import copy
import datetime
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

from released import MANIFEST, SIGNED, Appliance, answered, export_keys, run

ROLE = "countersign-releases"


def library(name, package):
    try:
        return __import__(name, fromlist=["_"])
    except ImportError:
        print(f"skipped: {package} is not installed (pip install {package}, in an environment of its own)")
        return None


def sslib_key(folder, ed25519, key_id):
    """The release key as securesystemslib takes it, from the published PEM alone."""
    from securesystemslib.signer import SSlibKey
    pem = (folder / "release.pem").read_text()
    if not ed25519:
        return SSlibKey(key_id, "ecdsa", "ecdsa-sha2-nistp256", {"public": pem})
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=pem.encode(), capture_output=True, check=True).stdout
    return SSlibKey(key_id, "ed25519", "ed25519", {"public": der[-32:].hex()})


def refuses(act, errors):
    try:
        act()
    except errors:
        return True
    return False


def dsse_by_securesystemslib(folder, ed25519):
    if not library("securesystemslib.dsse", "securesystemslib"):
        return 0
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError
    document = json.loads((folder / "countersign-release.intoto.json").read_text())
    key = sslib_key(folder, ed25519, document["signatures"][0]["keyid"])
    envelope = Envelope.from_dict(copy.deepcopy(document))
    assert len(envelope.verify([key], 1)) == 1
    statement = json.loads(envelope.payload)
    assert statement["_type"] == "https://in-toto.io/Statement/v1" and statement["subject"], statement
    changed = Envelope.from_dict(copy.deepcopy(document))
    changed.payload = changed.payload.replace(b"1.2.3", b"1.2.4")
    assert refuses(lambda: changed.verify([key], 1), VerificationError), "a changed statement verified"
    other = Envelope.from_dict(copy.deepcopy(document))
    other.payload_type = "application/json"
    assert refuses(lambda: other.verify([key], 1), VerificationError), "another type verified"
    return 1


def targets_by_python_tuf(folder, ed25519):
    if not library("tuf.api.metadata", "tuf"):
        return 0
    from tuf.api.exceptions import UnsignedMetadataError
    from tuf.api.metadata import DelegatedRole, Delegations, Metadata, Targets
    path = folder / "countersign-releases.json"
    metadata = Metadata[Targets].from_bytes(path.read_bytes())
    key_id = json.loads(path.read_text())["signatures"][0]["keyid"]
    role = DelegatedRole(ROLE, [key_id], 1, False, paths=["*"])

    def delegator(key):
        return Targets(expires=datetime.datetime(2100, 1, 1, tzinfo=datetime.timezone.utc),
                       delegations=Delegations({key_id: key}, {ROLE: role}))

    targets = delegator(sslib_key(folder, ed25519, key_id))
    targets.verify_delegate(ROLE, metadata.signed_bytes, metadata.signatures)
    # Every file of the release is a target, and is the file that lies there.
    for name, target in metadata.signed.targets.items():
        with open(folder / name, "rb") as file:
            target.verify_length_and_hashes(file)
    assert set(metadata.signed.targets) >= {"tool.tar.gz", "notes.txt"}, metadata.signed.targets
    changed = metadata.signed_bytes.replace(b"tool.tar.gz", b"evil.tar.gz")
    assert refuses(lambda: targets.verify_delegate(ROLE, changed, metadata.signatures), UnsignedMetadataError)
    return 1


# Nothing of sigstore's own is asked: the key is the release's.
NO_AUTHORITIES = {"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1", "tlogs": [], "certificateAuthorities": [],
                  "ctlogs": [], "timestampAuthorities": []}


def bundles_by_cosign(folder, _):
    """The manifest by its bundle, and each file by the in-toto statement's; nothing else by either."""
    if not shutil.which("cosign"):
        return 0
    (folder / "trusted_root.json").write_text(json.dumps(NO_AUTHORITIES))
    blob, statement = MANIFEST + ".sigstore.json", "countersign-release.intoto.sigstore.json"
    envelope = json.loads((folder / statement).read_text())["dsseEnvelope"]
    kind = json.loads(base64.b64decode(envelope["payload"]))["predicateType"]

    def good(verb, bundle, file, *more):
        return run("cosign", verb, "--key", "release.pem", "--bundle", bundle, "--new-bundle-format", "--trusted-root", "trusted_root.json",
                   "--insecure-ignore-tlog", *more, file, folder=folder)

    attested = ("verify-blob-attestation", statement)
    assert good("verify-blob", blob, MANIFEST) and not good("verify-blob", blob, "tool.tar.gz")
    for file in ("tool.tar.gz", "notes.txt"):
        assert good(*attested, file, "--type", kind), file
    assert not good(*attested, "release.pem", "--type", kind), "a file that is not of the release"
    # The signature of one in the bundle of the other.
    bundle = json.loads((folder / blob).read_text())
    swapped = copy.deepcopy(bundle)
    swapped["messageSignature"]["signature"] = envelope["signatures"][0]["sig"]
    (folder / "swapped.json").write_text(json.dumps(swapped))
    assert not good("verify-blob", "swapped.json", MANIFEST)
    changed = json.loads((folder / statement).read_text())
    changed["dsseEnvelope"]["signatures"][0]["sig"] = bundle["messageSignature"]["signature"]
    (folder / "swapped.json").write_text(json.dumps(changed))
    assert not good("verify-blob-attestation", "swapped.json", "notes.txt", "--type", kind)
    return 1


def blob_by_cosign(folder, _):
    if not shutil.which("cosign"):
        print("skipped: cosign is not installed (go install github.com/sigstore/cosign/v2/cmd/cosign@latest)")
        return 0
    ask = ("cosign", "verify-blob", "--key", "release.pem", "--signature", MANIFEST + ".cosign.sig", "--insecure-ignore-tlog")
    assert run(*ask, MANIFEST, folder=folder)
    (folder / "changed.txt").write_bytes((folder / MANIFEST).read_bytes().replace(b"tool", b"evil"))
    assert not run(*ask, "changed.txt", folder=folder), "cosign took a changed manifest"
    return 1


def released_by(programs, folder, algorithm):
    appliance = Appliance(programs, folder / "appliance", algorithm=algorithm)
    appliance.init()
    appliance.start()
    out = folder / "out"
    out.mkdir()
    (out / "tool.tar.gz").write_bytes(b"tool" * 1000)
    (out / "notes.txt").write_text("notes\n")
    answered(appliance, "release", "sign", out / "tool.tar.gz", out / "notes.txt", *SIGNED, "--format", "all", "--out-dir", out)
    export_keys(appliance, out)
    appliance.stop()
    return out


def main():
    programs = pathlib.Path(sys.argv[1]).resolve()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="countersign-foreign-"))
    checked = 0
    for algorithm in ("ed25519", "p256"):
        out = released_by(programs, folder / algorithm, algorithm)
        for check in (dsse_by_securesystemslib, targets_by_python_tuf, blob_by_cosign, bundles_by_cosign):
            checked += check(out, algorithm == "ed25519")
    shutil.rmtree(folder)
    if checked == 0:
        sys.exit(77)
    print(f"{checked} passed, 0 failed")


if __name__ == "__main__":
    main()
