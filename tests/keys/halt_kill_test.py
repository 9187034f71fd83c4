#!/usr/bin/env python3
"""The whole appliance is killed at random points of a halt. Whatever it had recorded: a halted key never signs again, at most one key
of the role is active, what was answered as halted is halted, and a plain start makes it whole.

  halt_kill_test.py PROGRAMS      COUNTERSIGN_KILLS: how often (6)
"""
import json
import os
import pathlib
import random
import shutil
import sqlite3
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from appliance import Appliance, Load, trace_request  # noqa: E402
from killing import power_fails  # noqa: E402


def halt_and_kill(appliance, active, delay):
    """True where the halt was answered before the end."""
    answered = []

    def ask():
        try:
            appliance.custodian().call("POST", "/v1/halt", {"role": "trace", "key": active, "reason": "drill"})
            answered.append(True)
        except Exception:  # noqa: BLE001: whatever the kill made of the connection
            pass

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(delay)  # where in the halt the kill falls; nothing depends on it
    power_fails(appliance)
    asking.join()
    return bool(answered)


def check(appliance, active, standby, answered):
    """After the restart; returns how far the halt had come."""
    keys = {key["kid"]: key for key in appliance.custodian().call("GET", "/v1/keys")["keys"] if key["role"] == "trace"}
    now_active = [kid for kid, key in keys.items() if key["state"] == "active"]
    halted = "compromised_since" in keys[active]
    assert halted or not answered, "what was answered is lost"
    assert now_active == [standby if halted else active], (halted, now_active)
    signer = appliance.signer()
    for _ in range(3):
        assert signer.sign(trace_request(os.urandom(32).hex()))["kid"] == now_active[0]
    published = json.loads((appliance.folder / "published" / "keyset.json").read_text())
    assert {key["kid"] for key in published["keys"] if "compromised_since" in key} == ({active} if halted else set())
    return halted


def recorded_in_order(appliance, active):
    """No record signed by the key stands after the record of its compromise."""
    ledger = sqlite3.connect(f"file:{appliance.state}/ledger.db?mode=ro", uri=True)
    stopped = False
    for kind, kid, body in ledger.execute("SELECT kind, kid, body FROM records ORDER BY idx"):
        if kind == "key" and kid == active and json.loads(body).get("compromised_since"):
            stopped = True
        assert not (stopped and kind == "signed" and kid == active), "a halted key signed"
    ledger.close()


def main():
    programs = sys.argv[1]
    kills = int(os.environ.get("COUNTERSIGN_KILLS", "6"))
    seed = int(os.environ.get("COUNTERSIGN_SEED", str(random.randrange(1 << 30))))
    print(f"seed {seed}, {kills} kills", flush=True)
    chance = random.Random(seed)
    seen = {True: 0, False: 0}
    with tempfile.TemporaryDirectory(prefix="countersign-halt-kill-") as folder:
        # Made once; each round begins with a copy of it in the same place.
        appliance = Appliance(programs, pathlib.Path(folder) / "appliance", standby={"trace": "trace"}).init()
        fresh = pathlib.Path(folder) / "fresh"
        appliance.folder.rename(fresh)
        for _ in range(kills):
            shutil.copytree(fresh, appliance.folder)
            appliance.start()
            keys = appliance.signer().call("GET", "/v1/keys")["keys"]
            active, standby = (next(key["kid"] for key in keys if key["role"] == "trace" and key["state"] == state)
                               for state in ("active", "standby"))
            load = Load(appliance, threads=2)
            answered = halt_and_kill(appliance, active, chance.uniform(0, chance.choice([0.002, 0.01, 0.1])))
            load.stop()
            appliance.start()
            seen[check(appliance, active, standby, answered)] += 1
            appliance.stop()
            recorded_in_order(appliance, active)
            shutil.rmtree(appliance.folder)
    print(f"the halt was recorded {seen[True]} times, had not begun {seen[False]} times")


if __name__ == "__main__":
    main()
