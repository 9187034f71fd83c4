#!/usr/bin/env python3
"""The ledger's disk fills up: no signature leaves without a record, the answer says why, and signing goes on when there is
space again. Needs to mount a small tmpfs (root); elsewhere it is reported as not run.

  disk_full_test.py PROGRAMS
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from appliance import Appliance, Load  # noqa: E402


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="countersign-full-"))
    state = folder / "disk"
    state.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs", state], capture_output=True, text=True)
    if mounted.returncode != 0:
        print("not run: mounting a tmpfs is not permitted here: " + mounted.stderr.strip())
        sys.exit(1 if os.environ.get("CI") == "true" else 77)
    try:
        appliance = Appliance(sys.argv[1], folder / "appliance", state=state / "state").init()
        appliance.start()
        load = Load(appliance)
        filler = state / "filler"
        deadline = time.monotonic() + 60
        with open(filler, "wb", buffering=0) as ballast:  # nothing is left in a buffer for close() to trip over
            while not load.refusals and time.monotonic() < deadline:
                try:
                    ballast.write(b"x" * 65536)
                except OSError:
                    time.sleep(0.005)  # full: now the ledger has to meet it
        assert load.refusals, "a full disk was not noticed"
        print(f"full disk: {load.refusals}")
        assert all(load.refusals), "a refusal without a code"
        filler.unlink()
        before = len(load.acknowledged)
        deadline = time.monotonic() + 60
        while len(load.acknowledged) <= before + 10 and time.monotonic() < deadline:
            time.sleep(0.01)
        load.stop()
        assert len(load.acknowledged) > before, "no signature after space came back\n" + appliance.log()[-2000:]
        assert appliance.stop() == 0
        recorded = appliance.recorded()
        for index, digest in load.acknowledged:
            assert recorded.get(index) == digest, f"acknowledged signature {index} is not in the ledger"
        print(f"{len(load.acknowledged)} acknowledged, all recorded")
    finally:
        subprocess.run(["umount", "-l", state], check=False)
    shutil.rmtree(folder)
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
