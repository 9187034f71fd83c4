#!/usr/bin/env python3
"""A rotation on a whole appliance, under load: staged, refused before its gate, cut over after it, the outgoing key retired.

  cutover_test.py PROGRAMS
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from appliance import Appliance, Load, Refused, trace_request  # noqa: E402

# Sets live 2 s and clocks differ by at most 0.5 s: a gate opens 3 s after its key is staged.
PUBLICATION = ", lifetime: 2s, refresh: 1s, clock_skew: 500ms"


def command(appliance, program, *words):
    done = subprocess.run([str(appliance.bin / program), *words, "--json"], capture_output=True, text=True, timeout=60)
    return done.returncode, json.loads(done.stdout) if done.stdout.strip() else {}


def stage(appliance, *words):
    return command(appliance, "countersignd", "stage", *words, "--config", str(appliance.config))


def activate(appliance, kid):
    return command(appliance, "countersign", "keys", "activate", kid, "--signer", str(appliance.socket))


def keys(appliance):
    return {key["kid"]: key for key in appliance.signer().call("GET", "/v1/keys")["keys"] if key["role"] == "trace"}


def wait_for(appliance, kid, state, within=20):
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if keys(appliance)[kid]["state"] == state:
            return
        time.sleep(0.02)  # polls a condition; nothing depends on how long
    raise AssertionError(f"{kid} is {keys(appliance)[kid]['state']}, not {state}")


def verdict(appliance, statement):
    return appliance.signer().call("POST", "/v1/verify", {"type": "trace", "statement": statement})


def status_counts_days(appliance):
    rows = {row["role"]: row for row in appliance.custodian().call("GET", "/v1/status")["keys"]["roles"]}
    assert rows["release"]["days_left"] == 89 and "days_left" not in rows["trace"], rows
    text = appliance.signer().call("GET", "/metrics")
    assert 'countersign_key_rotation_due_seconds{algorithm="ed25519",role="release"} 77' in text, text


def refusals(appliance, outgoing):
    for words, exit_code, error in ((("nobody",), 5, "unknown_role"), (("trace", "--token", "release"), 6, "wrong_token")):
        code, answer = stage(appliance, *words)
        assert code == exit_code and answer["error"]["code"] == error, (words, code, answer)
    for kid, exit_code, error in (("nobody", 5, "unknown_key"), (outgoing, 3, "key_state")):
        code, answer = activate(appliance, kid)
        assert code == exit_code and answer["error"]["code"] == error, (kid, code, answer)
    for path, body in (("/v1/keys/stage", {"token": "trace", "keys": []}), ("/v1/keys/activate", {"kid": outgoing})):
        try:
            appliance.signer().call("POST", path, body)
            raise AssertionError(f"{path} is served on sign.sock")
        except Refused as refusal:
            assert refusal.status in (404, 405), refusal
    for body in ({"token": "trace", "keys": []}, {"token": "trace"}, {"token": "trace", "keys": [{"kid": "x"}], "more": 1}):
        try:
            appliance.custodian().call("POST", "/v1/keys/stage", body)
            raise AssertionError(f"staged {body}")
        except Refused as refusal:
            assert refusal.status == 400, refusal


def rotates(appliance, outgoing):
    """Gives the kid that signs in the end."""
    before = appliance.signer().sign(trace_request(os.urandom(32).hex()))
    code, answer = stage(appliance, "trace")
    assert code == 0 and len(answer["staged"]) == 1, answer
    incoming = answer["staged"][0]["kid"]
    published = json.loads((appliance.folder / "published" / "keyset.json").read_text())
    assert {key["kid"]: key["state"] for key in published["keys"] if key["role"] == "trace"}[incoming] == "staged"
    assert "expires_at" in published
    appliance.wait_ready()
    code, refusal = activate(appliance, incoming)
    assert code == 3 and refusal["error"]["code"] == "cutover_too_early", refusal
    assert answer["staged"][0]["gate_opens"] in refusal["error"]["message"], refusal

    wait_for(appliance, incoming, "standby")
    load = Load(appliance, threads=2)
    code, answer = activate(appliance, incoming)
    assert code == 0 and answer["active"] == [incoming] and answer["retiring"] == [outgoing], answer
    after = appliance.signer().sign(trace_request(os.urandom(32).hex()))
    load.stop()
    assert after["kid"] == incoming and load.acknowledged and not load.broken
    assert set(load.refusals) <= {"key_changed", "role_halted"}, load.refusals
    assert verdict(appliance, before["statement"])["valid"] and verdict(appliance, after["statement"])["valid"]
    wait_for(appliance, outgoing, "retired")
    told = verdict(appliance, before["statement"])
    assert told["valid"] and told["key_state"] == "retired", told
    return incoming


def main():
    programs = sys.argv[1]
    with tempfile.TemporaryDirectory(prefix="countersign-cutover-") as folder:
        appliance = Appliance(programs, pathlib.Path(folder) / "a", publication=PUBLICATION)
        appliance.config.write_text(appliance.config.read_text().replace("release: {token", "release: {rotate_every: 2160h, token"))
        appliance.init()
        appliance.start()
        outgoing = next(kid for kid, key in keys(appliance).items() if key["state"] == "active")
        status_counts_days(appliance)
        refusals(appliance, outgoing)
        incoming = rotates(appliance, outgoing)
        appliance.stop()
        appliance.start()
        assert {kid: key["state"] for kid, key in keys(appliance).items()} == {outgoing: "retired", incoming: "active"}
        assert appliance.signer().sign(trace_request(os.urandom(32).hex()))["kid"] == incoming
        appliance.stop()


if __name__ == "__main__":
    main()
