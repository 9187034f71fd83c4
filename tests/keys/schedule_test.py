#!/usr/bin/env python3
"""A rotation on schedule: when a key is as old as `rotate_every` lets it become, its standby takes over by itself, under load and
with nobody asked. Where none stands by, nothing changes but the alarms; a key that custodians make then takes over once its gate opens.

  schedule_test.py PROGRAMS
"""
import json
import os
import pathlib
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from appliance import ROLES, Appliance, Load, trace_request  # noqa: E402

# A gate opens 1.2 s after its key is staged.
PUBLICATION = ", lifetime: 1s, refresh: 500ms, clock_skew: 100ms"
ROTATE_EVERY = 12  # seconds


def keys(appliance):
    return {key["kid"]: key for key in appliance.signer().call("GET", "/v1/keys")["keys"] if key["role"] == "trace"}


def in_state(appliance, state):
    return [kid for kid, key in keys(appliance).items() if key["state"] == state]


def seconds(text):
    return time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))


def wait_for_active(appliance, kid, within=60):
    deadline = time.monotonic() + within
    while in_state(appliance, "active") != [kid]:
        assert len(in_state(appliance, "active")) == 1 and time.monotonic() < deadline, keys(appliance)
        time.sleep(0.02)  # polls a condition; nothing depends on how long


def findings(appliance):
    return [finding["what"] for finding in appliance.status()["findings"] if "trace" in finding["what"]]


def told(appliance):
    """The events about the trace role that the security owner was told of."""
    path = appliance.folder / "security.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line)["event"] for line in lines if '"trace"' in line]


def by_itself(appliance):
    """The first key's age ends; gives the kid of the second."""
    (first,), (second,) = in_state(appliance, "active"), in_state(appliance, "standby")
    assert "standby_missing" not in told(appliance), told(appliance)
    assert any("to be rotated" in what for what in findings(appliance)), findings(appliance)
    load = Load(appliance, threads=2)
    wait_for_active(appliance, second)
    after = appliance.signer().sign(trace_request(os.urandom(32).hex()))
    load.stop()
    assert after["kid"] == second and load.acknowledged and not load.broken, load.refusals
    assert set(load.refusals) <= {"key_changed", "role_halted"}, load.refusals
    now = keys(appliance)
    assert seconds(now[second]["not_before"]) - seconds(now[first]["not_before"]) >= ROTATE_EVERY, now
    assert "rotation_due" in told(appliance), told(appliance)
    return first, second


def alarms_where_none_stands_by(appliance, second):
    """As old as it may become, and twice: it stays, and that is said."""
    born = seconds(keys(appliance)[second]["not_before"])
    while time.mktime(time.gmtime()) < born + 2 * ROTATE_EVERY:
        assert in_state(appliance, "active") == [second]
        time.sleep(0.1)  # polls the clock that the schedule goes by
    assert any("standby" in what for what in findings(appliance)), findings(appliance)
    assert 'countersign_standby_key{algorithm="ed25519",role="trace"} 0' in appliance.signer().call("GET", "/metrics")
    deadline = time.monotonic() + 30
    while "standby_missing" not in told(appliance):
        assert time.monotonic() < deadline, "the last standby took over, and nobody was told that none is left"
        time.sleep(0.02)  # polls a condition; nothing depends on how long
    days = next(row for row in appliance.status()["keys"]["roles"] if row["role"] == "trace")["days_left"]
    assert days <= 0, days


def made_by_custodians(appliance):
    """A new key is staged: it takes over by itself, and not before every verifier can know it."""
    done = subprocess.run([appliance.bin / "countersignd", "stage", "trace", "--config", appliance.config, "--json"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done
    staged = json.loads(done.stdout)["staged"][0]
    wait_for_active(appliance, staged["kid"])
    assert seconds(keys(appliance)[staged["kid"]]["not_before"]) >= int(seconds(staged["gate_opens"])), (staged, keys(appliance))


def recorded(appliance):
    """What the ledger says of why."""
    ledger = sqlite3.connect(f"file:{appliance.state}/ledger.db?mode=ro", uri=True)
    reasons = [json.loads(body).get("reason") for (body,) in ledger.execute("SELECT body FROM records WHERE kind = 'key'")]
    ledger.close()
    return reasons.count("scheduled rotation")


def main():
    with tempfile.TemporaryDirectory(prefix="countersign-schedule-") as folder:
        appliance = Appliance(sys.argv[1], pathlib.Path(folder) / "a", publication=PUBLICATION, roles=ROLES + ("publication",),
                              standby={"trace": "trace"})
        appliance.config.write_text(appliance.config.read_text().replace("  trace: {token: trace,",
                                                                         f"  trace: {{rotate_every: {ROTATE_EVERY}s, token: trace,"))
        appliance.init()
        appliance.start()
        first, second = by_itself(appliance)
        alarms_where_none_stands_by(appliance, second)
        made_by_custodians(appliance)
        assert len(in_state(appliance, "active")) == 1 and keys(appliance)[first]["state"] in ("retiring", "retired")
        appliance.stop()
        assert recorded(appliance) >= 4, "two rotations are two keys that retired and two that became active"


if __name__ == "__main__":
    main()
