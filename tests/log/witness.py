#!/usr/bin/env python3
"""A small witness of logs (C2SP tlog-witness, tlog-cosignature) on a Unix socket, for tests: nothing but the standard library.
Its key is made from a seed that everybody knows, so it is worth nothing.

    witness.py SOCKET STATE_FILE LOG_VERIFIER_KEY [--lie]

--lie: it answers with a signature of something else.
"""
import base64
import hashlib
import http.server
import json
import os
import pathlib
import socketserver
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))
from check_log import BASE, P, Q, ed25519_verifies, multiplied, node_hash  # noqa: E402

NAME = "witness.example/test"
SEED = b"test-only: the seed of a witness".ljust(32)[:32]


def encoded(point):
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def ed25519_key():
    digest = hashlib.sha512(SEED).digest()
    scalar = int.from_bytes(digest[:32], "little") & (2**254 - 8) | 2**254
    return scalar, digest[32:], encoded(multiplied(scalar, BASE))


def ed25519_sign(message):
    scalar, prefix, public = ed25519_key()
    nonce = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % Q
    point = encoded(multiplied(nonce, BASE))
    k = int.from_bytes(hashlib.sha512(point + public + message).digest(), "little") % Q
    return point + ((nonce + k * scalar) % Q).to_bytes(32, "little")


def verifier_key():
    material = b"\x04" + ed25519_key()[2]
    return f"{NAME}+{hashlib.sha256(NAME.encode() + bytes([10]) + material).digest()[:4].hex()}+{base64.b64encode(material).decode()}"


def cosignature(text, when):
    message = f"cosignature/v1\ntime {when}\n".encode() + text
    key_id = bytes.fromhex(verifier_key().split("+")[1])
    blob = key_id + when.to_bytes(8, "big") + ed25519_sign(message)
    return f"\u2014 {NAME} {base64.b64encode(blob).decode()}\n"


def consistent(first, first_root, second, second_root, proof):
    """RFC 9162 §2.1.4.2."""
    if first == second:
        return not proof and first_root == second_root
    if first == 0:
        return not proof
    path = list(proof)
    if first & (first - 1) == 0:
        path.insert(0, first_root)
    if not path:
        return False
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == first_root and sr == second_root


class Witness:
    def __init__(self, state, log_key, lie):
        self.state, self.lie = pathlib.Path(state), lie
        self.origin, self.log_id, material = log_key.split("+", 2)
        self.log_key = base64.b64decode(material)[1:]

    def seen(self):
        if not self.state.exists():
            return 0, ""
        known = json.loads(self.state.read_text())
        return known["size"], known["root"]

    def add(self, body):
        """Status, text."""
        head, _, note = body.partition("\n\n")
        old, *proof = head.split("\n")
        text, _, signatures = note.rpartition("\n\n")
        text = (text + "\n").encode()
        origin, size, root = text.decode().splitlines()[:3]
        if origin != self.origin:
            return 404, "unknown log"
        signed = False
        for line in signatures.splitlines():
            _, name, value = line.split(" ")
            blob = base64.b64decode(value)
            if name == origin and blob[:4].hex() == self.log_id:
                signed = ed25519_verifies(self.log_key, text, blob[4:])
        if not signed:
            return 403, "not signed by the log"
        old_size, size = int(old.removeprefix("old ")), int(size)
        if old_size > size:
            return 400, "the old size is larger"
        seen, seen_root = self.seen()
        if old_size != seen or (seen == size and seen_root and seen_root != root):
            return 409, f"{seen}\n"
        hashes = [base64.b64decode(line) for line in proof]
        if not consistent(seen, base64.b64decode(seen_root), size, base64.b64decode(root), hashes):
            return 422, "the proof does not verify"
        temporary = self.state.with_suffix(".tmp")
        temporary.write_text(json.dumps({"size": size, "root": root}))
        os.replace(temporary, self.state)
        return 200, cosignature(b"a lie\n" if self.lie else text, int(time.time()))


def main():
    socket_path, state, log_key, *more = sys.argv[1:]
    witness = Witness(state, log_key, "--lie" in more)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            status, text = witness.add(self.rfile.read(int(self.headers["Content-Length"])).decode())
            content = text.encode()
            self.send_response(status if self.path == "/add-checkpoint" else 404)
            self.send_header("Content-Type", "text/x.tlog.size" if status == 409 else "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def address_string(self):
            return "unix"

        def log_message(self, *_):
            pass

    if os.path.exists(socket_path):
        os.unlink(socket_path)
    with socketserver.ThreadingUnixStreamServer(socket_path, Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
