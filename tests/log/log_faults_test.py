#!/usr/bin/env python3
"""What goes wrong with a log: damaged files, a swapped checkpoint, an older ledger, a second writer. Each is named, none is
continued silently, and what was only damaged is made again from the ledger.

  log_faults_test.py PROGRAMS
"""
import pathlib
import shutil
import signal
import sys
import tempfile
import time

from logged import answered, command, logged_appliance, sign, wait_covered


def refused_start(appliance, reason):
    appliance.launch()
    code = appliance.process.wait(60)
    appliance.process = None
    assert code == 3, (code, appliance.log()[-2000:])
    assert reason in appliance.log()[-2000:], appliance.log()[-2000:]


def damage_is_mended(appliance, log):
    appliance.stop()
    size = int((log / "checkpoint").read_text().splitlines()[1])
    (log / "synced").unlink()
    whole = (log / "tile/entries/000").read_bytes()
    (log / "tile/entries/000").write_bytes(whole[:1000])
    (log / "tile/0/000").write_bytes(b"")
    (log / "tmp/tile").write_bytes(b"torn")
    appliance.start()
    assert any("made again from the ledger" in each["what"] for each in appliance.status()["findings"])
    wait_covered(appliance, size - 1)
    assert (log / "tile/entries/000").read_bytes() == whole
    answered(appliance, "log", "fsck")


def swapped_checkpoint(appliance, log, old):
    """While it runs nothing is published over somebody else's file; the next start refuses it."""
    present = (log / "checkpoint").read_bytes()
    before = appliance.status()["log"]["size"]
    (log / "checkpoint").write_text("somebody else's\n")
    sign(appliance, 3)
    deadline = time.monotonic() + 30
    while not any("somebody else wrote there" in each["what"] for each in appliance.status()["findings"]):
        assert time.monotonic() < deadline, appliance.status()
        time.sleep(0.02)  # polls a condition; nothing depends on how long
    assert (log / "checkpoint").read_text() == "somebody else's\n"
    assert appliance.status()["log"]["size"] == before
    sign(appliance, 1)  # signing goes on: the ledger is what counts
    appliance.stop()
    refused_start(appliance, "is not this log's")
    # An older checkpoint of the log itself is no damage: the log goes on from it.
    (log / "checkpoint").write_text(old)
    appliance.start()
    wait_covered(appliance, before)
    appliance.stop()
    (log / "checkpoint").write_bytes(present)
    appliance.start()
    wait_covered(appliance, before)
    answered(appliance, "log", "fsck")


def older_ledger(appliance, log, folder):
    """A ledger behind the published checkpoint is refused, also where no anchor is left to say so."""
    appliance.stop()
    kept = folder / "kept"
    kept.mkdir()
    for path in appliance.state.glob("ledger.db*"):
        shutil.copy(path, kept)
    appliance.start()
    wait_covered(appliance, sign(appliance, 3)[-1]["log_index"])
    appliance.stop()
    newer = folder / "newer"
    newer.mkdir()
    for path in appliance.state.glob("ledger.db*"):
        shutil.copy(path, newer)
        path.unlink()
    for path in kept.iterdir():
        shutil.copy(path, appliance.state)
    refused_start(appliance, "the published checkpoint covers")
    for path in appliance.state.glob("ledger.db*"):
        path.unlink()
    for path in newer.iterdir():
        shutil.copy(path, appliance.state)
    appliance.start()
    wait_covered(appliance, sign(appliance, 1)[-1]["log_index"])


def kills(appliance):
    """kill -9 of the front and of the log's holder: the supervisor starts them again and the log goes on."""
    for _ in range(3):
        import os
        os.kill(appliance.front(), signal.SIGKILL)
        deadline = time.monotonic() + 60
        while not appliance.ready():
            assert time.monotonic() < deadline, appliance.log()[-2000:]
            time.sleep(0.02)  # polls a condition; nothing depends on how long
        wait_covered(appliance, sign(appliance, 20)[-1]["log_index"], within=60)
        answered(appliance, "log", "fsck")


def main():
    with tempfile.TemporaryDirectory(prefix="countersign-log-") as name:
        folder = pathlib.Path(name)
        appliance = logged_appliance(sys.argv[1], folder / "appliance").init()
        log = appliance.state / "log"
        appliance.start()
        old = wait_covered(appliance, sign(appliance, 300)[-1]["log_index"])
        wait_covered(appliance, sign(appliance, 5)[-1]["log_index"])
        kills(appliance)
        damage_is_mended(appliance, log)
        swapped_checkpoint(appliance, log, old)
        older_ledger(appliance, log, folder)
        # One folder, one writer.
        code, answer = command(appliance, "log", "verify", "--log", log)
        assert code == 0, answer
        # A folder that is none of a log's.
        code, answer = command(appliance, "log", "verify", "--log", folder)
        assert (code, answer["error"]["code"]) == (5, "log_checkpoint_missing") and "log.directory" in answer["error"]["hint"], (code, answer)
        assert appliance.stop() == 0


if __name__ == "__main__":
    main()
