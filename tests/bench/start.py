#!/usr/bin/env python3
"""How long a start takes with a big ledger: an appliance on SoftHSM tokens of its own (one holder a role) is initialised,
its ledger is filled with generated records (bench_ledger), then it is started and stopped. Prints one JSON object;
docs/performance.md says how to read it.
  tests/bench/start.py [--build build/bench] [--records 1000000] [--rounds 5] [--folder DIR]"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from support.appliance import Appliance  # noqa: E402


def main():
    root = pathlib.Path(__file__).resolve().parent.parent.parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=root / "build/bench")
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", help="where the appliance is made (default: a temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        appliance = Appliance(options.build / "bin", pathlib.Path(folder) / "appliance").init()
        figures = {"records": options.records, "start_ms_new": [], "start_ms": [], "background_check_s": []}
        for _ in range(options.rounds):
            figures["start_ms_new"].append(appliance.start())
            appliance.stop()
        filled = subprocess.run([options.build / "bin/bench_ledger", appliance.state / "ledger.db", str(options.records)],
                                check=True, capture_output=True, text=True)
        figures["store"] = json.loads(filled.stdout)
        for _ in range(options.rounds):
            figures["start_ms"].append(appliance.start())
            begin = time.monotonic()
            while appliance.status()["ledger"]["check"]["rounds"] == 0:
                time.sleep(0.1)  # polls a condition; nothing depends on how long
            figures["background_check_s"].append(time.monotonic() - begin)
            appliance.stop()
        for name in ("start_ms_new", "start_ms", "background_check_s"):
            values = figures[name]
            figures[name] = {"min": min(values), "median": statistics.median(values), "max": max(values)}
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
