#!/usr/bin/env python3
"""Witnesses: a checkpoint is published with their cosignatures or not at all; one that is absent, forgets or lies holds the
log, never the signatures.

  witness_test.py PROGRAMS
"""
import base64
import hashlib
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import witness
from logged import HERE, answered, command, logged_appliance, sign, wait_covered


class Running:
    def __init__(self, folder, log_key, *more):
        self.folder, self.log_key, self.more = folder, log_key, more
        self.process = None

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, "-B", str(HERE / "witness.py"), str(self.folder / "witness.sock"),
                                         str(self.folder / "witness.json"), self.log_key, *self.more])
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def stands_still(appliance, why):
    """Signatures go on, the log does not, and the status says why."""
    before = appliance.status()["log"]["size"]
    sign(appliance, 3)
    deadline = time.monotonic() + 60
    while not any(why in each["what"] for each in appliance.status()["findings"]):
        assert time.monotonic() < deadline, appliance.status()
        time.sleep(0.02)  # polls a condition; nothing depends on how long
    assert appliance.status()["log"]["size"] == before


def main():
    with tempfile.TemporaryDirectory(prefix="countersign-log-") as name:
        folder = pathlib.Path(name)
        key = witness.verifier_key()
        appliance = logged_appliance(sys.argv[1], folder / "appliance", log=f", witnesses: [{{key: {key}, socket: {folder}/witness.sock}}]")
        appliance.init().start()
        # Nobody witnesses: nothing is published, and everything else works.
        last = sign(appliance, 5)[-1]["log_index"]
        stands_still(appliance, "of 1 required witnesses")
        keys = [each for each in appliance.signer().call("GET", "/v1/keys")["keys"] if each["role"] == "log"]
        assert len(keys) == 1
        log_key = note_key("log.example/test", keys[0])
        with Running(folder, log_key):
            note = wait_covered(appliance, last, within=60)
            assert witness.NAME in note
            shown = answered(appliance, "log", "verify", "--witness", key, "--log-key", log_key)
            assert shown["cosigners"] == [witness.NAME]
            wait_covered(appliance, sign(appliance, 300)[-1]["log_index"], within=60)
        code, answer = command(appliance, "log", "verify", "--log-key", log_key, "--witness", key.replace("test+", "test2+"))
        assert code != 0, answer
        stands_still(appliance, "of 1 required witnesses")
        # One that forgot what it saw is told all again.
        (folder / "witness.json").unlink()
        with Running(folder, log_key):
            wait_covered(appliance, sign(appliance, 1)[-1]["log_index"], within=60)
        with Running(folder, log_key, "--lie"):
            stands_still(appliance, "does not verify")
        with Running(folder, log_key):
            wait_covered(appliance, sign(appliance, 1)[-1]["log_index"], within=60)
        # One that saw more than there is says that an older ledger is in place.
        (folder / "witness.json").write_text('{"size": 1000000, "root": ""}')
        with Running(folder, log_key):
            stands_still(appliance, "more than this log has")
        appliance.stop()


def note_key(name, key):
    """The log's verifier key, made from its published public key: what an operator gives a witness."""
    material = b"\x01" + base64.b64decode(key["spki"])[-32:]
    key_id = hashlib.sha256(name.encode() + bytes([10]) + material).digest()[:4].hex()
    return f"{name}+{key_id}+{base64.b64encode(material).decode()}"


if __name__ == "__main__":
    main()
