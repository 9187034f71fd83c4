#!/usr/bin/env python3
"""A ceremony and a publication while the disk is full, while the token is full and while the clock is wrong: refused with a code, written
down, and resumed once it is mended; what verifiers have meanwhile stays whole, and no half of a key stays on the token.

  faults_test.py PROGRAMS         needs root, for a small file system and a time namespace; skipped without
"""
import contextlib
import ctypes
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from appliance import ROLES, Appliance, Refused, softhsm  # noqa: E402
from ceremony import Ceremony, Quorum, keys_of  # noqa: E402

PUBLICATION = ", lifetime: 3s, refresh: 1s, clock_skew: 100ms"
CLONE_NEWTIME = 0x80
LIBC = ctypes.CDLL(None, use_errno=True)


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


class ShiftedTime:
    """Programs started meanwhile see a CLOCK_BOOTTIME that is `seconds` off: for them the wall clock was set."""

    def __init__(self, seconds):
        self.seconds = seconds

    def __enter__(self):
        self.home = os.open("/proc/self/ns/time", os.O_RDONLY)
        if LIBC.unshare(CLONE_NEWTIME) != 0:
            skip("no time namespaces here: " + os.strerror(ctypes.get_errno()))
        pathlib.Path("/proc/self/timens_offsets").write_text(f"boottime {self.seconds} 0\n")

    def __exit__(self, *_):
        assert LIBC.setns(self.home, CLONE_NEWTIME) == 0, os.strerror(ctypes.get_errno())
        os.close(self.home)


def staging(appliance, quorum, name):
    """A ceremony that makes and publishes a key, without a cut-over to wait for."""
    ceremony = Ceremony(appliance, name, quorum)
    ceremony.plan("rotate-trace")
    plan = ceremony.dir / "intent.yaml"
    plan.write_text("".join(line for line in plan.read_text().splitlines(keepends=True) if "activate" not in line))
    return ceremony.bind().approve()


def fill(folder):
    with open(folder / "filler", "wb", buffering=0) as filler:
        try:
            while True:
                filler.write(b"x" * 4096)
        except OSError as full:
            assert full.errno == 28, full


def sync(appliance):
    """Follows what is published; the kids that a verifier knows."""
    trust = appliance.folder / "trust"
    deadline = time.monotonic() + 60
    while True:
        done = subprocess.run([str(appliance.bin / "countersign"), "keys", "sync", "--from", str(appliance.folder / "published"),
                               "--trust", str(trust), "--root", str(appliance.folder / "published" / "1.root.json"), "--json"],
                              capture_output=True, text=True, timeout=60)
        if done.returncode == 0:
            return {key["kid"] for key in json.loads((trust / "keyset.json").read_text())["keys"]}
        assert json.loads(done.stdout)["error"]["code"] == "freeze_attack" and time.monotonic() < deadline, done.stdout
        time.sleep(0.1)  # polls a condition; nothing depends on how long


def refusal_of(action):
    try:
        action()
    except Refused as refusal:
        return refusal.code
    return ""


def told(ceremony, word):
    return [entry["what"] for entry in ceremony.transcript() if entry["kind"] == "exception" and word in entry["what"]]


def disk_full(appliance, quorum):
    ceremony = staging(appliance, quorum, "disk-full")
    before = sync(appliance)
    published = appliance.folder / "published"
    whole = {path.name: path.read_bytes() for path in published.glob("1.*.json")}
    fill(published)
    code, answer, said = ceremony.run()
    assert code == 7 and answer["error"]["code"] == "unavailable" and "No space left" in answer["error"]["message"], (code, answer)
    assert told(ceremony, "No space left"), ceremony.transcript()
    assert refusal_of(lambda: appliance.custodian().call("POST", "/v1/publish", {})) == "unavailable"
    assert any("publi" in finding["what"] for finding in appliance.status()["findings"]), appliance.status()["findings"]
    assert whole == {path.name: path.read_bytes() for path in published.glob("1.*.json")}, "what was published was damaged"
    # Room again: the same ceremony goes on, and its step is done once verifiers can have the key.
    (published / "filler").unlink()
    code, answer, said = ceremony.resume()
    assert answer["error"]["code"] == "under_signed", (code, answer, said[-2000:])
    (key,) = ceremony.close()["keys"]
    after = sync(appliance)
    assert key["kid"] in after and key["kid"] not in before, (key["kid"], before, after)


def objects(appliance):
    """Labels of what is on the trace role's token, private halves and public ones."""
    token = appliance.token("trace")
    listed = subprocess.run(["pkcs11-tool", "--module", softhsm(), "--login", "--pin", (token / "pin").read_text().strip(),
                             "--list-objects"], capture_output=True, text=True, check=True, timeout=60,
                            env={**os.environ, "SOFTHSM2_CONF": str(token / "softhsm2.conf")}).stdout
    kinds = [line.split(";")[0] for line in listed.splitlines() if "Object" in line]
    return sum("Private" in kind for kind in kinds), sum("Public" in kind for kind in kinds)


