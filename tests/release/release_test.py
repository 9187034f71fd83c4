#!/usr/bin/env python3
"""Releases in every format, by Ed25519 and P-256 keys: each foreign tool accepts them, and none a changed manifest, a changed
signature, or a signature of another format, role or key. Files that change while they are read are not signed.

  release_test.py PROGRAMS
"""
import base64
import http.server
import json
import os
import pathlib
import shutil
import socketserver
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


def no_signature_files(appliance, folder, ed25519):
    """What is no file of its format is said to be none; put back, it verifies again."""
    line = "untrusted comment: x\n" + base64.b64encode(b"no" + bytes(72)).decode() + "\n"
    broken = {MANIFEST + ".sigstore.json": ["{}"], "countersign-release.intoto.json": ["{}"], "countersign-release.intoto.sigstore.json": ["{}"]}
    if ed25519:
        broken |= {MANIFEST + ".signify": ["", "one line\n", line], MANIFEST + ".minisig": ["", line]}
    for name, contents in broken.items():
        whole = (folder / name).read_bytes()
        for content in contents:
            (folder / name).write_text(content)
            code, answer = verified(appliance, folder)
            assert code == 2 and answer["error"]["code"] == "signature_file_invalid", (name, content, code, answer)
        (folder / name).write_bytes(whole)
    assert verified(appliance, folder)[0] == 0


