#!/usr/bin/env python3
"""Releases in every format, by Ed25519 and P-256 keys: each foreign tool accepts them, and none a changed manifest, a changed
signature, or a signature of another format, role or key. Files that change while they are read are not signed.

  release_test.py PROGRAMS
"""
import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading

from released import MANIFEST, SIGNED, Appliance, answered, command, export_keys, tools

ALL = {"ed25519": 10, "p256": 8}  # files written by --format all


def flipped(path):
    content = bytearray(path.read_bytes())
    text = content.decode(errors="replace")
    # Behind what is only a comment, inside base64 where the file is text.
    at = len(content) // 2 if not text.isprintable() and path.suffix == ".sig" else max(len(content) - 12, 0)
    content[at] = ord("A") if content[at] != ord("A") else ord("B")
    path.write_bytes(content)


def verified(appliance, folder):
    return command(appliance, "release", "verify", "--dir", folder, "--public-key", folder / "release.pem")


def tampering(appliance, folder, ed25519):
    """Every file that is changed is noticed, by our verifier and by the tool it is for."""
    names = [path.name for path in folder.iterdir() if path.name.startswith("countersign-release")]
    names += ["tool.tar.gz", "notes.txt"]
    for name in names:
        copy = folder.parent / "changed"
        shutil.copytree(folder, copy)
        flipped(copy / name)
        code, answer = verified(appliance, copy)
        assert code in (2, 6) and not answer["ok"], (name, code, answer)
        for tool, (signature, _, asked) in tools().items():
            if name in (signature, MANIFEST) and (copy / signature).exists():
                assert not asked(copy, ed25519), (tool, name)
        shutil.rmtree(copy)


def swapped_formats(appliance, folder, ed25519):
    """A signature of one format in the file of another is accepted by nobody."""
    raw = {}
    raw["openssl"] = (folder / (MANIFEST + ".sig")).read_bytes()
    raw["dsse"] = base64.b64decode(json.loads((folder / "countersign-release.intoto.json").read_text())["signatures"][0]["sig"])
    raw["tuf"] = bytes.fromhex(json.loads((folder / "countersign-releases.json").read_text())["signatures"][0]["sig"])
    armoured = "".join((folder / (MANIFEST + ".sshsig")).read_text().splitlines()[1:-1])
    raw["sshsig"] = base64.b64decode(armoured)[-64:]
    if ed25519:
        lines = (folder / (MANIFEST + ".minisig")).read_text().splitlines()
        raw["minisign"] = base64.b64decode(lines[1])[10:]
        raw["minisign comment"] = base64.b64decode(lines[3])
    assert len(set(raw.values())) == len(raw), "two formats share a signature"
    for name, signature in raw.items():
        if name == "openssl":
            continue
        copy = folder.parent / "swapped"
        shutil.copytree(folder, copy)
        (copy / (MANIFEST + ".sig")).write_bytes(signature)
        (copy / (MANIFEST + ".cosign.sig")).write_text(base64.b64encode(signature).decode() + "\n")
        code, answer = verified(appliance, copy)
        assert code == 2, (name, answer)
        if "openssl" in tools():
            assert not tools()["openssl"][2](copy, ed25519), name
        shutil.rmtree(copy)


def other_roles(appliance, folder, ed25519):
    """A key of another role verifies no release, and the release role signs nothing of gait's."""
    if not ed25519:
        return
    for role in ("trace", "approval"):
        key = answered(appliance, "keys", "export", "--role", role, "--format", "pem")["key"]
        (folder.parent / "other.pem").write_text(key)
        code, _ = command(appliance, "release", "verify", "--dir", folder, "--public-key", folder.parent / "other.pem")
        assert code == 2, role
    # The release's document is no trace, token or pack, whatever key set is asked.
    envelope = json.loads((folder / "countersign-release.intoto.json").read_text())
    for kind in ("trace", "approval_token", "approval_audit", "evidence_pack", "release"):
        answer = appliance.signer().call("POST", "/v1/verify", {"type": kind, "statement": envelope})
        assert not answer["valid"], (kind, answer)