def token_full(appliance, quorum):
    """No byte free; then bytes, but no room for a file, and for one file more at each attempt: also for half a key."""
    ceremony = staging(appliance, quorum, "token-full")
    token = appliance.token("trace")
    before = objects(appliance)
    fill(token)
    assert ceremony.run()[1]["error"]["code"] == "disk_nearly_full"
    (token / "filler").unlink()
    fillers = [token / f"filler-{number}" for number in range(1000)]
    try:
        for filler in fillers:
            filler.touch()
    except OSError as full:
        assert full.errno == 28, full
    refusals = []
    _, answer, said = ceremony.resume()
    while answer["error"]["code"] != "under_signed":
        refusals.append(answer["error"]["code"])
        assert len(refusals) < 50 and not any(entry["kind"] == "step" for entry in ceremony.transcript()), (refusals, said)
        next(filler for filler in fillers if filler.exists()).unlink()
        _, answer, said = ceremony.resume()
    assert refusals and set(refusals) == {"unavailable"}, refusals
    assert len(told(ceremony, "disk_nearly_full")) == 1 and len(told(ceremony, "unavailable")) == len(refusals), ceremony.transcript()
    assert any("step 1 of" in what for what in told(ceremony, "unavailable")), "no attempt came as far as making the key"
    print(f"a full token refused {len(refusals)} attempts:", *sorted(set(told(ceremony, "unavailable"))), sep="\n  ")
    for filler in fillers:
        filler.unlink(missing_ok=True)
    (key,) = ceremony.close()["keys"]
    assert objects(appliance) == (before[0] + 1, before[1] + 1), "half a key was left"
    assert key["kid"] in sync(appliance)


def boottime():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def wrong_clock(appliance, quorum, seconds, code):
    """`seconds` that CLOCK_BOOTTIME is ahead when the appliance starts again; behind, it must still be later than it was at the stop."""
    ceremony = staging(appliance, quorum, code)
    # The first step is done; the clock is set before the second.
    assert ceremony.run("--initials", "carol=CA")[1]["error"]["code"] == "initials_missing"
    before = len(keys_of(appliance))
    timestamp = appliance.folder / "published" / "timestamp.json"
    appliance.stop()
    stopped = boottime()
    while boottime() + seconds < stopped + 1:
        time.sleep(0.05)  # polls the clock that is to be shifted
    version = json.loads(timestamp.read_text())["signed"]["version"]
    with ShiftedTime(seconds):
        appliance.launch()
        appliance.wait_answers()
        _, answer, said = ceremony.resume()
        assert answer["error"]["code"] == code, (answer, said[-1000:], appliance.log()[-1500:])
        assert told(ceremony, code), ceremony.transcript()
        assert refusal_of(lambda: appliance.custodian().call("POST", "/v1/publish", {})) == code
        assert any(code.replace("_", " ").split()[0] in finding["what"] for finding in appliance.status()["findings"])
        assert json.loads(timestamp.read_text())["signed"]["version"] == version, "published by a clock that is not believed"
        appliance.stop()
    # The clock is right again.
    appliance.start()
    assert len(keys_of(appliance)) == before
    code, answer, said = ceremony.resume()
    assert answer["error"]["code"] == "under_signed", (code, answer, said[-2000:])
    (key,) = ceremony.close()["keys"]
    assert key["kid"] in sync(appliance)


def small_file_system(stack, folder):
    folder.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,nr_inodes=200", "tmpfs", folder]).returncode != 0:
        skip("cannot mount a file system")
    stack.callback(subprocess.run, ["umount", "--lazy", folder], check=True)


def main():
    if os.geteuid() != 0:
        skip("not root")
    with tempfile.TemporaryDirectory(prefix="countersign-faults-") as place, contextlib.ExitStack() as stack:
        folder = pathlib.Path(place)
        for small in ("published", "tokens/trace"):
            small_file_system(stack, folder / "a" / small)
        appliance = Appliance(sys.argv[1], folder / "a", publication=PUBLICATION, roles=ROLES + ("publication",),
                              more="limits: {clock_step: 2s}").init()
        stack.callback(appliance.stop)
        appliance.start()
        quorum = Quorum(folder / "custodians")
        Ceremony(appliance, "first", quorum).hold("custodians-first", quorum=quorum)
        disk_full(appliance, quorum)
        token_full(appliance, quorum)
        wrong_clock(appliance, quorum, 3600, "clock_stepped_back")
        wrong_clock(appliance, quorum, -4, "clock_jumped_forward")


if __name__ == "__main__":
    main()