def mpint(number):
    """An integer as ssh writes it (RFC 4251 §5)."""
    return number.to_bytes(number.bit_length() // 8 + 1, "big") if number else b""


def field(content):
    return len(content).to_bytes(4, "big") + content


def fields_of(blob):
    out = []
    while blob:
        length = int.from_bytes(blob[:4], "big")
        out.append(blob[4:4 + length])
        blob = blob[4 + length:]
    return out


def der_of(r, s):
    """Two numbers as ECDSA signatures hold them; short enough for one byte of length."""
    inner = b"".join(b"\x02" + bytes([len(mpint(each))]) + mpint(each) for each in (r, s))
    return b"\x30" + bytes([len(inner)]) + inner


def numbers_of(der):
    r = der[4:4 + der[3]]
    return int.from_bytes(r, "big"), int.from_bytes(der[6 + der[3]:], "big")


def json_signature(path, walk, write):
    document = json.loads(path.read_text())
    place = document
    for step in walk[:-1]:
        place = place[step]
    if write is not None:
        place[walk[-1]] = write
        path.write_text(json.dumps(document))
    return place[walk[-1]]


class Containers:
    """The signature in each file of a release: read, and put there in place of the file's own. Raw Ed25519, or DER."""

    def __init__(self, folder, ed25519):
        self.folder, self.ed25519 = folder, ed25519
        self.manifest = {"openssl": self.openssl, "cosign": self.cosign, "sigstore": self.sigstore}
        self.others = {"dsse": self.dsse, "dsse bundle": self.dsse_bundle, "tuf": self.tuf, "sshsig": self.sshsig}
        if ed25519:
            self.manifest["signify"] = self.signify
            self.others |= {"minisign": self.minisign, "minisign comment": self.minisign_comment}

    def at(self, name):
        return self.folder / name

    def openssl(self, put=None):
        path = self.at(MANIFEST + ".sig")
        if put is not None:
            path.write_bytes(put)
        return path.read_bytes()

    def cosign(self, put=None):
        path = self.at(MANIFEST + ".cosign.sig")
        if put is not None:
            path.write_text(base64.b64encode(put).decode() + "\n")
        return base64.b64decode(path.read_text())

    def in_json(self, name, walk, put):
        text = None if put is None else base64.b64encode(put).decode()
        return base64.b64decode(json_signature(self.at(name), walk, text))

    def sigstore(self, put=None):
        return self.in_json(MANIFEST + ".sigstore.json", ("messageSignature", "signature"), put)

    def dsse(self, put=None):
        return self.in_json("countersign-release.intoto.json", ("signatures", 0, "sig"), put)

    def dsse_bundle(self, put=None):
        return self.in_json("countersign-release.intoto.sigstore.json", ("dsseEnvelope", "signatures", 0, "sig"), put)

    def tuf(self, put=None):
        text = None if put is None else put.hex()
        return bytes.fromhex(json_signature(self.at("countersign-releases.json"), ("signatures", 0, "sig"), text))

    def line(self, name, number, head, put):
        """A signature in base64 on a line, behind `head` bytes that name algorithm and key."""
        path = self.at(name)
        lines = path.read_text().splitlines()
        content = base64.b64decode(lines[number])
        if put is not None:
            lines[number] = base64.b64encode(content[:head] + put).decode()
            path.write_text("\n".join(lines) + "\n")
        return content[head:] if put is None else put

    def signify(self, put=None):
        return self.line(MANIFEST + ".signify", 1, 10, put)

    def minisign(self, put=None):
        return self.line(MANIFEST + ".minisig", 1, 10, put)

    def minisign_comment(self, put=None):
        return self.line(MANIFEST + ".minisig", 3, 0, put)

    def sshsig(self, put=None):
        path = self.at(MANIFEST + ".sshsig")
        lines = path.read_text().splitlines()
        blob = base64.b64decode("".join(lines[1:-1]))
        head, parts = blob[:10], fields_of(blob[10:])  # "SSHSIG" and its version
        algorithm, signature = fields_of(parts[4])
        if put is not None:
            inner = put if self.ed25519 else b"".join(field(mpint(each)) for each in numbers_of(put))
            parts[4] = field(algorithm) + field(inner)
            text = base64.b64encode(head + b"".join(field(part) for part in parts)).decode()
            path.write_text("\n".join([lines[0], *(text[i:i + 70] for i in range(0, len(text), 70)), lines[-1]]) + "\n")
            return put
        return signature if self.ed25519 else der_of(*(int.from_bytes(each, "big") for each in fields_of(signature)))


def swapped_formats(appliance, folder, ed25519):
    """A signature of one format in the file of another is accepted by nobody; put back into its own, it is."""
    own = Containers(folder, ed25519)
    signatures = {name: read() for name, read in own.others.items()}
    signatures["manifest"] = own.openssl()
    assert all(read() == signatures["manifest"] for read in own.manifest.values()), "formats of the manifest as it is share one"
    assert signatures["dsse bundle"] == signatures.pop("dsse"), "an envelope and its bundle are one signature"
    assert len(set(signatures.values())) == len(signatures), "two formats share a signature"
    checks = {"openssl": "openssl", "sshsig": "ssh-keygen", "minisign": "minisign", "minisign comment": "minisign", "signify": "signify-openbsd"}
    copy = folder.parent / "swapped"
    tried = 0
    for target in (*own.manifest, *own.others):
        for name, signature in signatures.items():
            shutil.copytree(folder, copy)
            there = Containers(copy, ed25519)
            put = (there.manifest | there.others)[target]
            own_one = put() == signature
            put(signature)
            code, answer = verified(appliance, copy)
            assert code == (0 if own_one else 2), (target, name, code, answer)
            tool = checks.get(target)
            if tool in tools():
                assert tools()[tool][2](copy, ed25519) == own_one, (tool, target, name)
            shutil.rmtree(copy)
            tried += not own_one
    print(f"{tried} signatures in the file of another format, none accepted")


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


class NoSigner(http.server.BaseHTTPRequestHandler):
    """What listens on a socket and says that it signed, without anything to show."""
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"statement": {}, "kid": "none", "log_index": 0, "redeemed": []}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def no_signer(appliance, folder):
    place = folder.parent / "none.sock"
    with socketserver.UnixStreamServer(str(place), NoSigner) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        code, answer = command(appliance, "release", "sign", folder / "tool.tar.gz", *SIGNED, "--out-dir", folder / "never", "--signer", place)
        server.shutdown()
    assert code == 1 and answer["error"]["code"] == "answer_invalid", (code, answer)
    assert not (folder / "never" / MANIFEST).exists()


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
    no_signature_files(appliance, out, ed25519)
    swapped_formats(appliance, out, ed25519)
    other_roles(appliance, out, ed25519)
    only = folder / "only"
    answered(appliance, "release", "sign", out / "tool.tar.gz", *SIGNED, "--format", "sshsig", "--out-dir", only)
    assert sorted(path.name for path in only.iterdir()) == [MANIFEST, MANIFEST + ".sshsig"]
    if ed25519:
        bad_requests(appliance, out)
        changing_file(appliance, folder)
        no_signer(appliance, out)
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
