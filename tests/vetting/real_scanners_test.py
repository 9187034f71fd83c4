#!/usr/bin/env python3
"""The scanners themselves, where they are installed (PATH, and COUNTERSIGN_SCANNERS, a list of folders): each is clean on a clean
tree, sees what is planted, is not silenced by anything that the tree says to it, and says so where it could not look. What is not
there is said.

  real_scanners_test.py PROGRAMS
"""
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

# Test-only: nobody's key, and the harmless file that every virus scanner knows, in two halves so that none finds it here.
EICAR = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-" + "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
TOKEN = "ghp_" + "x7Rk2LmQ9vTb4WnYs8ZcEd1FgHj5KpMt6NuV"
CODE = "import subprocess\n\n\ndef run(text):\n    subprocess.call(text, shell=True)  # nosec # nosemgrep\n    eval(text)  # nosec # nosemgrep\n"
VECTORS = pathlib.Path(__file__).resolve().parents[1] / "vectors" / "vetting"


class Registry(http.server.BaseHTTPRequestHandler):
    """What npm and pip-audit ask, on loopback: lodash and jinja2 have an advisory, nothing else has one."""

    def do_POST(self):
        asked = json.loads(self.read())
        if self.path == "/-/npm/v1/security/advisories/bulk":
            bad = {"id": 1, "url": "https://advisories.example/1", "title": "Prototype pollution", "severity": "high", "vulnerable_versions": "<4.17.21", "cwe": [], "cvss": {}}
            answer = {"lodash": [bad]} if "lodash" in asked else {}
        elif self.path == "/v1/query":
            name = asked["package"]["name"]
            answer = {"vulns": [{"id": "PYSEC-1", "summary": "s", "details": "d", "aliases": ["CVE-2020-1"], "modified": "2020-01-01T00:00:00Z", "published": "2020-01-01T00:00:00Z",
                                 "affected": [{"package": {"name": name, "ecosystem": "PyPI"}, "ranges": [], "versions": [asked["version"]]}]}]} if name == "jinja2" else {}
        else:
            return self.send_error(404)
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def read(self):
        import gzip
        body = self.rfile.read(int(self.headers["Content-Length"]))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def log_message(self, *_):
        pass


def registry():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


class Case:
    """settings of the scanner; trees for each outcome that can be shown with it; what silences it where it listens."""

    def __init__(self, settings, planted, silence=(), clean=(), failed=None, broken_settings=None, not_applicable=None, stop=None):
        self.settings, self.planted, self.silence, self.clean = settings, planted, dict(silence), dict(clean)
        self.failed, self.broken_settings, self.not_applicable, self.stop = failed, broken_settings, not_applicable, stop


def signatures(folder):
    data = folder / "clam"
    data.mkdir()
    (data / "test.hdb").write_text("44d88612fea8a8f36de82e1278abb02f:68:Test.Eicar\n")
    return data


def clamscan(folder, _):
    (folder / "none").mkdir()
    return Case({"data": str(signatures(folder))}, {"sample.com": EICAR}, broken_settings={"data": str(folder / "none")})


