#!/usr/bin/env python3
"""Packs the recorded cases of the real gait into tests/vectors/gait_cases.json.

usage: pack_gait_cases.py FIXTURES OUT

FIXTURES is the folder of recorded cases (one folder each, with case.json). Only `gate eval` steps are kept, with the
files they name (texts; files that are no UTF-8 as base64) and what gait answered. Files that several cases share are
stored once, by digest.
"""
import base64
import hashlib
import json
import os
import sys

# The files a step reads, by flag.
INPUT_FLAGS = {
    "--policy", "--intent", "--context-envelope", "--kill-switch-state", "--wrkr-inventory", "--approval-token",
    "--approval-token-chain", "--delegation-token", "--delegation-token-chain", "--approved-script-registry",
}
DROPPED = {"correlation_id", "trace_path", "approval_audit_path", "delegation_audit_path", "credential_evidence_path"}


def main():
    fixtures, out = sys.argv[1], sys.argv[2]
    texts, cases = {}, []

    def stored(path):
        try:
            data = open(path, "rb").read()
        except OSError:
            return None
        name = hashlib.sha256(data).hexdigest()[:16]
        try:
            texts[name] = data.decode("utf-8")
        except UnicodeDecodeError:
            texts[name] = {"base64": base64.b64encode(data).decode()}
        return name

    for folder in sorted(os.listdir(fixtures)):
        path = os.path.join(fixtures, folder, "case.json")
        if not os.path.exists(path):
            continue
        case = json.load(open(path))
        steps = []
        for step in case["steps"]:
            argv = step["argv"]
            if argv[1:3] != ["gate", "eval"]:
                continue
            files = {}
            for flag, value in zip(argv, argv[1:]):
                if flag in INPUT_FLAGS:
                    for name in map(str.strip, value.split(",")):
                        held = stored(os.path.join(fixtures, folder, name))
                        if held:
                            files[name] = held
            answer = {k: v for k, v in (step.get("json") or {}).items() if k not in DROPPED}
            steps.append({"argv": argv[3:], "exit": step["expected_exit"], "files": files, "json": answer})
        if steps:
            kept = {"name": case["name"], "group": case["group"], "steps": steps}
            trace = os.path.join(fixtures, folder, "trace.json")
            if len(steps) == 1 and os.path.exists(trace):
                kept["trace"] = json.load(open(trace))
            cases.append(kept)
    keys = {}
    for name in sorted(os.listdir(os.path.join(fixtures, "_keys"))):
        if name.endswith("_public.key"):
            keys[name] = open(os.path.join(fixtures, "_keys", name)).read().strip()
    document = {
        "comment": "gait's answers to gate eval, recorded with inputs and test-only keys made for this project",
        "source": "gait v1.4.0 + 1; packed by tests/gate/pack_gait_cases.py",
        "keys": keys,
        "texts": texts,
        "cases": cases,
    }
    with open(out, "w", encoding="utf-8") as file:
        json.dump(document, file, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        file.write("\n")


main()
