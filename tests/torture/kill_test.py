#!/usr/bin/env python3
"""kill -9 of supervisor, front and each holder at random points under load. Afterwards: no acknowledged signature without
a record, no permit executed without its record or twice, no token redeemed twice, and the appliance always came back by itself or after a plain start.

  kill_test.py PROGRAMS      COUNTERSIGN_KILLS: how many kills (60); COUNTERSIGN_SEED: to repeat a run
"""
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from appliance import POLICY, Appliance, Load, Refused, trace_request  # noqa: E402


class Redeemer:
    """Asks for approval, gets a token from a real approver, and redeems it from two connections at once."""

    def __init__(self, appliance):
        self.appliance = appliance
        self.redeemed = {}  # token id → how many allows were acknowledged
        self.rounds = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stop.is_set():
            try:
                self._round()
            except (OSError, Refused, RuntimeError, ValueError):
                self._stop.wait(0.02)

    def _round(self):
        intent = os.urandom(32).hex()
        signer = self.appliance.signer(timeout=10)
        signer.sign(trace_request(intent, "require_approval", required=1))
        token = self.appliance.approve("alice", {"intent_digest": intent, "policy_digest": POLICY}, ["tool:db.save"])
        outcomes = []

        def redeem():
            for _ in range(3):
                try:
                    outcomes.append(self.appliance.signer(timeout=10).sign(
                        trace_request(intent, "allow", required=1, redeem=[token])))
                except (OSError, Refused, ValueError):
                    pass

        threads = [threading.Thread(target=redeem) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.redeemed[token["token_id"]] = len(outcomes)
        self.rounds += 1

    def stop(self):
        self._stop.set()
        self._thread.join(120)


def main():
    kills = int(os.environ.get("COUNTERSIGN_KILLS", "60"))
    seed = int(os.environ.get("COUNTERSIGN_SEED", str(time.time_ns() % 1_000_000)))
    chance = random.Random(seed)
    print(f"seed {seed}, {kills} kills")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="countersign-kill-"))
    appliance = Appliance(sys.argv[1], folder / "appliance", approvers=["alice"]).init()
    appliance.start()
    load = Load(appliance)
    executor = Load(appliance, threads=2, members={"execute": True})
    redeemer = Redeemer(appliance)
    killed = {}
    try:
        for number in range(kills):
            time.sleep(chance.uniform(0, 0.08))  # the random point; nothing waits for it
            processes = {**appliance.children(), appliance.process.pid: "supervisor"}
            victim, words = chance.choice(sorted(processes.items()))
            kind = ("supervisor" if words == "supervisor" else "front" if "--front" in words
                    else "notifier" if "--notifier" in words else "holder")
            killed[kind] = killed.get(kind, 0) + 1
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                continue
            if kind == "supervisor":
                appliance.process.wait(30)
                appliance.start(60)
            elif number % 3 == 0:
                appliance.wait_ready(60)
        appliance.wait_ready(60)
    finally:
        load.stop()
        executor.stop()
        redeemer.stop()
    # One more signature of each kind proves that no token was lost.
    appliance.sign_after_kill(trace_request(os.urandom(32).hex()))
    status = appliance.stop()
    print(f"killed {killed}; acknowledged {len(load.acknowledged)}, executed {len(executor.acknowledged)}; refusals {load.refusals}; broken connections {load.broken}; "
          f"redemption rounds {redeemer.rounds}")

    assert status == 0, f"the supervisor ended with {status}"
    assert load.acknowledged, "the load was never served: this test saw nothing"
    assert executor.acknowledged, "no permit was ever executed: this test saw nothing"
    assert redeemer.rounds > 0, "no token was ever redeemed: this test saw nothing"
    recorded = appliance.recorded()
    for index, digest in load.acknowledged + executor.acknowledged:
        assert recorded.get(index) == digest, f"acknowledged signature {index} is not in the ledger"
    # Whatever was acknowledged: each use stands right behind its permit, and no permit was used twice.
    uses = appliance.executions()
    assert all(recorded[index - 1] == trace for index, trace in uses.items()), "a use without its permit"
    assert len(set(uses.values())) == len(uses), "a permit was executed twice"
    for index, digest in executor.acknowledged:
        assert uses.get(index + 1) == digest, f"permit {index} was acknowledged as executed, and is not"
    twice = {token: times for token, times in redeemer.redeemed.items() if times > 1}
    assert not twice, f"redeemed twice: {twice}"
    appliance.start(60)
    appliance.stop()
    shutil.rmtree(folder)
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
