#!/usr/bin/env python3
"""kill -9 at every step of a ceremony and at random moments: resuming ends with one key made once, active at most once, nothing lost,
and a transcript that verifies.

  kill_test.py PROGRAMS          COUNTERSIGN_KILLS: random kills, 30 by default
"""
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from appliance import Appliance  # noqa: E402
from ceremony import PEOPLE, Ceremony, Quorum, keys_of  # noqa: E402
from killing import kill, kill_when  # noqa: E402

KILLS = int(os.environ.get("COUNTERSIGN_KILLS", "30"))
PUBLICATION = ", lifetime: 1s, refresh: 500ms, clock_skew: 100ms"


def start(ceremony):
    verb = "resume" if ceremony.transcript() else "run"
    return subprocess.Popen(ceremony.words(verb, ceremony.dir, "--initials", PEOPLE, "--wait"), stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def attempts(ceremony):
    return [entry["step"] for entry in ceremony.transcript() if entry["kind"] == "attempt"]


def kill_at_each_step(ceremony, steps):
    for step in range(steps):
        process = start(ceremony)
        kill_when(process, lambda: step in attempts(ceremony))
        process.communicate()


def kill_at_random(appliance, ceremony, kills, rng, usual):
    done = 0
    while done < kills:
        process = start(ceremony)
        # From the start of the program to a little past its `usual` end; the front dies in a quarter of the cases.
        wait = rng.uniform(0, 1.1 * usual)
        front = rng.random() < 0.25
        until = time.monotonic() + wait
        if front:
            while process.poll() is None and time.monotonic() < until:
                time.sleep(0.0005)
            fronts = [pid for pid, words in appliance.children().items() if "--front" in words]
            for pid in fronts:
                kill(pid)
            process.communicate()
            done += 1
        else:
            done += kill_when(process, lambda: time.monotonic() >= until)
        appliance.wait_ready(60)
        if any(entry["kind"] == "end" for entry in ceremony.transcript()):
            return done
    return done


def without_cutover(ceremony):
    plan = ceremony.dir / "intent.yaml"
    plan.write_text("".join(line for line in plan.read_text().splitlines(keepends=True) if "activate" not in line))
    ceremony.bind().approve()


def time_of_one(appliance, quorum):
    """Seconds that the run takes, undisturbed, on this machine."""
    ceremony = Ceremony(appliance, "undisturbed", quorum)
    ceremony.plan("rotate-trace")
    without_cutover(ceremony)
    begin = time.monotonic()
    start(ceremony).communicate()
    usual = time.monotonic() - begin
    ceremony.close()
    return usual


def interrupt(ceremony):
    """Ctrl-C before the last step: it stops at a safe place and says how to go on."""
    process = start(ceremony)
    while process.poll() is None and 1 not in attempts(ceremony):
        time.sleep(0.0005)  # polls a condition; nothing depends on how long
    process.send_signal(signal.SIGINT)
    out, said = process.communicate()
    assert process.returncode == 7 and '"interrupted"' in out and "resume" in out, (process.returncode, out, said[-2000:])


def finish(appliance, ceremony, before):
    """Resumes it to its end and looks at what there is."""
    appliance.wait_ready(60)
    for _ in range(5):
        verb = "resume" if ceremony.transcript() else "run"
        code, answer, said = ceremony.call(verb, ceremony.dir, "--initials", PEOPLE, "--wait")
        if answer.get("error", {}).get("code") == "under_signed" or code == 0:
            break
        appliance.wait_ready(60)
    assert answer.get("error", {}).get("code") == "under_signed", (code, answer, said[-3000:], appliance.log()[-2000:])
    verified = ceremony.close()
    keys = keys_of(appliance)
    for role in ("approval", "trace", "release"):
        active = [kid for kid, key in keys.items() if key["role"] == role and key["state"] == "active"]
        assert len(active) == 1, (role, active)
    new = [kid for kid in keys if kid not in before]
    assert len(new) == 1 and verified["keys"][0]["kid"] == new[0], (new, verified)
    # On the token: that key, once, and no key that the signer does not know.
    token = appliance.token("trace")
    module = appliance.config.read_text().split("module: ")[1].split(",")[0]
    listed = subprocess.run(["pkcs11-tool", "--module", module, "--login", "--pin", (token / "pin").read_text().strip(),
                             "--list-objects", "--type", "privkey"], capture_output=True, text=True, check=True,
                            env={**os.environ, "SOFTHSM2_CONF": str(token / "softhsm2.conf")}).stdout
    ids = [line.split()[-1] for line in listed.splitlines() if line.strip().startswith("ID:")]
    known = {key["id"] for key in keys.values() if key["role"] == "trace"} if all("id" in k for k in keys.values()) else None
    assert len(ids) == len(set(ids)) and verified["keys"][0]["id"] in ids, ids
    if known is not None:
        assert set(ids) <= known, (ids, known)
    return new[0]


def main():
    programs = pathlib.Path(sys.argv[1])
    seed = int(os.environ.get("COUNTERSIGN_SEED", random.randrange(1 << 32)))
    print("COUNTERSIGN_SEED", seed)
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="countersign-kills-") as place:
        folder = pathlib.Path(place)
        appliance = Appliance(programs, folder / "a", publication=PUBLICATION).init()
        appliance.start()
        quorum = Quorum(folder / "custodians")
        Ceremony(appliance, "enrolment", quorum).hold("custodians-first", quorum=quorum)

        # Every step of a whole rotation, each at least once.
        before = keys_of(appliance)
        ceremony = Ceremony(appliance, "each-step", quorum)
        ceremony.plan("rotate-trace")
        ceremony.bind().approve()
        kill_at_each_step(ceremony, 3)
        finish(appliance, ceremony, before)

        before = keys_of(appliance)
        ceremony = Ceremony(appliance, "interrupted", quorum)
        ceremony.plan("rotate-trace")
        ceremony.bind().approve()
        interrupt(ceremony)
        finish(appliance, ceremony, before)

        # Random moments, over as many ceremonies as it takes. No cut-over, so that nothing waits.
        done, number = 0, 0
        usual = time_of_one(appliance, quorum)
        while done < KILLS:
            number += 1
            before = keys_of(appliance)
            ceremony = Ceremony(appliance, f"random-{number}", quorum)
            ceremony.plan("rotate-trace")
            without_cutover(ceremony)
            done += kill_at_random(appliance, ceremony, min(KILLS - done, 15), rng, usual)
            finish(appliance, ceremony, before)
        print(f"{done} random kills over {number} ceremonies")
        appliance.stop()


if __name__ == "__main__":
    main()
