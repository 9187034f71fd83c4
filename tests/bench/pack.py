#!/usr/bin/env python3
"""What a pack of one run with many traces costs: `guard pack --run` from the signer's ledger and log, and `guard verify
--profile strict` of it, each by itself.

  tests/bench/pack.py [--build build/bench] [--traces 10000] [--others 0]

`others` are records of other runs before it, which the search goes over. Prints one JSON object: seconds and MiB of each
command, MiB of the front, the pack's size.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from appliance import ROLES, Appliance, trace_request  # noqa: E402

LIMITS = "limits: {requests_per_second: 1000000, burst: 1000000, in_flight: 4096}\n"
LOG = "log: {origin: log.example/bench}\n"


def sign_many(signer, count, run_id):
    last = 0
    for first in range(0, count, 64):
        requests = []
        for _ in range(min(64, count - first)):
            requests.append(trace_request(os.urandom(32).hex()))
            requests[-1]["statement"]["run_id"] = run_id
        for row in signer.call("POST", "/v1/sign-batch", {"requests": requests})["results"]:
            last = row["log_index"]
    return last


def wait_covered(signer, index):
    while int(signer.call("GET", "/v1/log/checkpoint").splitlines()[1]) <= index:
        time.sleep(0.05)  # polls a condition


def measured(words, environment):
    """Seconds, CPU seconds and the most MiB that the command had."""
    began = time.monotonic()
    child = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE)
    answer = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{words} ended with {child.returncode}: {answer.decode()[:2000]}")
    return {"seconds": round(time.monotonic() - began, 2), "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
            "most_mib": round(usage.ru_maxrss / 1024, 1)}, json.loads(answer)


def resident_mib(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return round(int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024, 1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build/bench", type=pathlib.Path)
    parser.add_argument("--traces", default=10_000, type=int)
    parser.add_argument("--others", default=0, type=int)
    words = parser.parse_args()
    programs = words.build.resolve() / "bin"
    with tempfile.TemporaryDirectory(prefix="countersign-bench-") as name:
        folder = pathlib.Path(name)
        appliance = Appliance(programs, folder / "appliance", roles=ROLES + ("log",), more=LIMITS + LOG).init()
        appliance.start()
        signer = appliance.signer(timeout=120)
        sign_many(signer, words.others, "run_other")
        wait_covered(signer, sign_many(signer, words.traces, "run_big"))
        environment = {**os.environ, "COUNTERSIGN_SIGNER": str(appliance.socket)}
        program, archive = str(programs / "countersign"), folder / "pack.zip"
        packed, answer = measured([program, "guard", "pack", "--run", "run_big", "--out", str(archive), "--json"], environment)
        assert answer["log_proofs"] == words.traces, answer
        verified, answer = measured([program, "guard", "verify", str(archive), "--profile", "strict", "--json"], environment)
        assert answer["documents_logged"] == words.traces, answer
        print(json.dumps({"traces": words.traces, "others": words.others, "pack": packed, "verify": verified,
                          "pack_mib": round(archive.stat().st_size / 2**20, 2), "front_most_mib": resident_mib(appliance.front())}))
        appliance.stop()


if __name__ == "__main__":
    main()