def clamd(folder, program):
    config = folder / "clamd.conf"
    config.write_text(f"LocalSocket {folder}/clamd.sock\nDatabaseDirectory {signatures(folder)}\nForeground yes\nScanArchive yes\nStreamMaxLength 1M\n")
    daemon = subprocess.Popen([program, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (folder / "clamd.sock").exists():
        assert daemon.poll() is None, "clamd did not start"
        time.sleep(0.05)

    def stop():
        daemon.terminate()
        daemon.wait(60)
    return Case({"data": str(folder / "clamd.sock")}, {"sample.com": EICAR}, failed={"large.bin": "x" * (2 << 20)}, broken_settings={"data": str(folder / "nobody.sock")}, stop=stop)


def gitleaks(folder, _):
    data = folder / "gitleaks.toml"
    data.write_text("[extend]\nuseDefault = true\n")
    bad = folder / "bad.toml"
    bad.write_text("[[rules]]\nid = 'x'\nregex = '('\n")
    planted = {"deploy.sh": f'TOKEN="{TOKEN}" # gitleaks:allow\n'}
    # Places that its own rules leave out, beside what it is told.
    planted.update({f"{name}": f'"{TOKEN}"\n' for name in (".git/config.sh", "node_modules/a/b.sh", "package-lock.json.bak", "go.sum", "image.svg", "gitleaks.toml")})
    silence = {".gitleaksignore": "".join(f"{prefix}{name}:github-pat:1\n" for prefix in ("", "/tree/") for name in planted), ".gitleaks.toml": "[allowlist]\npaths = ['''.*''']\n",
               ".gitignore": "*\n"}
    return Case({"data": str(data)}, planted, silence, broken_settings={"data": str(bad)})


def bandit(*_):
    silence = {".bandit": "[bandit]\nexclude: /tree\nskips: B602,B404,B307\n", "pyproject.toml": "[tool.bandit]\nskips = ['B602', 'B307']\nexclude_dirs = ['/tree']\n"}
    planted = {f"{folder}server.py": CODE for folder in ("", ".git/", ".tox/", ".eggs/", "__pycache__/", "tests/")}
    return Case({}, planted, silence, failed={"server.py": CODE, "broken.py": "def (:\n"}, not_applicable={"README.md": "# A server\n"})


def semgrep(folder, _):
    rules = folder / "rules.yml"
    rules.write_text("rules:\n  - {id: eval-of-variable, languages: [python], severity: ERROR, message: m, pattern: eval($X)}\n")
    bad = folder / "bad.yml"
    bad.write_text("rules: 1\n")
    planted = {f"{place}server.py": CODE for place in ("", ".git/", "node_modules/a/", "tests/")}
    planted["large.py"] = CODE + "# " + "x" * 1_200_000 + "\n"
    return Case({"data": str(rules)}, planted, {".semgrepignore": "*\n", ".gitignore": "*\n"}, failed={"server.py": CODE + "def (:\n"}, broken_settings={"data": str(bad)})


def osv_scanner(folder, _):
    subprocess.run([sys.executable, VECTORS / "make_local_osv_db.py", folder / "osv"], check=True, stdout=subprocess.DEVNULL)
    (folder / "none").mkdir()
    silence = {"osv-scanner.toml": "[[PackageOverrides]]\nname = 'jinja2'\necosystem = 'PyPI'\nignore = true\nreason = 'x'\n", ".gitignore": "*\n"}
    return Case({"data": str(folder / "osv")}, {"requirements.txt": "jinja2==2.4.1\n"}, silence, clean={"requirements.txt": "idna==3.6\n"},
                broken_settings={"data": str(folder / "none")}, not_applicable={"README.md": "# A server\n"})


LOCK = {"name": "x", "version": "1.0.0", "lockfileVersion": 3}


def npm_lock(name, version):
    return json.dumps({**LOCK, "packages": {"": {"name": "x", "version": "1.0.0", "dependencies": {name: version}},
                                            f"node_modules/{name}": {"version": version, "resolved": f"https://packages.example/{name}/-/{name}-{version}.tgz"}}})


def npm_audit(folder, _):
    config = folder / "npmrc"
    config.write_text(f"registry={registry()}/\nfetch-retries=0\n")
    silence = {"package/.npmrc": "registry=http://127.0.0.1:1/\naudit=false\naudit-level=none\noffline=true\nomit[]=prod\n"}
    return Case({"data": str(config), "network": True}, {"package/package-lock.json": npm_lock("lodash", "4.17.15")}, silence, clean={"package/package-lock.json": npm_lock("ms", "2.1.3")},
                broken_settings={"network": False}, not_applicable={"README.md": "# A server\n"})


def pip_audit(folder, program):
    wrapper = folder / "pip-audit"  # its service cannot be named otherwise
    wrapper.write_text(f'#!/bin/sh\nexec {program} "$@" -s osv --osv-url {registry()}/v1/query --cache-dir /tmp/cache\n')
    wrapper.chmod(0o755)
    silence = {"pip.conf": "[global]\nindex-url = http://127.0.0.1:1/\n", "a/pip.conf": "[global]\nindex-url = http://127.0.0.1:1/\n"}
    return Case({"command": str(wrapper), "network": True}, {"a/requirements.txt": "jinja2==2.4.1\n"}, silence, clean={"a/requirements.txt": "idna==3.6\n"},
                failed={"a/requirements.txt": "jinja2==2.4.1\nidna==3.6; python_version < '3'\n"}, broken_settings={"network": False}, not_applicable={"README.md": "# A server\n"})


def trivy(*_):
    silence = {".trivyignore": "*\nDS002\nAVD-DS-0002\ngithub-pat\n", "trivy.yaml": "scan:\n  skip-files: ['**']\n", "trivy-secret.yaml": "disable-rules: [github-pat]\n"}
    return Case({}, {"Dockerfile": "#trivy:ignore:AVD-DS-0002\nFROM debian:12\nUSER root\n", "tests/deploy.sh": f'TOKEN="{TOKEN}"\n'}, silence)


SCANNERS = {"clamscan": ("clamscan", clamscan), "clamd": ("clamd", clamd), "gitleaks": ("gitleaks", gitleaks), "bandit": ("bandit", bandit), "semgrep": ("semgrep", semgrep),
            "osv_scanner": ("osv-scanner", osv_scanner), "npm_audit": ("npm", npm_audit), "pip_audit": ("pip-audit", pip_audit), "trivy": ("trivy", trivy)}


def program_of(name):
    return shutil.which(name, path=os.pathsep.join(filter(None, [os.environ.get("COUNTERSIGN_SCANNERS"), os.environ.get("PATH"), "/usr/sbin"])))


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


def report(program, folder, name, settings, files):
    tree = folder / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    for path, text in {"README.md": "# A server\n", **files}.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    policy = folder / "policy.json"
    policy.write_text(json.dumps({"scanners": {name: {"enabled": True, "seconds": 300, **settings}}}))
    out = folder / "out"
    done = subprocess.run([program, "broker", "vet", "--source-path", str(tree), "--policy", str(policy), "--proposal-id", "p", "--output-dir",
                           str(out), "--json"], capture_output=True, text=True, timeout=600)
    assert done.returncode in (0, 3), done
    findings = json.loads((out / "p_FINDINGS.json").read_text())
    return next(each for each in findings["scanners"] if each["scanner"] == name)


def seen(answer):
    return {(each["rule"], each["path"]) for each in answer["findings"]}


def check(program, name, command, prepare):
    found = program_of(command)
    if not found:
        print(f"skipped: {command} is not installed")
        return None
    folder = pathlib.Path(tempfile.mkdtemp(prefix="countersign-scanner-"))
    case = prepare(folder, found)
    shown = []

    def expect(outcome, files, **settings):
        answer = report(program, folder, name, {**case.settings, **settings}, files)
        assert answer["outcome"] == outcome, (name, outcome, answer)
        shown.append(outcome)
        return answer
    try:
        if name != "clamd":
            case.settings = {"command": found, "read_only": needed_by(found), **case.settings}
        if name == "pip_audit":
            case.settings["read_only"].append(str(folder))
        clean = expect("clean", case.clean or {"main.py": "print('hello')\n"})
        assert clean["version"] or name == "gitleaks", clean  # a build of Go's own knows none
        planted = expect("findings", case.planted)
        missed = set(case.planted) - {path for _, path in seen(planted)}
        assert not missed, (name, missed, planted)
        silenced = expect("findings", {**case.planted, **case.silence})
        assert seen(silenced) >= seen(planted), (name, silenced)
        if case.failed:
            failed = expect("failed", case.failed)
            assert failed["error"], failed
        if case.broken_settings is not None:
            broken = report(program, folder, name, {**case.settings, **case.broken_settings}, case.planted)
            assert broken["outcome"] in ("failed", "unavailable") and broken["error"], (name, broken)
            shown.append(broken["outcome"])
        if case.not_applicable:
            expect("not_applicable", case.not_applicable)
        if name != "clamd":
            expect("unavailable", case.planted, command=str(folder / "not-there"))
    finally:
        if case.stop:
            case.stop()
    for path in folder.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(folder)
    return f"{name} {clean['version']} ({', '.join(dict.fromkeys(shown))})"


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve() / "countersign")
    chosen = sys.argv[2:] or SCANNERS
    ran = [done for name in chosen if (done := check(program, name, *SCANNERS[name]))]
    if not ran:
        sys.exit(77)
    print(f"{len(ran)} passed, 0 failed:", *ran, sep="\n  ")


if __name__ == "__main__":
    main()
