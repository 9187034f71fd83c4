#!/usr/bin/env python3
"""Replays every recorded command of the real gait with `countersign` in its place and compares what comes out.

    replay.py --program build/dev/bin/countersign [--fixtures FOLDER] [--only TEXT] [--diff] [--update]

The program is called through a link named `gait`, in a fresh folder for each case that holds the case's inputs but not
what its steps write. Compared are exit codes, the JSON answers and the files written, apart from what changes between
two runs; signatures are verified by code that shares nothing with the program.

differences.json lists where ours differs on purpose and what it answers instead; pending/<group>.txt the commands that do
not agree yet, and recordings.json what a recording cannot show. Exit 0 when nothing else differs.
"""
import argparse
import collections
import concurrent.futures
import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import compare
import difference_table
import recorded
import signatures

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPTS = os.path.join(HERE, "..", "..", "scripts")
VECTORS = os.path.join(HERE, "..", "vectors", "gait_commands.json")
# Flags that name what a step writes.
OUTPUT_FLAGS = ("--out", "--trace-out", "--approval-audit-out", "--delegation-audit-out", "--credential-evidence-out",
                "--rate-limit-state", "--out-dir")
# Steps that write the file or folder a flag or a habit names.
WRITERS = {("approve-script",): ("--registry",), ("kill-switch", "add"): ("--state",)}
OUTPUT_MEMBERS = ("trace_path", "token_path", "approval_audit_path", "delegation_audit_path",
                  "credential_evidence_path", "pack_path", "private_key_path", "public_key_path")
MOST_NAMED = 20
# Ids in the answers of a command that depend on keys or times of the replay. Those of packs are recomputed by
# signatures.py.
MADE_ANEW = {"keys": ("token_id", "key_id"), "guard": ("pack_id",)}