def bad_requests(appliance, folder):
    signer = appliance.signer()
    good = {"version": "1", "builder": "b", "source_revision": "r", "formats": ["all"],
            "artifacts": [{"name": "a", "sha256": "0" * 64, "size": 1}]}
    for change in ({"artifacts": []}, {"formats": []}, {"formats": ["pgp"]}, {"version": ""}, {"builder": "a\nb"},
                   {"artifacts": [{"name": "../a", "sha256": "0" * 64, "size": 1}]},
                   {"artifacts": [{"name": "a\nb", "sha256": "0" * 64, "size": 1}]},
                   {"artifacts": [{"name": "a", "sha256": "0" * 63, "size": 1}]},
                   {"artifacts": [{"name": "a", "sha256": "0" * 64, "size": -1}]},
                   {"artifacts": [{"name": n, "sha256": "0" * 64, "size": 1} for n in ("b", "a")]},
                   {"artifacts": [{"name": "a", "sha256": "0" * 64, "size": 1}] * 2}, {"bytes": "raw"}):
        try:
            signer.sign({"type": "release", "statement": {**good, **change}})
            raise AssertionError(f"signed {change}")
        except Exception as refusal:  # noqa: BLE001 - the helper's Refused, told apart by its status
            assert getattr(refusal, "status", 0) == 400, (change, refusal)
    code, answer = command(appliance, "release", "sign", folder / "absent", *SIGNED)
    assert code == 6 and answer["error"]["code"] == "artifact_unreadable", answer
    code, answer = command(appliance, "release", "sign", folder / "tool.tar.gz", folder.parent / "again/tool.tar.gz", *SIGNED)
    assert code == 6, answer


def changing_file(appliance, folder):
    """A file that grows while it is hashed: 256 MiB sparse, so that there is time."""
    path = folder / "growing.bin"
    with open(path, "wb") as file:
        file.truncate(256 << 20)
    stop = threading.Event()

    def grow():
        with open(path, "ab") as file:
            while not stop.is_set():
                file.write(b"x")
                file.flush()
                stop.wait(0.001)  # not a wait for anything: keeps the writer from filling the disk

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        code, answer = command(appliance, "release", "sign", path, *SIGNED, "--out-dir", folder / "never")
        assert code == 3 and answer["error"]["code"] == "artifact_changed", answer
        assert not (folder / "never" / MANIFEST).exists()
    finally:
        stop.set()
        thread.join()
        path.unlink()


def released(programs, folder, algorithm):
    ed25519 = algorithm == "ed25519"
    appliance = Appliance(programs, folder / "appliance", algorithm=algorithm).init()
    appliance.start()
    out = folder / "release"
    out.mkdir()
    (out / "tool.tar.gz").write_bytes(os.urandom(3 << 20))
    (out / "notes.txt").write_text("what is new\n")
    answer = answered(appliance, "release", "sign", out / "tool.tar.gz", out / "notes.txt", *SIGNED)
    assert len(answer["files"]) == ALL[algorithm], answer
    lines = (out / MANIFEST).read_text().splitlines()
    assert lines[0] == "countersign-release-v1" and [line.split(" ", 2)[2] for line in lines[1:]] == ["notes.txt", "tool.tar.gz"]
    export_keys(appliance, out)
    for tool, (signature, p256, asked) in tools().items():
        assert (out / signature).exists() == (ed25519 or p256), (tool, algorithm)
        if ed25519 or p256:
            assert asked(out, ed25519), (tool, algorithm)
            print(f"{tool} verifies the {algorithm} release")
    code, answer = verified(appliance, out)
    assert code == 0 and len(answer["signatures"]) == ALL[algorithm] - 1, answer
    assert answered(appliance, "release", "verify", out / "tool.tar.gz")["ok"]
    tampering(appliance, out, ed25519)
    swapped_formats(appliance, out, ed25519)
    other_roles(appliance, out, ed25519)
    only = folder / "only"
    answered(appliance, "release", "sign", out / "tool.tar.gz", *SIGNED, "--format", "sshsig", "--out-dir", only)
    assert sorted(path.name for path in only.iterdir()) == [MANIFEST, MANIFEST + ".sshsig"]
    if ed25519:
        bad_requests(appliance, out)
        changing_file(appliance, folder)
    else:
        code, answer = command(appliance, "release", "sign", out / "tool.tar.gz", *SIGNED, "--format", "minisign")
        assert code == 6 and answer["error"]["code"] == "format_unfit", answer
    assert appliance.stop() == 0


def main():
    for algorithm in ALL:
        with tempfile.TemporaryDirectory(prefix="countersign-release-") as name:
            released(sys.argv[1], pathlib.Path(name), algorithm)


if __name__ == "__main__":
    main()
