#!/usr/bin/env python3
"""Our own package: deploy/release.sh packs what was built, the same bytes each time, and what it packs can be used.

  package_test.py PROGRAMS
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = pathlib.Path(sys.argv[1]).resolve()


def release(source, out, *words):
    return subprocess.run(["bash", str(source / "deploy" / "release.sh"), "--version", "9.8.7", "--build-dir", str(PROGRAMS.parent), "--out",
                           str(out), "--unsigned", *words], capture_output=True, text=True, timeout=600)


def main():
    if not (ROOT / ".git").exists() or not shutil.which("go-md2man"):
        print("not run: this is no checkout, or go-md2man is missing")
        sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="countersign-package-") as folder:
        room = pathlib.Path(folder)
        source = room / "source"
        subprocess.run(["git", "-c", "safe.directory=*", "clone", "-q", "--no-hardlinks", str(ROOT), str(source)], check=True)
        for name in ("one", "two"):
            done = release(source, room / name)
            assert done.returncode == 0, done.stdout + done.stderr
        for file in sorted((room / "one").iterdir()):
            assert file.read_bytes() == (room / "two" / file.name).read_bytes(), f"{file.name} differs between two runs"
        assert release(source, room / "one").returncode == 3, "a release that is there was written over"

        root = room / "root"
        subprocess.run(["dpkg-deb", "-x", str(room / "one" / "countersign_9.8.7_amd64.deb"), str(root)], check=True)
        for program, word in (("countersign", "version"), ("countersignd", "--version")):
            said = subprocess.run([str(root / "usr" / "bin" / program), word], capture_output=True, text=True)
            assert said.returncode == 0 and "countersign" in said.stdout, said
        for path in ("lib/systemd/system/countersignd.service", "usr/lib/sysusers.d/countersign.conf", "usr/share/man/man1/countersign.1.gz",
                     "usr/share/doc/countersign/examples/countersign.yaml"):
            assert (root / path).stat().st_size > 0, path
        bill = json.loads((room / "one" / "countersign-9.8.7.cdx.json").read_text())
        assert {"libssl3", "libsqlite3-0"} <= {each["name"] for each in bill["components"]}, bill
        provenance = json.loads((room / "one" / "countersign-9.8.7.provenance.json").read_text())
        revision = subprocess.run(["git", "-C", str(source), "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        assert provenance["predicate"]["buildDefinition"]["resolvedDependencies"][0]["digest"]["gitCommit"] == revision

        (source / "README.md").write_text("changed\n")
        refused = release(source, room / "three")
        assert refused.returncode == 3 and "changes that no commit holds" in refused.stderr, refused
        for words in (("--version", "latest"), ("--surprise",)):
            assert release(source, room / "four", *words).returncode == 6, words
    print("3 passed, 0 failed")


if __name__ == "__main__":
    main()
