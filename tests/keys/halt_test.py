#!/usr/bin/env python3
"""keys halt on a whole appliance: what is refused, what is promoted, what stays true over restarts.

  halt_test.py PROGRAMS
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from appliance import Appliance, Refused, programs_for_others, trace_request  # noqa: E402


def command(appliance, *words, programs=None, uid=None):
    done = subprocess.run([str((programs or appliance.bin) / "countersign"), *words, "--signer", str(appliance.socket), "--json"],
                          capture_output=True, text=True, timeout=60, user=uid)
    return done.returncode, json.loads(done.stdout) if done.stdout.strip() else {}


def keys_of(appliance, role):
    return [key for key in appliance.signer().call("GET", "/v1/keys")["keys"] if key["role"] == role]


def in_state(appliance, role, state):
    return [key["kid"] for key in keys_of(appliance, role) if key["state"] == state]


def signature(appliance, within=20):
    """The first trace that is signed from now on, and what was answered until then."""
    refusals = {}
    signer = appliance.signer()
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            return signer.sign(trace_request(os.urandom(32).hex())), refusals
        except Refused as refusal:
            assert refusal.status == 503, refusal
            refusals[refusal.code] = refusals.get(refusal.code, 0) + 1
            time.sleep(0.002)  # polls a condition; nothing depends on how long
    raise AssertionError(f"no signature within {within} s: {refusals}")


def refused_halts(appliance):
    code, answer = command(appliance, "keys", "halt", "trace")
    assert code == 6 and answer["error"]["code"] == "reason_missing", answer
    for words, code_wanted, error in ((("nobody", "--reason", "drill"), 5, "unknown_role"),
                                      (("log", "--reason", "drill"), 5, "unknown_role"),
                                      (("trace", "--key", "f00", "--reason", "drill"), 5, "unknown_key"),
                                      (("trace", "--reason", "two\nlines"), 6, "invalid")):
        code, answer = command(appliance, "keys", "halt", *words)
        assert code == code_wanted and answer["error"]["code"] == error, (words, code, answer)
    try:
        appliance.signer().call("POST", "/v1/halt", {"role": "trace", "reason": "on the wrong socket"})
        raise AssertionError("halted on sign.sock")
    except Refused as refusal:
        assert refusal.status == 404, refusal
    if os.getuid() == 0:
        appliance.open_to_all()
        code, answer = command(appliance, "keys", "halt", "trace", "--reason", "drill", uid=65534,
                               programs=programs_for_others(appliance.bin, appliance.folder))
        assert code == 3 and answer["error"]["code"] == "peer_not_permitted", (code, answer)
    assert len(in_state(appliance, "trace", "active")) == 1 and len(in_state(appliance, "trace", "standby")) == 1


def promotes(appliance):
    """A halt with a standby: seconds to its first signature."""
    active, standby = in_state(appliance, "trace", "active")[0], in_state(appliance, "trace", "standby")[0]
    before, _ = signature(appliance)
    assert before["kid"] == active
    holders = set(appliance.holders())
    begin = time.monotonic()
    code, answer = command(appliance, "keys", "halt", "trace", "--reason", "drill: token found open")
    assert code == 0 and answer["keys"] == [active] and answer["promoted"] == [standby], answer
    first, refusals = signature(appliance)
    took = time.monotonic() - begin
    assert first["kid"] == standby, first["kid"]
    assert set(refusals) <= {"role_unavailable", "holder_lost"}, refusals
    assert not holders <= set(appliance.holders()), "the holder of the halted key still runs"

    halted = next(key for key in keys_of(appliance, "trace") if key["kid"] == active)
    assert halted["state"] == "retired" and halted["compromised_since"] == answer["compromised_since"], halted
    published = json.loads((appliance.folder / "published" / "keyset.json").read_text())
    assert next(key for key in published["keys"] if key["kid"] == active)["compromised_since"]
    assert active not in (appliance.folder / "published" / "jwks.json").read_text()
    verdict = appliance.signer().call("POST", "/v1/verify", {"type": "trace", "statement": before["statement"]})
    assert not verdict["valid"] and verdict["kid"] == active and verdict["key_state"] == "retired", verdict

    # Asking twice does not take the promoted key away.
    code, answer = command(appliance, "keys", "halt", "trace", "--reason", "again")
    assert code == 3 and answer["error"]["code"] == "just_promoted", answer
    code, answer = command(appliance, "keys", "halt", "trace", "--key", active, "--reason", "again")
    assert code == 3 and answer["error"]["code"] == "already_halted", answer
    status = appliance.custodian().call("GET", "/v1/status")
    assert any("trace" in finding["what"] and "standby" in finding["what"] for finding in status["findings"]), status["findings"]
    assert 'countersign_standby_key{algorithm="ed25519",role="trace"} 0' in appliance.signer().call("GET", "/metrics")
    return took, active, standby


def leaves_none(appliance, standby):
    """A halt without a standby: the role is down with a coded answer, the others go on, and a restart changes nothing."""
    code, answer = command(appliance, "keys", "halt", "trace", "--key", standby, "--reason", "drill: the other one too")
    assert code == 0 and answer["promoted"] == [], answer
    for again in range(2):
        try:
            appliance.signer().sign(trace_request(os.urandom(32).hex()))
            raise AssertionError("a halted role signed")
        except Refused as refusal:
            assert refusal.status == 503 and refusal.code == "role_halted", refusal
        code, answer = command(appliance, "keys", "halt", "trace", "--reason", "once more")
        assert code == 3 and answer["error"]["code"] == "already_halted", answer
        code, answer = command(appliance, "keys", "export", "--role", "trace")
        assert code == 5 and answer["error"]["code"] == "no_active_key", answer
        status = appliance.custodian().call("GET", "/v1/status")
        assert not status["ready"] and any("halted" in finding["what"] for finding in status["findings"]), status
        assert {row["role"]: row["halted"] for row in status["keys"]["roles"]} == {
            "approval": False, "trace": True, "release": False}
        if again == 0:
            restart(appliance)


def told(appliance):
    """The events that the security owner was told of."""
    path = appliance.folder / "security.jsonl"
    return [json.loads(line)["event"] for line in path.read_text().splitlines()] if path.exists() else []


def restart(appliance):
    appliance.stop()
    appliance.launch()
    appliance.wait_answers()


def waits_for_the_dead_supervisor(appliance):
    """Between record and kill: a supervisor that does not act and a front that dies. What the ledger says counts."""
    active, standby = in_state(appliance, "approval", "active")[0], in_state(appliance, "approval", "standby")[0]
    os.kill(appliance.process.pid, signal.SIGSTOP)
    code, answer = command(appliance, "keys", "halt", "approval", "--reason", "drill: stopped supervisor")
    os.kill(appliance.front(), signal.SIGKILL)
    os.kill(appliance.process.pid, signal.SIGCONT)
    assert code == 0 and answer["keys"] == [active], answer
    appliance.wait_answers()
    assert in_state(appliance, "approval", "active") == [standby]
    assert [key["kid"] for key in keys_of(appliance, "approval") if "compromised_since" in key] == [active]


def main():
    programs = sys.argv[1]
    with tempfile.TemporaryDirectory(prefix="countersign-halt-") as folder:
        appliance = Appliance(programs, pathlib.Path(folder) / "a",
                              standby={"trace": "trace", "approval": "approval-standby"}).init()
        appliance.start()
        refused_halts(appliance)
        took, _, standby = promotes(appliance)
        waits_for_the_dead_supervisor(appliance)
        leaves_none(appliance, standby)
        deadline = time.monotonic() + 20
        while "standby_missing" not in told(appliance) and time.monotonic() < deadline:
            time.sleep(0.01)  # polls a condition; nothing depends on how long
        appliance.stop()
        events = told(appliance)
        assert events.count("key_halted") == 3 and "standby_missing" in events, events
        print(f"from the command to the first signature of the promoted key: {took:.2f} s")
        assert took < 2, took


if __name__ == "__main__":
    main()
