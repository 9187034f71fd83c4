#!/usr/bin/env python3
"""The published keys, read by tools that know nothing of us: python-tuf's client (PyPI `tuf`, where it is installed) bootstraps
from the root and follows two root rotations and a key rotation; jwcrypto computes the same thumbprints; ssh-keygen, minisign and
signify read their forms; traces made before, during and after a rotation verify with the published keys in gait's format.

  published_keys_test.py PROGRAMS
"""
import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from appliance import ROLES, Appliance, trace_request  # noqa: E402
from tuf_client import served, tuf_client  # noqa: E402


def run(*argv, expected=0):
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=60)
    assert done.returncode == expected, (argv, done.returncode, done.stdout, done.stderr)
    return done


def skipped(what, why):
    print(f"SKIPPED: {what}: {why}")


def stage(appliance, role):
    done = run(appliance.bin / "countersignd", "stage", role, "--config", appliance.config, "--json")
    return json.loads(done.stdout)["staged"][0]["kid"]


def sync(appliance, url, *more):
    run(appliance.bin / "countersign", "keys", "sync", "--from", url, "--trust", appliance.folder / "trust", *more)


THUMBPRINTS = """
import json, sys
from jwcrypto import jwk
keys = list(jwk.JWKSet.from_json(open(sys.argv[1]).read())["keys"])
assert len(keys) >= 3
for key in keys:
    kid = json.loads(key.export_public())["kid"]
    assert key.thumbprint() == kid, kid
"""


def jwcrypto_agrees(published):
    for python in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([python, "-c", "import jwcrypto"], capture_output=True, timeout=60).returncode == 0:
            return run(python, "-c", THUMBPRINTS, published / "jwks.json")
    return skipped("jwcrypto", "apt install python3-jwcrypto")


def minisign_and_signify_read(appliance, published):
    public = next(path for path in (published / "release").glob("*.pub") if "." not in path.stem)
    message = appliance.folder / "message"
    message.write_text("message")
    # A signature file of another key number: the key is read, and that it is another one is said.
    blob = base64.b64encode(b"Ed" + bytes(8) + bytes(64)).decode()
    (appliance.folder / "message.minisig").write_text(
        f"untrusted comment: x\n{blob}\ntrusted comment: x\n{base64.b64encode(bytes(64)).decode()}\n")
    if shutil.which("minisign"):
        done = subprocess.run(["minisign", "-V", "-p", public, "-m", message], capture_output=True, text=True, timeout=60)
        said = done.stdout + done.stderr
        number = next(key for key in json.loads((published / "keyset.json").read_text())["keys"]
                      if key["kid"] == public.stem)["aliases"]["minisign"]
        assert done.returncode != 0 and number.lstrip("0") in said, said  # minisign prints it as a number
    else:
        skipped("minisign", "apt install minisign")
    if shutil.which("signify-openbsd"):
        (appliance.folder / "message.sig").write_text(f"untrusted comment: x\n{blob}\n")
        done = subprocess.run(["signify-openbsd", "-V", "-p", public, "-m", message, "-x", appliance.folder / "message.sig"],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode != 0 and "wrong key" in done.stdout + done.stderr, done
    else:
        skipped("signify", "apt install signify-openbsd")


def ssh_reads(published):
    for role in ("approval", "trace", "release", "publication"):
        done = run("ssh-keygen", "-Y", "match-principals", "-I", f"{role}@countersign", "-f", published / "allowed_signers")
        assert set(done.stdout.split()) == {f"{role}@countersign"}, done


def gait_verifies(appliance, published, statements):
    """Each with exactly one of the published keys, by the independent verifier of tests/interop."""
    keys = [path for path in published.glob("trace/*.pem") if path.name.count(".") == 1]
    assert len(keys) == 2, keys
    for number, statement in enumerate(statements):
        path = appliance.folder / f"trace-{number}.json"
        path.write_text(json.dumps(statement))
        verifier = [sys.executable, "-B", str(ROOT / "tests" / "interop" / "verify_gait.py"), str(path)]
        tried = [subprocess.run([*verifier, str(key)], capture_output=True, text=True, timeout=60) for key in keys]
        assert sorted(done.returncode for done in tried) == [0, 2], [done.stderr for done in tried]


def activate(appliance, kid, within=30):
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        done = subprocess.run([str(appliance.bin / "countersign"), "keys", "activate", kid, "--signer", str(appliance.socket),
                               "--json"], capture_output=True, text=True, timeout=60)
        if done.returncode == 0:
            return
        code = json.loads(done.stdout)["error"]["code"]
        assert code in ("cutover_too_early", "key_not_held"), done.stdout
        time.sleep(0.1)  # polls a condition; nothing depends on how long
    raise AssertionError(f"{kid} is not active within {within} s")


def signed_trace(appliance):
    return appliance.signer().sign(trace_request(os.urandom(32).hex()))["statement"]


def rotated(appliance, url):
    """A key rotation and two root rotations, followed by our verifier and by python-tuf; traces of before, during and after."""
    published = appliance.folder / "published"
    client = tuf_client(appliance.folder / "python-tuf", (published / "1.root.json").read_bytes(), url)
    sync(appliance, url, "--root", published / "1.root.json")
    if client:
        keyset, _ = client.keys()
        assert len(keyset["keys"]) == 4, keyset
    statements = [signed_trace(appliance)]
    new = stage(appliance, "trace")
    if client:
        keyset, _ = client.keys()
        assert new in {key["kid"] for key in keyset["keys"]}
    activate(appliance, new)
    statements.append(signed_trace(appliance))
    # A new publication key needs a root that names it.
    for version in (2, 3):
        stage(appliance, "publication")
        sync(appliance, url)
        if client:
            _, revoked = client.keys()
            assert client.root_version() == version, client.root_version()
            assert len(revoked["keys"]) == 1, revoked
    statements.append(signed_trace(appliance))
    sync(appliance, url)
    return statements


def main():
    with tempfile.TemporaryDirectory(prefix="countersign-interop-") as folder:
        appliance = Appliance(sys.argv[1], folder, publication=", lifetime: 6s, refresh: 2s, clock_skew: 500ms",
                              roles=ROLES + ("publication",)).init()
        appliance.start()
        published = appliance.folder / "published"
        with served(published) as url:
            statements = rotated(appliance, url)
        jwcrypto_agrees(published)
        minisign_and_signify_read(appliance, published)
        ssh_reads(published)
        gait_verifies(appliance, published, statements)
        appliance.stop()


if __name__ == "__main__":
    main()
