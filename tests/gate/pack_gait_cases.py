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


# What changes from run to run.
VOLATILE = {"observed_at", "event_id", "correlation_id", "latency_ms", "signature"}


def written(folder, argv, flag, default, answer):
    """The document gait wrote at a step, unless a later step wrote another one there."""
    name = argv[argv.index(flag) + 1] if flag in argv else default % answer.get("trace_id")
    try:
        document = json.load(open(os.path.join(folder, name)))
    except (OSError, ValueError):
        return None
    if not answer.get("trace_id") or document.get("trace_id") != answer["trace_id"]:
        return None
    return {k: v for k, v in document.items() if k not in VOLATILE}


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
            kept = {"argv": argv[3:], "exit": step["expected_exit"], "files": files, "json": answer}
            trace = written(os.path.join(fixtures, folder), argv, "--trace-out", "trace_%s.json", answer)
            if trace:
                kept["trace"] = trace
            audit = written(os.path.join(fixtures, folder), argv, "--approval-audit-out", "approval_audit_%s.json", answer)
            if audit:
                kept["audit"] = audit
            steps.append(kept)
        # A later step of the same decision wrote over the earlier one's audit.
        for i, step in enumerate(steps):
            for later in steps[i + 1:]:
                if later["json"].get("trace_id") == step["json"].get("trace_id"):
                    step.pop("audit", None)
        if steps:
            cases.append({"name": case["name"], "group": case["group"], "steps": steps})
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
