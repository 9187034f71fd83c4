"""An appliance that signs releases, and the tools that verify them."""
import json
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
from appliance import Appliance  # noqa: E402,F401

MANIFEST = "countersign-release.txt"
SIGNED = ("--version", "1.2.3", "--builder", "ci@team.example", "--source-revision", "a8c3d18")


def command(appliance, *words):
    """Exit code and the answer of a command with --json."""
    done = subprocess.run([str(appliance.bin / "countersign"), *map(str, words), "--json"], capture_output=True, text=True,
                          timeout=120, env={**os.environ, "COUNTERSIGN_SIGNER": str(appliance.socket)}, check=False)
    return done.returncode, json.loads(done.stdout) if done.stdout.strip() else done.stderr


def answered(appliance, *words):
    code, answer = command(appliance, *words)
    assert code == 0, (words, code, answer)
    return answer


def export_keys(appliance, folder):
    """The release key as each tool reads it."""
    for form in ("pem", "ssh", "minisign"):
        answer = command(appliance, "keys", "export", "--role", "release", "--format", form)
        if answer[0] == 0:
            (folder / f"release.{form}").write_text(answer[1]["key"])
    key = (folder / "release.ssh").read_text().split()
    (folder / "allowed_signers").write_text(f'release namespaces="countersign-release" {key[0]} {key[1]}\n')


def run(*words, folder):
    return subprocess.run([str(word) for word in words], cwd=folder, capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, check=False).returncode == 0


def by_openssl(folder, ed25519):
    if ed25519:
        return run("openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "release.pem", "-in", MANIFEST, "-sigfile",
                   MANIFEST + ".sig", folder=folder)
    return run("openssl", "dgst", "-sha256", "-verify", "release.pem", "-signature", MANIFEST + ".sig", MANIFEST,
               folder=folder)


def by_ssh_keygen(folder, _):
    with open(folder / MANIFEST, "rb") as manifest:
        return subprocess.run(["ssh-keygen", "-Y", "verify", "-f", "allowed_signers", "-I", "release", "-n",
                               "countersign-release", "-s", MANIFEST + ".sshsig"], cwd=folder, stdin=manifest,
                              capture_output=True, timeout=60, check=False).returncode == 0


def by_minisign(folder, _):
    return run("minisign", "-V", "-p", "release.minisign", "-m", MANIFEST, "-x", MANIFEST + ".minisig", folder=folder)


def by_signify(folder, _):
    return run("signify-openbsd", "-V", "-q", "-p", "release.minisign", "-m", MANIFEST, "-x", MANIFEST + ".signify",
               folder=folder)


# Tool → the signature file it reads, whether it knows P-256 keys, how it is asked.
TOOLS = {"openssl": (MANIFEST + ".sig", True, by_openssl), "ssh-keygen": (MANIFEST + ".sshsig", True, by_ssh_keygen),
         "minisign": (MANIFEST + ".minisig", False, by_minisign),
         "signify-openbsd": (MANIFEST + ".signify", False, by_signify)}


def tools():
    """Those that are here; each missing one is said."""
    here = {}
    for name, row in TOOLS.items():
        if shutil.which(name):
            here[name] = row
        else:
            print(f"skipped: {name} is not installed")
    return here
