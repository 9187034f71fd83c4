#!/usr/bin/env python3
"""What an appliance does when the folders, sockets and files around it are changed, between its starts and while it runs.

  surroundings_test.py PROGRAMS
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from appliance import Appliance, Refused, trace_request  # noqa: E402


def wait_for(condition, what, within=30):
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.02)  # polls a condition; nothing depends on how long
    raise AssertionError(f"not within {within} s: {what}")


def findings(appliance):
    return [f"{each['what']} — {each['fix']}" for each in appliance.status()["findings"]]


def publish(appliance):
    """"" where it was published, else the refusal's status, code and hint."""
    try:
        appliance.custodian().call("POST", "/v1/publish", {})
        return ""
    except Refused as refusal:
        return f"{refusal.status} {refusal.code}: {refusal.error['hint']}"


def fails_to_start(appliance):
    """The exit code of a start that ends by itself, and what it said."""
    done = subprocess.run([appliance.bin / "countersignd", "--config", appliance.config], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


def moved_directory(appliance):
    """A publication directory that the configuration has anew is made, although the front is confined."""
    before = appliance.config.read_text()
    appliance.config.write_text(before.replace("directory: published", "directory: served/keys"))
    appliance.start()
    assert (appliance.folder / "served" / "keys" / "keyset.json").exists()
    assert not any("could not be published" in each for each in findings(appliance)), findings(appliance)
    appliance.stop()
    appliance.config.write_text(before)


def damaged_key_set(appliance):
    """Without a repository nothing but keyset.json says what was published last: damaged, it is not written over."""
    keyset = appliance.folder / "published" / "keyset.json"
    appliance.start()
    whole = keyset.read_text()
    keyset.write_text("{}")
    told = publish(appliance)
    assert told.startswith("403 published_damaged: ") and "move the file away" in told, told
    assert any("could not be published" in each and "move the file away" in each for each in findings(appliance))
    appliance.stop()
    code, said = fails_to_start(appliance)
    assert code == 3 and "published_damaged: " in said and "move the file away" in said, (code, said)
    keyset.unlink()
    appliance.start()
    assert json.loads(keyset.read_text())["version"] == json.loads(whole)["version"]
    appliance.stop()


def removed_directory(appliance):
    """Removed while it runs, the directory is out of a confined front's reach; the answer says what helps."""
    appliance.start()
    (appliance.folder / "published").rename(appliance.folder / "moved-away")
    told = publish(appliance)
    if told:  # confined
        assert told.startswith("503 ") and "start countersignd again" in told, told
        assert any("could not be published" in each and "start countersignd again" in each for each in findings(appliance))
    appliance.signer().sign(trace_request(os.urandom(32).hex()))
    appliance.stop()
    appliance.start()
    assert (appliance.folder / "published" / "keyset.json").exists()
    assert not any("could not be published" in each for each in findings(appliance)), findings(appliance)
    appliance.stop()


def removed_socket(appliance):
    """Nobody could ask any more; the next front makes it again, and nothing that was recorded is lost."""
    appliance.start()
    first = appliance.signer().sign(trace_request(os.urandom(32).hex()))["log_index"]
    front = appliance.front()
    appliance.socket.unlink()
    wait_for(lambda: appliance.socket.exists() and appliance.ready(), "the socket is there again")
    assert appliance.front() != front
    assert f"socket_removed: somebody removed or replaced {appliance.socket}" in appliance.log()
    assert appliance.signer().sign(trace_request(os.urandom(32).hex()))["log_index"] > first
    appliance.stop()


def second_one(appliance):
    """A second countersignd on the state directory is refused by name, and told what to do; the first one signs on."""
    appliance.start()
    code, said = fails_to_start(appliance)
    assert code == 3 and "already_running: another countersignd" in said and "Stop that one first" in said, (code, said)
    appliance.signer().sign(trace_request(os.urandom(32).hex()))
    appliance.stop()


def main():
    if not shutil.which("softhsm2-util"):
        print("no SoftHSM here")
        sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="cs-surroundings-") as folder:
        appliance = Appliance(sys.argv[1], pathlib.Path(folder) / "a").init()
        for what in (moved_directory, damaged_key_set, removed_directory, removed_socket, second_one):
            what(appliance)


if __name__ == "__main__":
    main()
