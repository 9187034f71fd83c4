#!/usr/bin/env python3
"""The scanners themselves, where they are installed (PATH, and COUNTERSIGN_SCANNERS, a list of folders): each is clean on a clean
tree, sees what is planted, and is not silenced by anything that the tree says to it. What is not there is said.

  real_scanners_test.py PROGRAMS
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

# Test-only: nobody's key, and the harmless file that every virus scanner knows, in two halves so that none finds it here.
EICAR = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-" + "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
TOKEN = "ghp_" + "x7Rk2LmQ9vTb4WnYs8ZcEd1FgHj5KpMt6NuV"


def clamscan(folder):
    data = folder / "clam"
    data.mkdir()
    (data / "test.hdb").write_text("44d88612fea8a8f36de82e1278abb02f:68:Test.Eicar\n")
    return {"data": str(data)}, {"sample.com": EICAR}, {}


def gitleaks(folder):
    data = folder / "gitleaks.toml"
    data.write_text("[extend]\nuseDefault = true\n")
    silence = {".gitleaksignore": "deploy.sh:github-pat:1\n", ".gitleaks.toml": "[allowlist]\npaths = ['''.*''']\n"}
    return {"data": str(data)}, {"deploy.sh": f'TOKEN="{TOKEN}" # gitleaks:allow\n'}, silence


def bandit(_):
    silence = {".bandit": "[bandit]\nexclude: /tree\nskips: B602,B404,B307\n"}
    return {}, {"server.py": "import subprocess\nsubprocess.call(input(), shell=True)  # nosec\n"}, silence


SCANNERS = {"clamscan": ("clamscan", clamscan), "gitleaks": ("gitleaks", gitleaks), "bandit": ("bandit", bandit)}


def program_of(name):
    return shutil.which(name, path=os.pathsep.join(filter(None, [os.environ.get("COUNTERSIGN_SCANNERS"), os.environ.get("PATH")])))


def needed_by(program):
    """Folders outside /usr that a script and its interpreter live in."""
    folders = set()
    path = pathlib.Path(program)
    with open(path, "rb") as file:
        first = file.readline()
    interpreter = pathlib.Path(first[2:].split()[0].decode()) if first.startswith(b"#!") else path
    for each in (path.parent.parent if first.startswith(b"#!") else path.parent, interpreter.resolve().parent.parent):
        if not str(each).startswith("/usr"):
            folders.add(str(each))
    return sorted(folders)


def outcome(program, folder, name, settings, files):
    tree = folder / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir()
    for path, text in {"README.md": "# A server\n", "main.py": "print('hello')\n", **files}.items():
        (tree / path).write_text(text)
    policy = folder / "policy.json"
    policy.write_text(json.dumps({"scanners": {name: {"enabled": True, **settings}}}))
    out = folder / "out"
    done = subprocess.run([program, "broker", "vet", "--source-path", str(tree), "--policy", str(policy), "--proposal-id", "p", "--output-dir",
                           str(out), "--json"], capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 3), done
    findings = json.loads((out / "p_FINDINGS.json").read_text())
    return next(each for each in findings["scanners"] if each["scanner"] == name)


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve() / "countersign")
    ran = []
    for name, (command, prepare) in SCANNERS.items():
        found = program_of(command)
        if not found:
            print(f"skipped: {command} is not installed")
            continue
        folder = pathlib.Path(tempfile.mkdtemp(prefix="countersign-scanner-"))
        settings, planted, silence = prepare(folder)
        settings.update({"command": found, "read_only": needed_by(found)})
        clean = outcome(program, folder, name, settings, {})
        assert clean["outcome"] == "clean", (name, clean)
        seen = outcome(program, folder, name, settings, planted)
        assert seen["outcome"] == "findings" and seen["findings"], (name, seen)
        silenced = outcome(program, folder, name, settings, {**planted, **silence})
        assert silenced["outcome"] == "findings" and len(silenced["findings"]) >= len(seen["findings"]), (name, silenced)
        for path in folder.rglob("*"):
            if path.is_dir():
                path.chmod(0o755)
        shutil.rmtree(folder)
        ran.append(name)
    if not ran:
        sys.exit(77)
    print(f"{len(ran)} passed, 0 failed: {', '.join(ran)}")


if __name__ == "__main__":
    main()
