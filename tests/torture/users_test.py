#!/usr/bin/env python3
"""An appliance whose processes have users of their own: each runs as its user, none can touch another's files, and what
holds for one uid (replacing a killed holder, halting, staging, a whole restart) holds for seven."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from appliance import Appliance, programs_for_others, trace_request  # noqa: E402
from ceremony import keys_of  # noqa: E402

ROLES = ("approval", "trace", "release", "log", "publication")
USERS = {"front": 61000, "notifier": 61001, **{role: 61010 + number for number, role in enumerate(ROLES)}}


def until(condition, what, within=60):
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)  # polls a condition; nothing depends on how long


def uids(pid):
    """Real, effective, saved and file-system uid and gid, and the supplementary groups."""
    lines = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    return lines["Uid"].split(), lines["Gid"].split(), lines["Groups"].split(), int(lines["CapEff"], 16)


def as_uid(uid, *words):
    return subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *words], capture_output=True, text=True,
                          timeout=60)


def runs_as_its_user(appliance):
    for pid, words in appliance.children().items():
        name = "front" if "front" in words else "notifier" if "notifier" in words else words.split(": ")[1].split("/")[0]
        uid = str(USERS[name])
        real, group, groups, capabilities = uids(pid)
        assert set(real) == {uid} and set(group) == {uid} and groups == [uid], (words, real, group, groups)
        assert capabilities == 0, (words, hex(capabilities))
    kept = {"setuid": 7, "setgid": 6, "kill": 5, "dac_read_search": 2}
    assert uids(appliance.process.pid)[3] == sum(1 << number for number in kept.values()), "the supervisor keeps more than it needs"
    status = appliance.status()
    assert status["separation"] == "full", status


def cannot_touch_anothers(appliance):
    """Beside each refusal, what the user may."""
    ledger = appliance.state / "ledger.db"
    own = {role: appliance.token(role) / "tokens" for role in ROLES}
    for user, uid in USERS.items():
        for role, place in own.items():
            listed = as_uid(uid, "find", str(place), "-name", "*.object")
            found = listed.returncode == 0 and ".object" in listed.stdout
            assert found == (user == role), (user, role, listed)
            assert as_uid(uid, "cat", str(appliance.token(role) / "pin")).returncode != 0, f"{user} reads the PIN of {role}"
        read = as_uid(uid, "head", "-c", "1", str(ledger)).returncode == 0
        assert read == (user == "front"), (user, "ledger")
    assert as_uid(USERS["front"], "ls", str(appliance.state / "so-pins")).returncode != 0, "the front reads SO PINs"


def keeps_serving(appliance):
    answer = appliance.sign_after_kill(trace_request(os.urandom(32).hex()))
    assert answer["kid"], answer
    for kind in ("countersign-holder: trace", "front", "notifier"):
        victim = next(pid for pid, words in appliance.children().items() if kind in words)
        os.kill(victim, signal.SIGKILL)
        until(lambda: victim not in appliance.children() and any(kind in words for words in appliance.children().values()),
              f"{kind} was not replaced")
        appliance.wait_ready(60)
        appliance.sign_after_kill(trace_request(os.urandom(32).hex()))


def run(appliance, *words):
    done = subprocess.run([str(appliance.bin / words[0]), *words[1:], "--json"], capture_output=True, text=True, timeout=120)
    return done.returncode, json.loads(done.stdout)


def stages_and_halts(appliance):
    code, answer = run(appliance, "countersignd", "stage", "release", "--config", str(appliance.config))
    assert code == 0, answer
    states = sorted(key["state"] for key in keys_of(appliance, "release").values())
    assert states == ["active", "staged"], states
    code, answer = run(appliance, "countersign", "keys", "halt", "trace", "--reason", "drill", "--admin",
                       str(appliance.folder / "run" / "admin.sock"))
    assert code == 0, answer
    until(lambda: not any(": trace" in words for words in appliance.children().values()), "the halted role still has a holder")


def starts_again(appliance):
    assert appliance.stop() == 0
    appliance.launch()
    appliance.wait_answers()
    assert not any(": trace" in words for words in appliance.children().values()), "the halt was forgotten"
    assert appliance.status()["separation"] == "full"
    assert appliance.stop() == 0
    code, answer = run(appliance, "countersignd", "ledger", "verify", "--config", str(appliance.config))
    assert code == 0 and answer["ok"], answer
    appliance.launch()
    appliance.wait_answers()  # what root verified, the front can still open
    assert appliance.stop() == 0


def refuses_others(appliance):
    """Only root can start processes as others; and users are all or none."""
    appliance.config.chmod(0o644)
    done = as_uid(USERS["front"], str(appliance.bin / "countersignd"), "--config", str(appliance.config))
    assert done.returncode == 3 and "only root can start" in done.stderr, done
    text = appliance.config.read_text()
    for wrong, what in ((text.replace(", user: '61010'", ""), "tokens.approval.user"),
                        (text.replace("front: '61000', ", ""), "users.front"),
                        (text.replace("'61001'", "'0'"), "users.notifier"),
                        (text.replace("'61001'", "nobody-has-this-name"), "users.notifier")):
        assert wrong != text
        appliance.config.write_text(wrong)
        done = subprocess.run([str(appliance.bin / "countersignd"), "--config", str(appliance.config)], capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == 6 and what in done.stderr, (what, done)
    appliance.config.write_text(text.replace("'61001'", "'61000'"))
    done = subprocess.run([str(appliance.bin / "countersignd"), "--config", str(appliance.config), "--check"], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0 and "is the user of users.front too" in done.stdout, done


def main():
    if os.geteuid() != 0:
        print("not run: only root can start processes as other users")
        sys.exit(1 if os.environ.get("CI") == "true" else 77)
    os.umask(0o022)
    with tempfile.TemporaryDirectory(prefix="countersign-users-") as folder:
        pathlib.Path(folder).chmod(0o755)
        appliance = Appliance(programs_for_others(sys.argv[1], folder), pathlib.Path(folder) / "appliance", roles=ROLES, users=USERS)
        (appliance.folder / "run").chmod(0o755)
        os.chown(appliance.folder / "run", USERS["front"], USERS["front"])
        appliance.init().start()
        runs_as_its_user(appliance)
        cannot_touch_anothers(appliance)
        keeps_serving(appliance)
        stages_and_halts(appliance)
        starts_again(appliance)
        refuses_others(appliance)
    print("6 passed, 0 failed")


if __name__ == "__main__":
    main()
