#!/usr/bin/env python3
"""The front is killed at random points of publishing, staging and cutting over, again and again on one appliance. Whatever was under
way: a verifier that syncs is never led back, what it gets is whole, it knows every key that the signer publishes, at most one key of
the role is active, and what is signed verifies with what it holds.

  publish_kill_test.py PROGRAMS      COUNTERSIGN_KILLS: how often (24), COUNTERSIGN_SEED
"""
import collections
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from appliance import ROLES, Appliance, trace_request  # noqa: E402

# Sets live 3 s and clocks differ by at most 0.1 s: a gate opens 3.2 s after its key is staged.
PUBLICATION = ", lifetime: 3s, refresh: 1s, clock_skew: 100ms"


def trace_keys(appliance):
    return [key for key in appliance.custodian().call("GET", "/v1/keys")["keys"] if key["role"] == "trace"]


def act(appliance, action):
    """What the kill falls into; whatever it makes of the answer."""
    try:
        if action == "publish":
            appliance.custodian().call("POST", "/v1/publish", {})
        elif action == "stage":
            subprocess.run([str(appliance.bin / "countersignd"), "stage", "trace", "--config", str(appliance.config)],
                           capture_output=True, timeout=60)
        else:
            appliance.custodian().call("POST", "/v1/keys/activate", {"kid": action})
    except Exception:  # noqa: BLE001
        pass


def next_action(appliance, chance, tried):
    """Each kind at least once, then as chance will have it. `tried` counts them."""
    waiting = [key for key in trace_keys(appliance) if key["state"] in ("staged", "standby")]
    kind = "activate" if waiting else "stage"
    if tried[kind] and chance.random() < 0.4:
        kind = "publish"
    tried[kind] += 1
    return waiting[0]["kid"] if kind == "activate" else kind


def kill_front(appliance):
    front = appliance.front()
    os.kill(front, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and os.path.exists(f"/proc/{front}"):
        time.sleep(0.01)  # polls a condition; nothing depends on how long
    appliance.wait_ready()


def check(appliance, trust):
    deadline = time.monotonic() + 30
    while True:
        # Fresh metadata is signed at the start; a refresh of the timer may fall between two fetches.
        done = subprocess.run([str(appliance.bin / "countersign"), "keys", "sync", "--from", str(appliance.folder / "published"),
                               "--trust", str(trust), "--root", str(appliance.folder / "published" / "1.root.json"), "--json"],
                              capture_output=True, text=True, timeout=60)
        if done.returncode == 0:
            break
        code = json.loads(done.stdout)["error"]["code"]
        assert code == "freeze_attack" and time.monotonic() < deadline, done.stdout
        time.sleep(0.1)  # polls a condition; nothing depends on how long
    synced = {key["kid"] for key in json.loads((trust / "keyset.json").read_text())["keys"]}
    keys = trace_keys(appliance)
    assert {key["kid"] for key in keys} <= synced, "the signer publishes a key that no verifier can know"
    active = [key["kid"] for key in keys if key["state"] == "active"]
    assert len(active) == 1, keys
    answer = appliance.sign_after_kill(trace_request(os.urandom(32).hex()))
    assert answer["kid"] == active[0]
    path = appliance.folder / "trace.json"
    path.write_text(json.dumps(answer["statement"]))
    done = subprocess.run([str(appliance.bin / "countersign"), "trace", "verify", str(path), "--trust", str(trust), "--json"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 or "expired" in done.stderr + done.stdout, done
    return active[0]


def main():
    kills = int(os.environ.get("COUNTERSIGN_KILLS", "24"))
    seed = int(os.environ.get("COUNTERSIGN_SEED", str(random.randrange(1 << 30))))
    print(f"seed {seed}, {kills} kills", flush=True)
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="countersign-publish-kill-") as folder:
        appliance = Appliance(sys.argv[1], folder, publication=PUBLICATION, roles=ROLES + ("publication",)).init()
        appliance.start()
        trust = appliance.folder / "trust"
        actives = {check(appliance, trust)}
        tried = collections.Counter()
        for _ in range(kills):
            action = next_action(appliance, chance, tried)
            acting = threading.Thread(target=act, args=(appliance, action))
            acting.start()
            if tried["stage"] > 4 and not tried["activate"]:
                acting.join()  # on a slow machine chance alone might never let a key be staged
            time.sleep(chance.uniform(0, chance.choice([0.005, 0.05, 0.3])))  # where the kill falls; nothing depends on it
            kill_front(appliance)
            acting.join()
            actives.add(check(appliance, trust))
        appliance.stop()
    print(f"{len(actives)} keys were active one after another; killed while {dict(tried)}")
    assert kills < 20 or len(tried) == 3, tried


if __name__ == "__main__":
    main()
