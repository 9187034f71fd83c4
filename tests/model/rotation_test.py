#!/usr/bin/env python3
"""Checks rotation.pml to its last state; each guard taken away must be missed; runs of the model go through the product's function.

  rotation_test.py REPLAY_MOVES
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

MODEL = pathlib.Path(__file__).resolve().parent / "rotation.pml"
# What is taken away → what must be found broken.
MUTANTS = {
    "NO_GATE": "held_keys", "NO_SKEW": "held_keys", "NO_LONGEST": "held_keys", "NO_ONLY_ONE": "<=1",
    "NO_OUT_OF_USE": "signed_until", "NO_STOP": "compromised", "NO_RECHECK": "compromised",
}
RUNS = 60
STEPS = 6000
# Each of these questions must have come up in the runs, else they prove nothing.
QUESTIONS = ("attest", "stage", "stand_by", "stand_by refused", "activate", "activate refused", "retire", "close", "close refused",
             "compromise")


def checked(folder, *definitions, optimise="-O0"):
    """What the verifier says of the model with these definitions. A mutant falls soon: compiling it well takes longer."""
    folder.mkdir()
    subprocess.run(["spin", *definitions, "-a", MODEL], cwd=folder, check=True, capture_output=True)
    subprocess.run(["gcc", "-w", optimise, "-DSAFETY", "-DCOLLAPSE", "-DMEMLIM=3000", "-o", "pan", "pan.c"], cwd=folder, check=True)
    return subprocess.run(["./pan", "-m1000000"], cwd=folder, capture_output=True, text=True, timeout=240).stdout


def errors(report):
    """None where the search did not come to its end by itself."""
    found = re.search(r"errors: (\d+)", report)
    return int(found[1]) if found and "max search depth too small" not in report and "out of memory" not in report else None


def violated(report):
    found = re.search(r"assertion violated (.*)", report)
    return found[1] if found else ""


def main():
    replay = sys.argv[1]
    if not shutil.which("spin") or not shutil.which("gcc"):
        print("spin or gcc is missing: apt-get install spin gcc")
        sys.exit(77)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="countersign-model-") as name:
        folder = pathlib.Path(name)
        report = checked(folder / "model", "-DVERIFIERS=2", optimise="-O2")
        assert errors(report) == 0 and "Search not completed" not in report, report
        print("states:", re.search(r"(\d+) states, stored", report)[1])
        for mutant, expected in MUTANTS.items():
            report = checked(folder / mutant, f"-D{mutant}")
            assert errors(report) == 1 and expected in violated(report), f"{mutant} is not found: {report}"
            print(f"{mutant}: found, {violated(report)[:60]}")

        moves = ""
        for seed in range(1, RUNS + 1):
            moves += subprocess.run(["spin", f"-n{seed}", f"-u{STEPS}", "-DHORIZON=200", "-DKEYS=3",
                                     "-DHALT_EVERY=32", MODEL], cwd=folder, capture_output=True,
                                    text=True, check=True).stdout
        told = subprocess.run([replay], input=moves, capture_output=True, text=True)
        assert told.returncode == 0, told.stdout
        print(told.stdout.strip())
        for question in QUESTIONS:
            assert f"{question}: " in told.stdout, f"no run asked for: {question}"
        # A wrong answer must be noticed.
        wrong = re.sub(r"(event=activate .*)to=4", r"\1to=5", moves, count=1)
        assert wrong != moves and subprocess.run([replay], input=wrong, capture_output=True, text=True).returncode == 1
    print(f"{time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main()
