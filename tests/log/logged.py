"""An appliance with a transparency log, and what its tests ask of it again and again."""
import json
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
from appliance import ROLES, Appliance, Refused, trace_request  # noqa: E402,F401

ORIGIN = "log.example/test"


def logged_appliance(programs, folder, log="", more=""):
    """`log` is added to that section of the configuration."""
    return Appliance(programs, folder, roles=ROLES + ("log",), more=f"log: {{origin: {ORIGIN}{log}}}\n" + more)


def command(appliance, *words, raw=False):
    """Exit code and the answer of a command with --json; its text where that is not one JSON value or `raw`."""
    done = subprocess.run([str(appliance.bin / "countersign"), *map(str, words), "--json"], capture_output=True, text=True,
                          timeout=120, env={**os.environ, "COUNTERSIGN_SIGNER": str(appliance.socket)})
    if raw:
        return done.returncode, done.stdout
    try:
        return done.returncode, json.loads(done.stdout)
    except ValueError:
        return done.returncode, done.stdout + done.stderr


def answered(appliance, *words):
    code, answer = command(appliance, *words)
    assert code == 0, (words, code, answer)
    return answer


def sign(appliance, count):
    signer = appliance.signer()
    return [signer.sign(trace_request(os.urandom(32).hex())) for _ in range(count)]


def wait_covered(appliance, index, within=30):
    """The first checkpoint that covers record `index`."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            note = appliance.signer().call("GET", "/v1/log/checkpoint")
            if int(note.splitlines()[1]) > index:
                return note
        except Refused:
            pass
        time.sleep(0.01)  # polls a condition; nothing depends on how long
    raise AssertionError(f"no checkpoint covers record {index}: {appliance.status().get('findings')}")


def check_independently(folder, key, *words):
    done = subprocess.run([sys.executable, "-B", str(HERE.parent / "interop" / "check_log.py"), str(folder), key,
                           *map(str, words)], capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr
