#!/usr/bin/env python3
"""Older entries of a log are archived while its signer runs: nothing that is asked of the log changes, and what cannot be
moved safely is not moved.

  log_archive_test.py PROGRAMS
"""
import datetime
import json
import pathlib
import shutil
import sys
import tempfile

from logged import answered, command, logged_appliance, sign, wait_covered


def moved(appliance, log, archive, key):
    words = ("log", "archive", "--log", log, "--to", archive, "--log-key", key)
    report = answered(appliance, *words, "--below", 600)
    assert report["archived_below"] == 512 and report["bundles"] == 2 and report["bytes"] > 512 * 300, report
    assert not (log / "tile/entries/000").exists() and (archive / "tile/entries/000").exists()
    assert answered(appliance, *words, "--below", 600)["bundles"] == 0
    # Killed between copy and removal.
    shutil.copy(archive / "tile/entries/001", log / "tile/entries/001")
    assert answered(appliance, *words, "--below", 600)["bundles"] == 1
    return words


def asked_as_before(appliance, folder, log, archive, key, trace):
    pinned = ("--log", log, "--log-key", key)
    code, answer = command(appliance, "log", "fsck", *pinned)
    assert code == 2 and {each["path"] for each in answer["findings"]} == {"tile/entries/000", "tile/entries/001"}, answer
    assert answered(appliance, "log", "fsck", *pinned, "--archived-below", 512)["bundles_absent"] == 2
    assert answered(appliance, "log", "fsck", *pinned, "--archive", archive)["bundles_absent"] == 0
    assert answered(appliance, "log", "fsck", "--archive", archive)["findings"] == []
    # The signer proves archived records from its ledger, the files with the archive.
    answered(appliance, "log", "prove", "--index", 7, "--out", folder / "seven.proof")
    answered(appliance, "log", "verify", "--proof", folder / "seven.proof", "--log-key", key)
    code, answer = command(appliance, "log", "prove", "--index", 7, *pinned)
    assert code == 5 and answer["error"]["code"] == "bundle_absent" and "--archive" in answer["error"]["hint"], answer
    archived = answered(appliance, "log", "prove", "--index", 7, *pinned, "--archive", archive)
    assert archived["leaf"] == json.loads((folder / "seven.proof").read_text())["leaf"]
    assert answered(appliance, "log", "show", 7, *pinned, "--archive", archive)["record"]["index"] == 7
    (folder / "trace.json").write_text(json.dumps(trace))
    answered(appliance, "trace", "verify", folder / "trace.json", "--require-log")
    code, text = command(appliance, "log", "follow", "--once", "--from", 0, *pinned, "--archive", archive, raw=True)
    assert code == 0 and json.loads(text.splitlines()[0])["index"] == 0
    exported = answered(appliance, "log", "export", "--out", folder / "copy", *pinned, "--archive", archive)
    assert exported["bundles_absent"] == 0 and (folder / "copy/tile/entries/000").exists(), exported


def damaged(appliance, log, archive, words):
    """A bundle of the archive that was changed is found, and takes no other with it."""
    path = archive / "tile/entries/000"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    code, answer = command(appliance, "log", "fsck", "--archive", archive)
    assert code == 2 and answer["findings"][0]["path"] == "tile/0/000", answer
    code, answer = command(appliance, *words, "--below", 768)
    assert code == 2 and answer["error"]["code"] == "log_damaged", answer
    assert (log / "tile/entries/002").exists()
    path.write_bytes(whole)


def by_day(appliance, log, archive, words):
    today = datetime.datetime.now(datetime.timezone.utc).date()
    for day, error in ((today + datetime.timedelta(days=1), "day_not_over"), ("yesterday", "invalid")):
        code, answer = command(appliance, *words, "--before", day)
        assert code != 0 and answer["error"]["code"] == error, answer
    (log / "history/2026-01-31.jsonl").write_text('{"size":1}\n')
    report = answered(appliance, *words, "--before", "2026-02-01")
    assert report["history_days"] == 1 and report["bundles"] == 0 and report["archived_below"] == 0, report
    assert (archive / "history/2026-01-31.jsonl").read_text() == '{"size":1}\n'
    # A negative number is none of records, and never all of them.
    negative = ("log", "fsck", "--log", log, "--archived-below", -1)
    for wrong in (words, (*words, "--before", today, "--below", 1), words[:2] + words[4:] + ("--below", "1"), (*words, "--below", -1), negative):
        code, answer = command(appliance, *wrong)
        assert code == 6, (wrong, answer)


def main():
    with tempfile.TemporaryDirectory(prefix="countersign-log-") as name:
        folder = pathlib.Path(name)
        appliance = logged_appliance(sys.argv[1], folder / "appliance").init()
        appliance.start()
        log, archive = appliance.state / "log", folder / "archive"
        signed = sign(appliance, 800)
        wait_covered(appliance, signed[-1]["log_index"])
        key = answered(appliance, "log", "show")["log_key"]
        words = moved(appliance, log, archive, key)
        asked_as_before(appliance, folder, log, archive, key, signed[0]["statement"])
        damaged(appliance, log, archive, words)
        by_day(appliance, log, archive, words)
        # The signer starts, publishes and is complete without the archived bundles.
        assert appliance.stop() == 0
        appliance.start()
        wait_covered(appliance, sign(appliance, 1)[-1]["log_index"])
        assert not (log / "tile/entries/000").exists()
        assert answered(appliance, "log", "fsck", "--archive", archive)["findings"] == []
        assert appliance.stop() == 0


if __name__ == "__main__":
    main()
