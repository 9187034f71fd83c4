#!/usr/bin/env python3
"""deploy/release.sh through its signing: refused over budget, signed only with two approvals for exactly these bytes, verified
by openssl alone; and two builds of the same source give the same bytes.

  script_test.py PROGRAMS

COUNTERSIGN_FULL=1 also builds everything twice, as a release does.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from released import MANIFEST, Appliance

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
BUDGETS = "docs/slo/runtime_slo_budgets.json"
# Some that are quick to compile, with a generated path, templates and assertions among them.
OBJECTS = ("CMakeFiles/log.dir/signer/log/tile.cc.o", "CMakeFiles/common.dir/common/json_writer.cc.o")


def clone(room):
    source = room / "source"
    subprocess.run(["git", "-c", "safe.directory=*", "clone", "-q", "--no-hardlinks", str(ROOT), str(source)], check=True)
    return source


def release(source, *words):
    return subprocess.run(["bash", str(source / "deploy" / "release.sh"), "--version", "9.8.7", *map(str, words)],
                          capture_output=True, text=True, timeout=3000)


def budgets_times(source, factor):
    """Commits other budgets: the programs of a test are not those that are measured for a release."""
    path = source / BUDGETS
    budgets = json.loads(subprocess.run(["git", "-C", str(source), "show", f"HEAD:{BUDGETS}"], capture_output=True, check=True).stdout)
    for row in budgets["classes"].values():
        for name in ("p50_ms", "p95_ms", "p99_ms"):
            row[name] *= factor
    path.write_text(json.dumps(budgets))
    subprocess.run(["git", "-C", str(source), "-c", "user.name=test", "-c", "user.email=test@example", "commit", "-qam", "other budgets"],
                   check=True)


def refused_over_budget(source, out):
    budgets_times(source, 0.00001)
    done = release(source, "--build-dir", PROGRAMS.parent, "--out", out, "--signer", "/nonexistent.sock")
    assert done.returncode == 3 and "over budget: nothing is released" in done.stderr, done
    assert not out.exists(), "something was released over budget"
    budgets_times(source, 10**8)


def signed_by_two(appliance, source, room, out):
    packed = ("--build-dir", PROGRAMS.parent, "--out", out, "--signer", appliance.socket)
    asked = release(source, *packed)
    assert asked.returncode == 4, asked
    found = {name: re.search(f"--{name.replace('_', '-')} ([0-9a-f]{{64}})", asked.stderr) for name in ("intent_digest", "policy_digest")}
    assert all(found.values()) and "approve" in asked.stderr, asked.stderr
    assert not (out / MANIFEST).exists() and not (out / "release.pem").exists(), "signed without approvals"

    def token(approver):
        path = room / f"{approver}.json"
        path.write_text(json.dumps(appliance.approve(approver, {name: each[1] for name, each in found.items()}, ["tool:release.sign"])))
        return str(path)

    alice, bob = token("alice"), token("bob")
    alone = release(source, *packed, "--approval-token-chain", alice)
    assert alone.returncode != 0 and not (out / MANIFEST).exists(), alone
    # What was approved is what lies there: another byte is another release.
    tarball = out / "countersign-9.8.7.tar.gz"
    whole = tarball.read_bytes()
    tarball.write_bytes(whole + b"\0")
    other = release(source, *packed, "--approval-token-chain", f"{alice},{bob}")
    assert other.returncode != 0 and not (out / MANIFEST).exists(), other
    tarball.write_bytes(whole)
    done = release(source, *packed, "--approval-token-chain", f"{alice},{bob}")
    assert done.returncode == 0 and f"released: {out}" in done.stdout, done
    assert release(source, *packed).returncode == 3, "a release that is there was written over"


def verified_by_openssl(out):
    """README's way: openssl and coreutils, nothing of ours."""
    def good(*words):
        return subprocess.run(words, cwd=out, capture_output=True, timeout=60).returncode == 0

    signature = ("openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "release.pem", "-in", MANIFEST, "-sigfile", MANIFEST + ".sig")
    sums = ("sh", "-c", f'tail -n +2 {MANIFEST} | while read -r sum size name; do echo "$sum  $name"; done | sha256sum -c')
    assert good(*signature) and good(*sums)
    names = [line.split()[2] for line in (out / MANIFEST).read_text().splitlines()[1:]]
    assert names == sorted(names) and len(names) == 4 and any(name.endswith(".deb") for name in names), names
    deb = out / "countersign_9.8.7_amd64.deb"
    whole = deb.read_bytes()
    deb.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert not good(*sums), "a changed package passed"
    deb.write_bytes(whole)
    manifest = (out / MANIFEST).read_bytes()
    (out / MANIFEST).write_bytes(manifest.replace(b"  ", b" ").replace(b"9.8.7", b"9.8.8", 1))
    assert not good(*signature), "a changed manifest passed"
    (out / MANIFEST).write_bytes(manifest)


def built_twice(source, room):
    done = release(source, "--compare-objects", ",".join(OBJECTS))
    assert done.returncode == 0 and f"the same bytes twice: {len(OBJECTS)} objects" in done.stdout, done
    # The comparison must be able to fail: the path of the folder, which the flags keep out, gets in.
    header = source / "signer" / "log" / "tile.cc"
    header.write_text(header.read_text() + '\nextern const char* const built_at;\nconst char* const built_at = COUNTERSIGN_BUILT_AT;\n')
    flags = source / "cmake" / "flags.cmake"
    flags.write_text(flags.read_text() + '\nadd_compile_definitions(COUNTERSIGN_BUILT_AT="${CMAKE_SOURCE_DIR}")\n')
    subprocess.run(["git", "-C", str(source), "-c", "user.name=test", "-c", "user.email=test@example", "commit", "-qam", "a path gets in"],
                   check=True)
    other = release(source, "--compare-objects", OBJECTS[0])
    assert other.returncode == 2 and "not reproducible" in other.stderr, other
    subprocess.run(["git", "-C", str(source), "reset", "-q", "--hard", "HEAD~1"], check=True)
    if os.environ.get("COUNTERSIGN_FULL"):
        whole = release(source, "--unsigned", "--out", room / "whole")
        assert whole.returncode == 0 and "packed countersign_9.8.7" in whole.stdout, whole


def main():
    if not (ROOT / ".git").exists() or not shutil.which("go-md2man"):
        print("not run: this is no checkout, or go-md2man is missing")
        sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="countersign-release-") as folder:
        room = pathlib.Path(folder)
        source = clone(room)
        built_twice(source, room)
        refused_over_budget(source, room / "over")
        appliance = Appliance(sys.argv[1], room / "appliance", approvers=("alice", "bob"), more="releases: {approvals: 2}").init()
        appliance.start()
        signed_by_two(appliance, source, room, room / "out")
        verified_by_openssl(room / "out")
        assert appliance.stop() == 0


if __name__ == "__main__":
    main()
