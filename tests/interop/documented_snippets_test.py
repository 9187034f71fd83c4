#!/usr/bin/env python3
"""The snippets of docs/verifiers.md, word for word: shell with openssl, Python, Go. Each accepts a trace of a real appliance and refuses
one that was changed, one by a key of another role and one by a key that was compromised. Go and the Python modules are skipped with a message where
they are absent.

  documented_snippets_test.py PROGRAMS
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from appliance import ROLES, Appliance, trace_request  # noqa: E402


def snippet(language, heading):
    text = (ROOT / "docs" / "verifiers.md").read_text()
    section = text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    (block,) = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
    return block


def countersign(appliance, *words):
    done = subprocess.run([str(appliance.bin / "countersign"), *words, "--json"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return json.loads(done.stdout)


class Shell:
    name = "shell"

    def __init__(self, folder):
        missing = [tool for tool in ("jq", "openssl", "od") if shutil.which(tool) is None]
        self.absent = f"no {', '.join(missing)}" if missing else None
        self.script = folder / "by-hand.sh"
        self.script.write_text("set -e\n" + snippet("sh", "By hand: shell with openssl"))

    def run(self, place, kid):
        return subprocess.run(["bash", self.script], cwd=place, env={**os.environ, "KID": kid}, capture_output=True, text=True)


class Python:
    name = "python"

    def __init__(self, folder):
        self.script = folder / "verify.py"
        self.script.write_text(snippet("python", "Python"))
        # Debian's own interpreter has python3-cryptography and python3-jwcrypto; another may have them too.
        self.interpreter = next((each for each in ("/usr/bin/python3", sys.executable)
                                 if subprocess.run([each, "-c", "import cryptography, jwcrypto"], capture_output=True).returncode == 0),
                                None)
        self.absent = None if self.interpreter else "python3-cryptography and python3-jwcrypto are not installed"

    def run(self, place, kid):
        return subprocess.run([self.interpreter, self.script], cwd=place, capture_output=True, text=True)


class Go:
    name = "go"

    def __init__(self, folder):
        self.absent = None if shutil.which("go") else "no Go compiler"
        if self.absent:
            return
        source = folder / "verify"
        source.mkdir()
        (source / "main.go").write_text(snippet("go", "Go"))
        (source / "go.mod").write_text("module verify\n")
        self.program = source / "verify"
        built = subprocess.run(["go", "build", "-o", self.program, "."], cwd=source, capture_output=True, text=True,
                               env={**os.environ, "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local"})
        assert built.returncode == 0, built.stderr

    def run(self, place, kid):
        return subprocess.run([self.program, kid], cwd=place, capture_output=True, text=True)


def write(place, trace):
    (place / "trace.json").write_text(json.dumps(trace))


def main():
    with tempfile.TemporaryDirectory(prefix="countersign-snippets-") as temporary:
        folder = pathlib.Path(temporary)
        appliance = Appliance(sys.argv[1], folder / "a", roles=ROLES + ("publication",), standby={"trace": "trace"}).init()
        appliance.start()
        place = folder / "verifier"
        place.mkdir()

        def sync():
            countersign(appliance, "keys", "sync", "--from", str(appliance.folder / "published"), "--trust", str(place / "trust"),
                        "--root", str(appliance.folder / "published" / "1.root.json"))

        sync()
        answer = appliance.signer().sign(trace_request(os.urandom(32).hex()))
        trace, kid = answer["statement"], answer["kid"]
        release = next(key["kid"] for key in appliance.signer().call("GET", "/v1/keys")["keys"] if key["role"] == "release")
        ways = [way(folder) for way in (Shell, Python, Go)]
        for way in [each for each in ways if each.absent]:
            print(f"SKIPPED: {way.name}: {way.absent}")
        ways = [each for each in ways if not each.absent]
        changed = {**trace, "verdict": "block" if trace["verdict"] == "allow" else "allow"}
        redated = {**trace, "signature": {**trace["signature"], "sig": trace["signature"]["sig"][:-8] + "AAAAAA=="}}
        for way in ways:
            write(place, trace)
            done = way.run(place, kid)
            assert done.returncode == 0, (way.name, done.stdout, done.stderr)
            for what, other in (("changed", changed), ("signature changed", redated)):
                write(place, other)
                assert way.run(place, kid).returncode != 0, (way.name, what)
        # By another key: the shell and Go are told which key, Python finds it by the trace.
        write(place, trace)
        for way in ways:
            if way.name != "python":
                (place / "trust" / "trace" / f"{release}.pem").write_bytes((place / "trust" / "release" / f"{release}.pem").read_bytes())
                assert way.run(place, release).returncode != 0, way.name
        # Once the key is compromised its file is gone and its entry says so.
        countersign(appliance, "keys", "halt", "trace", "--reason", "drill", "--signer", str(appliance.socket))
        shutil.rmtree(place / "trust" / "trace")
        sync()
        for way in ways:
            assert way.run(place, kid).returncode != 0, (way.name, "compromised")
        appliance.stop()
        print("ran: " + ", ".join(way.name for way in ways))


if __name__ == "__main__":
    main()