def load(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        return json.load(file)


def value_of(argv, flag):
    for i, word in enumerate(argv):
        if word == flag and i + 1 < len(argv):
            return argv[i + 1]
        if word.startswith(flag + "="):
            return word[len(flag) + 1:]
    return None


def written_by(step):
    """Paths, and folders with a trailing slash, that a step writes."""
    argv, answer = step["argv"], step["json"] or {}
    flags = list(OUTPUT_FLAGS)
    for words, more in WRITERS.items():
        if tuple(argv[1:1 + len(words)]) == words:
            flags += more
    paths = {value_of(argv, flag) for flag in flags} | {answer.get(member) for member in OUTPUT_MEMBERS}
    if state := value_of(argv, "--kill-switch-state"):
        paths.add(os.path.join(os.path.dirname(state), "kill_switch_journal.jsonl"))
    if argv[1:2] == ["demo"]:
        paths |= {"gait-out/runpack_run_demo.zip", answer.get("bundle")}
    if value_of(argv, "--credential-command"):
        paths.add("request_seen.json")
    return {os.path.normpath(p) for p in paths if isinstance(p, str) and p}


def is_written(path, outputs):
    return any(path == out or path.startswith(out + "/") for out in outputs)


def prepare(case, keys, room):
    outputs = set().union(*(written_by(step) for step in case["steps"]))
    folder = os.path.join(room, "case")
    for base, files in (("_keys", keys), ("case", case["files"])):
        for path, data in files.items():
            if base == "case" and is_written(path, outputs):
                continue
            target = os.path.join(room, base, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as file:
                file.write(data)
            os.chmod(target, 0o700 if path.endswith(".sh") else 0o600)
    os.makedirs(folder, exist_ok=True)
    return folder


def run_step(executable, programs, step, folder):
    argv = [word.replace("<CASE_DIR>", folder) for word in step["argv"]]
    environment = {"PATH": programs + ":/usr/bin:/bin", "HOME": folder, "LANG": "C.UTF-8"}
    environment.update(step.get("env") or {})
    done = subprocess.run(argv, executable=executable, cwd=folder, env=environment, capture_output=True, timeout=60,
                          check=False)
    try:
        answer = json.loads(done.stdout) if done.stdout.strip() else None
    except ValueError:
        answer = None
    return done, answer


def owner_of(path, steps):
    """The place of the last step that names the file, else of the last step."""
    owners = [i for i, step in enumerate(steps) if is_written(path, written_by(step))]
    return owners[-1] if owners else len(steps) - 1


def replay(case, keys, program, untold):
    """[(exit, answer, [differences])] a step."""
    results, names = [], compare.Names()
    with tempfile.TemporaryDirectory(prefix="gait-") as room:
        folder = prepare(case, keys, room)
        for i, step in enumerate(case["steps"]):
            executable = program if step["argv"][0] == "gait" else os.path.join(SCRIPTS, step["argv"][0])
            if not os.path.exists(executable):
                results.append((None, None, [("program", step["argv"][0], "(absent)")]))
                continue
            done, answer = run_step(executable, os.path.dirname(program), step, folder)
            if answer and step["json"] and step["argv"][1:2] != ["gate"]:
                for ids in ([answer, step["json"]], [answer.get("entry") or {}, step["json"].get("entry") or {}]):
                    names.learn(*(made.get("entry_id") for made in ids))
                for member in MADE_ANEW.get(step["argv"][1], ("token_id",)):
                    names.learn(answer.get(member), step["json"].get(member))
            found = [] if done.returncode == step["exit"] else [("exit", step["exit"], done.returncode)]
            said = json.loads(names.translated(json.dumps(answer).replace(os.path.realpath(folder), "<CASE_DIR>")))
            found += compare.answer_differences(step["json"], said, step["argv"])
            if done.returncode < 0 or done.returncode > 8:
                found.append(("stderr", "", done.stderr.decode(errors="replace")[-500:]))
            results.append((done.returncode, said, found))
        compare_files(case, folder, keys, names, results)
    for (member, place) in untold.get(case["name"], []):
        if place <= len(results):
            results[place - 1][2][:] = [d for d in results[place - 1][2] if not fnmatch.fnmatch(d[0], member)]
    return results


KEPT = re.compile(r"(.*)_[0-9a-f]{12}\.json")


def kept_of(path):
    """The evidence file that replaced this one; None where it is no kept one."""
    found = KEPT.fullmatch(path)
    return found[1] + ".json" if found else None


def compare_files(case, folder, keys, names, results):
    outputs = set().union(*(written_by(step) for step in case["steps"]))
    files = recorded.tree(folder)
    renamed = {}
    for path in files:
        renamed[compare.STAMP.sub("STAMP", names.translated(path))] = path
    for path, data in case["files"].items():
        found = results[owner_of(path, case["steps"])][2]
        ours = renamed.pop(compare.STAMP.sub("STAMP", path), None)
        if ours is None:
            found.append((path, "written", "(absent)"))
        else:
            # gait overwrites evidence of one name; ours keeps the earlier file beside the later one.
            kept = [p for p in files if kept_of(p) == ours]
            found += min((compare.file_differences(path, data, files[p], names) for p in [ours, *kept]), key=len)
            mode = os.stat(os.path.join(folder, ours)).st_mode & 0o777
            if is_written(path, outputs) and path != "request_seen.json" and mode != 0o600:
                found.append((path, "mode 0600", oct(mode)))
    public = signatures.public_keys({**keys, **files})
    for path, ours in renamed.items():
        if kept_of(ours) not in files:
            results[-1][2].append((path, "(absent)", "written"))
    for path, data in files.items():
        if is_written(path, outputs):
            for fault in signatures.faults(path, data, public):
                results[owner_of(path, case["steps"])][2].append(("signature", "verifies", fault))


def pending_path(group):
    return os.path.join(HERE, "pending", group + ".txt")


def pending():
    lines = set()
    folder = os.path.join(HERE, "pending")
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            lines |= {line.strip() for line in file if line.strip()}
    return lines


def update(outcomes):
    os.makedirs(os.path.join(HERE, "pending"), exist_ok=True)
    for group in {group for group, _, _, _ in outcomes}:
        lines = [f"{case}#{place}" for g, case, place, kind in outcomes if g == group and kind == "otherwise"]
        path = pending_path(group)
        if lines:
            with open(path, "w", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")
        elif os.path.exists(path):
            os.remove(path)


def shortened(value):
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, (bytes, str)) else str(value)
    return text if len(text) <= 400 else text[:400] + "…"


def report(outcomes, details, show):
    counts = collections.OrderedDict()
    for group, case, place, kind in outcomes:
        counts.setdefault(group, collections.Counter())[kind] += 1
        if show and kind == "otherwise":
            print(f"{case}#{place}")
            for path, gaits, ours in details[case, place]:
                print(f"    {path}\n      gait {shortened(gaits)}\n      ours {shortened(ours)}")
    total = sum(counts.values(), collections.Counter())
    for group, count in [*counts.items(), ("total", total)]:
        print(f"{group:15} {count['agree']:4} agree, {count['table']:3} differ by table, "
              f"{count['otherwise']:3} differ otherwise")


def summary(outcomes):
    count = collections.Counter(kind for _, _, _, kind in outcomes)
    return f"{count['agree']} agree, {count['table']} differ by table, {count['otherwise']} differ otherwise"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--fixtures", help="a folder of recorded cases instead of the packed ones")
    parser.add_argument("--only", default="", help="cases or groups whose name contains this")
    parser.add_argument("--diff", action="store_true", help="show what differs otherwise")
    parser.add_argument("--update", action="store_true", help="rewrite pending/")
    options = parser.parse_args()

    cases, keys = recorded.from_folder(options.fixtures) if options.fixtures else recorded.from_pack(VECTORS)
    cases = [c for c in cases if options.only in c["name"] or options.only == c["group"]]
    table = difference_table.load()
    untold = {}
    for row in load("recordings.json")["untold"]:
        untold.setdefault(row["case"], []).extend((member, row["step"]) for member in row["members"])

    outcomes, details = [], {}
    with tempfile.TemporaryDirectory(prefix="gait-bin-") as bin_folder:
        program = os.path.join(bin_folder, "gait")
        os.symlink(os.path.abspath(options.program), program)
        with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
            for case, results in zip(cases, pool.map(lambda c: replay(c, keys, program, untold), cases)):
                for place, result in enumerate(results, 1):
                    kind = "agree" if not result[2] else (
                        "table" if table.explains(case["name"], place, case["steps"][place - 1], result) else "otherwise")
                    outcomes.append((case["group"], case["name"], place, kind))
                    details[case["name"], place] = result[2]
    report(outcomes, details, options.diff)
    if options.update:
        update(outcomes)
        return 0
    allowed = pending()
    otherwise = {f"{case}#{place}" for _, case, place, kind in outcomes if kind == "otherwise"}
    worse = sorted(otherwise - allowed)
    for name in worse[:MOST_NAMED]:
        print(f"differs: {name}")
    if len(worse) > MOST_NAMED:
        print(f"… and {len(worse) - MOST_NAMED} more")
    better = sorted({n for n in allowed if n.rsplit("#", 1)[0] in {c["name"] for c in cases}} - otherwise)
    if better:
        print(f"{len(better)} more agree than pending/ says; rewrite it with --update")
    stale = [] if options.only or options.fixtures else table.unused()
    for row in stale:
        print(f"differences.json: no recorded command shows {row}")
    print(summary(outcomes))
    return 1 if worse or stale else 0


if __name__ == "__main__":
    sys.exit(main())
