#!/usr/bin/env python3
"""The rate of signatures with the transparency log on over that with it off: two appliances, in turn, ROUNDS times.

  tests/bench/log_rate.py [--build build/bench] [--seconds 3] [--rounds 5]

Prints one JSON object: rates, CPU of front and holders a signature, and the median of the ratios taken inside a round.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from appliance import ROLES, Appliance, trace_request  # noqa: E402

LIMITS = "limits: {requests_per_second: 1000000, burst: 1000000, in_flight: 4096}\n"


def measured(appliance, build, request, seconds):
    before = appliance.cpu()
    done = subprocess.run([build / "bin" / "bench_load", "http", appliance.socket, request, "64", str(seconds)],
                          capture_output=True, text=True, check=True)
    figures = json.loads(done.stdout)
    return figures["per_second"], (appliance.cpu() - before) * 1e6 / figures["count"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build/bench", type=pathlib.Path)
    parser.add_argument("--seconds", default=3.0, type=float)
    parser.add_argument("--rounds", default=5, type=int)
    words = parser.parse_args()
    build = words.build.resolve()
    with tempfile.TemporaryDirectory(prefix="countersign-bench-") as name:
        folder = pathlib.Path(name)
        request = folder / "request.json"
        request.write_text(json.dumps(trace_request("@" * 16 + os.urandom(24).hex())))
        appliances = {"off": Appliance(build / "bin", folder / "off", more=LIMITS),
                      "on": Appliance(build / "bin", folder / "on", roles=ROLES + ("log",), more=LIMITS)}
        for appliance in appliances.values():
            appliance.init().start()
        figures = {"off": [], "on": []}
        for _ in range(words.rounds):
            for which, appliance in appliances.items():
                figures[which].append(measured(appliance, build, request, words.seconds))
        ratios = [on[0] / off[0] for on, off in zip(figures["on"], figures["off"])]
        print(json.dumps({"off_per_second": statistics.median(rate for rate, _ in figures["off"]),
                          "on_per_second": statistics.median(rate for rate, _ in figures["on"]),
                          "off_cpu_us": statistics.median(cpu for _, cpu in figures["off"]),
                          "on_cpu_us": statistics.median(cpu for _, cpu in figures["on"]),
                          "ratio_min": min(ratios), "ratio_median": statistics.median(ratios), "ratio_max": max(ratios),
                          "behind": appliances["on"].status()["log"]["behind"]}))
        for appliance in appliances.values():
            appliance.stop()


if __name__ == "__main__":
    main()
