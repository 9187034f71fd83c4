#!/usr/bin/env python3
"""The disk of the log fills up: signing goes on, `status` says why the log stands still, and it catches up by itself when
there is space again, with nothing torn. Needs to mount a small tmpfs (root); elsewhere it is reported as not run.

  log_disk_test.py PROGRAMS
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from logged import answered, logged_appliance, sign, wait_covered


def fill(path):
    with open(path, "wb", buffering=0) as ballast:
        for size in (65536, 512, 1):
            try:
                while True:
                    ballast.write(b"x" * size)
            except OSError:
                pass  # full


def main():
    with tempfile.TemporaryDirectory(prefix="countersign-log-") as name:
        folder = pathlib.Path(name)
        disk = folder / "disk"
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=755", "tmpfs", disk], capture_output=True, text=True)
        if mounted.returncode != 0:
            print("not run: mounting a tmpfs is not permitted here: " + mounted.stderr.strip())
            sys.exit(1 if os.environ.get("CI") == "true" else 77)
        try:
            appliance = logged_appliance(sys.argv[1], folder / "appliance", log=f", directory: {disk}/log").init()
            appliance.start()
            wait_covered(appliance, sign(appliance, 20)[-1]["log_index"])
            before = appliance.status()["log"]["size"]
            fill(disk / "ballast")
            last = sign(appliance, 600)[-1]["log_index"]  # more than a bundle: the ledger is what counts
            deadline = time.monotonic() + 60
            while not any("the log stands at" in each["what"] for each in appliance.status()["findings"]):
                assert time.monotonic() < deadline, appliance.status()
                time.sleep(0.02)  # polls a condition; nothing depends on how long
            assert appliance.status()["log"]["size"] == before
            assert (disk / "log/checkpoint").read_text().splitlines()[1] == str(before), "a checkpoint of what is not there"
            (disk / "ballast").unlink()
            wait_covered(appliance, last)
            assert answered(appliance, "log", "fsck", "--log", disk / "log")["findings"] == []
            assert appliance.stop() == 0
        finally:
            subprocess.run(["umount", "-l", disk], check=False)


if __name__ == "__main__":
    main()
