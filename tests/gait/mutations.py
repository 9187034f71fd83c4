#!/usr/bin/env python3
"""Changes recorded inputs by a seed, one member at a time, and asks the program about them.

    mutations.py --program build/dev/bin/countersign [--seed N] [--count N]

Whatever is changed: the program ends by itself with one of its exit codes, prints one JSON value, says where input that it
refuses is wrong, and claims nothing in a file then. What is signed is believed only unchanged. Exit 0 when all of it holds.
"""
import argparse
import copy
import json
import os
import random
import subprocess
import sys
import tempfile

import recorded

HERE = os.path.dirname(os.path.abspath(__file__))
VECTORS = os.path.join(HERE, "..", "vectors", "gait_commands.json")
KEY_FLAGS = ["--key-mode", "prod", "--private-key", "../_keys/trace_private.key"]
GATE = ["gate", "eval", "--policy", "policy.yaml", "--intent", "intent.json", *KEY_FLAGS,
        "--approval-public-key", "../_keys/approval_public.key", "--trace-out", "out.json", "--json"]
NEVER = ("terminate called", "what():", "std::", "basic_string", "Segmentation", "runtime error", "AddressSanitizer")


class Target:
    """An input of a recorded case and how the program is asked about it."""

    def __init__(self, case, path, argv, signed=False):
        self.case, self.path, self.argv = case, path, argv
        self.signed = signed  # exit 0 means that it was believed


TARGETS = [
    Target("152_chain_ok", "t1.json", ["delegate", "verify", "--token", "t1.json", "--delegator", "lead", "--delegate",
                                       "mid", "--scope", "write", "--public-key", "../_keys/delegation_public.key",
                                       "--json"], signed=True),
    Target("178_approved_script_match", "registry.json",
           [*GATE, "--approved-script-registry", "registry.json", "--approved-script-public-key",
            "../_keys/approval_public.key"], signed=True),
    Target("325_good", "trace.json", ["trace", "verify", "trace.json", "--public-key", "../_keys/trace_public.key",
                                      "--json"], signed=True),
    Target("346_mcp_proxy", "call.json", ["mcp", "proxy", "--policy", "policy.yaml", "--call", "call.json", *KEY_FLAGS,
                                          "--trace-out", "out.json", "--json"]),
    Target("346_mcp_proxy", "openai.json", ["mcp", "proxy", "--policy", "policy.yaml", "--call", "openai.json",
                                            "--adapter", "openai", *KEY_FLAGS, "--trace-out", "out.json", "--json"]),
    Target("178_approved_script_match", "intent.json",
           ["approve-script", "--policy", "policy.yaml", "--intent", "intent.json", "--registry", "made.json", "--approver",
            "a", "--key-mode", "dev", "--json"]),
    Target("152_chain_ok", "intent.json", GATE),
]


def places(value, path=()):
    """The path of every value below."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in items:
        found += places(member, path + (name,))
    return found


def other_value(chance, value):
    """Another value, mostly of another type."""
    choices = [None, True, 0, -1, 1.5, 1e300, 9007199254740993, "", " ", "x" * 300, "\u0000", "2026-13-01T00:00:00Z", [], [[]],
               {}, {"": 1}, [None], "../../etc/passwd", "*"]
    if isinstance(value, str):
        choices += [value + "x", value[:-1], value.upper() + "é"]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        choices += [value + 1, -value - 1]
    return chance.choice([c for c in choices if c != value or type(c) is not type(value)])


def mutated(chance, document):
    """(document with one change, the change's path)."""
    document = copy.deepcopy(document)
    path = chance.choice(places(document))
    holder = document
    for step in path[:-1]:
        holder = holder[step]
    kind = chance.choice(("drop", "value", "value", "extra", "case"))
    if kind == "drop":
        del holder[path[-1]]
    elif kind == "extra" and isinstance(holder, dict):
        holder["unknown"] = 1
        path = path[:-1] + ("unknown",)
    elif kind == "case" and isinstance(holder, dict):
        holder[str(path[-1]).upper()] = "other"
        path = path[:-1] + (str(path[-1]).upper(),)
    else:
        holder[path[-1]] = other_value(chance, holder[path[-1]])
    return document, path


def ask(program, target, folder):
    done = subprocess.run([program, *target.argv], cwd=folder, capture_output=True, timeout=60, check=False,
                          env={"PATH": "/usr/bin:/bin", "HOME": folder, "LANG": "C.UTF-8"})
    try:
        return done, json.loads(done.stdout)
    except ValueError:
        return done, None


def same_when_read(before, after):
    """Whether gait reads both alike: unknown members and empty ones count for nothing."""
    def read(value):
        if isinstance(value, dict):
            return {k.lower(): read(v) for k, v in value.items()
                    if v not in (None, "", [], {}, 0, False) and k != "unknown"}
        if isinstance(value, list):
            return sorted((read(v) for v in value), key=repr)
        return value.strip().lower() if isinstance(value, str) else value
    return read(before) == read(after)


def value_at(value, path):
    for step in path:
        value = value.get(step) if isinstance(value, dict) else value[step]
    return value


def faults(program, target, files, keys, chance, room):
    folder = os.path.join(room, "case")
    for base, group in (("_keys", keys), ("case", files)):
        for path, data in group.items():
            place = os.path.join(room, base, path)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(place, "wb") as file:
                file.write(data)
    original = json.loads(files[target.path])
    changed, path = mutated(chance, original)
    with open(os.path.join(folder, target.path), "w", encoding="utf-8") as file:
        json.dump(changed, file)
    done, answer = ask(program, target, folder)
    said = done.stderr.decode(errors="replace") + done.stdout.decode(errors="replace")
    found = []
    if done.returncode not in (0, 2, 3, 4, 6):
        found.append(f"exit {done.returncode}: {said[-300:]}")
    found += [f"says {word!r}" for word in NEVER if word in said]
    if answer is None:
        found.append("no JSON on stdout")
    elif done.returncode == 6:
        if not answer.get("error"):
            found.append("exit 6 without an error")
        if os.path.exists(os.path.join(folder, "out.json")) or os.path.exists(os.path.join(folder, "made.json")):
            found.append("exit 6, and a file claims otherwise")
    # gait fills in a schema that is not named.
    filled_in = str(path[-1]) in ("schema_id", "schema_version") and not value_at(changed, path)
    if done.returncode == 0 and target.signed and not filled_in and not same_when_read(original, changed):
        found.append("believed although it was changed")
    return [f"{target.case} {target.path} {'.'.join(map(str, path))}: {fault}" for fault in found]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=30, help="changes of each input")
    options = parser.parse_args()
    cases, keys = recorded.from_pack(VECTORS)
    by_name = {case["name"]: case for case in cases}
    program = os.path.abspath(options.program)
    found, asked = [], 0
    for number, target in enumerate(TARGETS):
        files = {p: b for p, b in by_name[target.case]["files"].items() if p not in ("out.json",)}
        chance = random.Random(f"{options.seed}/{number}")
        for _ in range(options.count):
            with tempfile.TemporaryDirectory(prefix="mutation-") as room:
                found += faults(program, target, files, keys, chance, room)
            asked += 1
    for fault in found:
        print(fault)
    print(f"{asked} changed inputs, {len(found)} wrong answers")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
