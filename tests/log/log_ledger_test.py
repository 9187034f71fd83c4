#!/usr/bin/env python3
"""`log fsck` against the ledger: of the running signer, of a stopped one, a backup; a log that is another ledger's is
refused, with the first record that differs.

  log_ledger_test.py PROGRAMS
"""
import json
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile

from logged import answered, command, logged_appliance, sign, wait_covered


def of_the_running_signer(appliance, log, key):
    compared = answered(appliance, "log", "fsck", "--signers-ledger")
    assert compared["ledger"]["compared"] == compared["size"] <= compared["ledger"]["size"], compared
    answered(appliance, "log", "fsck", "--log", log, "--log-key", key, "--signers-ledger")
    answered(appliance, "log", "fsck", "--config", appliance.config)
    code, answer = command(appliance, "log", "fsck", "--signers-ledger", "--config", appliance.config)
    assert code == 6, answer
    code, answer = command(appliance, "log", "fsck", "--signers-ledger", "--admin", appliance.folder / "nowhere.sock")
    assert code == 7, answer
    custodian = appliance.custodian()
    size = compared["size"]
    assert custodian.call("POST", "/v1/ledger/check", {"start": False, "root_at": size})["root_at"]["size"] == size
    for wrong, code in ((10**9, "not_found"), (-1, "invalid"), ("1", "invalid")):
        try:
            custodian.call("POST", "/v1/ledger/check", {"start": False, "root_at": wrong})
            raise AssertionError(f"root_at {wrong} was answered")
        except Exception as refusal:
            assert getattr(refusal, "code", None) == code, (wrong, refusal)


def of_files(appliance, folder, pinned):
    ledger = appliance.state / "ledger.db"
    whole = answered(appliance, "log", "fsck", *pinned, "--config", appliance.config)
    assert whole["ledger"]["compared"] == whole["size"] == whole["ledger"]["size"], whole
    answered(appliance, "log", "fsck", *pinned, "--ledger", ledger)
    part = answered(appliance, "log", "fsck", *pinned, "--backup", folder / "backup.db")
    assert 0 < part["ledger"]["compared"] == part["ledger"]["size"] < part["size"], part
    # As the appliance's ledger, the backup is an older one.
    code, answer = command(appliance, "log", "fsck", *pinned, "--ledger", folder / "backup.db")
    assert code == 2 and "records, the ledger has" in answer["findings"][0]["what"], answer
    code, answer = command(appliance, "log", "fsck", *pinned, "--ledger", folder / "none.db")
    assert code == 7 and answer["error"]["code"] == "ledger_missing", answer
    return part["ledger"]["size"]


def roots(appliance, folder):
    ledger = (str(appliance.bin / "countersignd"), "ledger")
    for words, code in ((("root", "--ledger", folder / "backup.db", "--at", 5, "--json"), 0),
                        (("root", "--ledger", folder / "backup.db", "--at", 5), 0),
                        (("root", "--ledger", folder / "backup.db", "--at", 10**9), 5),
                        (("root", "--ledger", folder / "backup.db", "--at", "five"), 6),
                        (("root", "--ledger", folder / "backup.db"), 6),
                        (("verify", "--ledger", folder / "backup.db", "--at", 5), 6)):
        done = subprocess.run([*ledger, *map(str, words)], capture_output=True, text=True, timeout=60)
        assert done.returncode == code, (words, done)


def another_history(appliance, folder, pinned, size):
    """A ledger that was put back and written further is not the one that was published: its first own record is named."""
    answered(appliance, "ledger", "restore", "--from", folder / "backup.db", "--reason", "drill", "--accept-loss",
             "--config", appliance.config)
    code, answer = command(appliance, "log", "fsck", *pinned, "--backup", appliance.state / "ledger.db")
    assert code == 2 and answer["findings"][0]["what"] == f"record {size} is not the ledger's", answer
    assert answer["findings"][0]["path"].startswith(f"tile/entries/{size // 256:03}"), answer


def damaged_ledger(appliance, folder, pinned):
    """A ledger that is not what its own tree says proves nothing of a log."""
    shutil.copy(folder / "backup.db", folder / "changed.db")
    with sqlite3.connect(folder / "changed.db") as changed:
        changed.execute("UPDATE records SET peer_uid = peer_uid + 1 WHERE idx = 20")
    changed.close()
    code, answer = command(appliance, "log", "fsck", *pinned, "--backup", folder / "changed.db")
    assert code == 3 and answer["error"]["code"].startswith("ledger_"), answer


def main():
    with tempfile.TemporaryDirectory(prefix="countersign-log-") as name:
        folder = pathlib.Path(name)
        appliance = logged_appliance(sys.argv[1], folder / "appliance").init()
        text = appliance.config.read_text()
        assert "admin:halt," in text and "admin:ledger" not in text
        appliance.start()
        code, answer = command(appliance, "log", "fsck", "--signers-ledger")
        assert code in (3, 7) and answer["ok"] is False, answer  # without the word, and perhaps before the first checkpoint
        assert answer["error"]["code"] in ("peer_not_permitted", "log_behind"), answer
        appliance.stop()
        appliance.config.write_text(text.replace("admin:halt,", "admin:halt, admin:ledger,"))
        appliance.start()
        log = appliance.state / "log"
        wait_covered(appliance, sign(appliance, 300)[-1]["log_index"])
        answered(appliance, "ledger", "backup", "--to", folder / "backup.db", "--config", appliance.config)
        wait_covered(appliance, sign(appliance, 300)[-1]["log_index"])
        key = answered(appliance, "log", "show")["log_key"]
        of_the_running_signer(appliance, log, key)
        assert appliance.stop() == 0
        pinned = ("--log", log, "--log-key", key)
        size = of_files(appliance, folder, pinned)
        roots(appliance, folder)
        damaged_ledger(appliance, folder, pinned)
        another_history(appliance, folder, pinned, size)


if __name__ == "__main__":
    main()
