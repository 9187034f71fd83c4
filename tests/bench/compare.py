#!/usr/bin/env python3
"""Compares builds of the signer on a machine that has other work: their appliances run side by side and are loaded in turn, in short
slices, each beside the raw loop on its own token. Prints minimum, first quartile, median and maximum of each figure for each build: on a busy
machine the first quartile says most.

  tests/bench/compare.py BUILD BUILD… [--algorithm p256] [--holders 1] [--rounds 15] [--seconds 0.4]

Builds are folders with bin/, as build/bench; copy the one from before the change away.
"""
import argparse
import json
import pathlib
import statistics
import tempfile

import run as bench
from appliance import trace_request


class Contestant:
    def __init__(self, build, folder, options):
        self.build = build
        self.appliance = bench.MeasuredAppliance(build, folder, options.algorithm, options.holders)
        request = trace_request("1f8affbdf255cf2596e8b9857c07f02fa8d0300b3cf4d5bf" + "@" * 16)
        for name, body in (("single", request), ("batch", {"requests": [request] * 16})):
            (folder / f"{name}.json").write_text(json.dumps(body, separators=(",", ":")))
        self.folder = folder
        self.seconds = options.seconds
        self.figures = {}
        self.appliance.start()

    def add(self, name, value):
        self.figures.setdefault(name, []).append(value)

    def take_turn(self):
        raw = bench.run([self.build / "bin/bench_raw_sign", *self.appliance.raw_arguments(), 1, 1, self.seconds / 2],
                        env=self.appliance.raw_environment())
        self.add("raw C_Sign, CPU µs", raw["cpu_us"])
        for body, connections in (("single", 64), ("batch", 8)):
            load = self.appliance.load(self.folder / f"{body}.json", connections, self.seconds)
            self.add(f"{body}: a second", load["per_second"])
            self.add(f"{body}: over the raw rate", load["per_second"] / raw["per_second"])
            self.add(f"{body}: CPU of front + holders over raw, µs", load["server_cpu_us"] - raw["cpu_us"])
            self.add(f"{body}: p99 µs", load["p99_us"])
            for part, spent in load["parts_us"].items():
                self.add(f"{body}: CPU of the {part}, µs", spent)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("builds", nargs="+", type=pathlib.Path)
    parser.add_argument("--algorithm", default="p256", choices=("p256", "ed25519"))
    parser.add_argument("--holders", default=1, type=int)
    parser.add_argument("--rounds", default=15, type=int)
    parser.add_argument("--seconds", default=0.4, type=float)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="countersign-compare-") as name:
        contestants = [Contestant(build.resolve(), pathlib.Path(name) / str(i), options) for i, build in enumerate(options.builds)]
        try:
            for _ in range(options.rounds):
                for each in contestants:
                    each.take_turn()
        finally:
            for each in contestants:
                each.appliance.stop()
    for figure in contestants[0].figures:
        for each in contestants:
            values = sorted(each.figures[figure])
            print(f"{figure:50} {str(each.build)[-24:]:>24}  {values[0]:10.4g} {values[len(values) // 4]:10.4g} "
                  f"{statistics.median(values):10.4g} {values[-1]:10.4g}")


if __name__ == "__main__":
    main()
