#!/usr/bin/env python3
"""Go's own reader of such logs (golang.org/x/mod/sumdb/note and tlog) opens our checkpoint and proves our records by our
tiles. Skipped where Go or its modules are not to be had.

  go_test.py PROGRAMS
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from logged import answered, logged_appliance, sign, wait_covered

MAIN = pathlib.Path(__file__).resolve().parent / "go_reader" / "main.go"
MODULE = "module countersign.example/go_reader\n\ngo 1.21\n\nrequire golang.org/x/mod v0.17.0\n"


def built(folder):
    """The reader, or a reason why there is none."""
    if shutil.which("go") is None:
        return None, "Go is not installed"
    shutil.copy(MAIN, folder)
    (folder / "go.mod").write_text(MODULE)
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "GONOSUMDB": "*", "GONOSUMCHECK": "1",
                   "GOFLAGS_EXTRA": ""}
    done = subprocess.run(["go", "build", "-o", "reader", "."], cwd=folder, env=environment, capture_output=True, text=True,
                          timeout=240, check=False)
    return (folder / "reader", "") if done.returncode == 0 else (None, "it does not build here: " + done.stderr[-300:])


def main():
    with tempfile.TemporaryDirectory(prefix="countersign-log-") as name:
        folder = pathlib.Path(name)
        (folder / "go").mkdir()
        reader, why = built(folder / "go")
        if reader is None:
            print("skipped: " + why)
            sys.exit(77)
        appliance = logged_appliance(sys.argv[1], folder / "appliance").init()
        appliance.start()
        last = sign(appliance, 600)[-1]["log_index"]
        wait_covered(appliance, last)
        key = answered(appliance, "log", "show")["log_key"]
        log = appliance.state / "log"
        done = subprocess.run([reader, log, key], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        print(done.stdout.strip())
        bundle = bytearray((log / "tile/entries/001").read_bytes())
        bundle[-1] ^= 1
        copy = folder / "forged"
        shutil.copytree(log, copy)
        (copy / "tile/entries/001").write_bytes(bundle)
        assert subprocess.run([reader, copy, key], capture_output=True, check=False).returncode != 0
        appliance.stop()


if __name__ == "__main__":
    main()
