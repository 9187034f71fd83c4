#!/usr/bin/env python3
"""Checks a transparency log without any code of ours: written from RFC 6962 and from C2SP tlog-tiles, tlog-checkpoint and
signed-note; nothing but the standard library.

    check_log.py FOLDER VERIFIER_KEY [--old CHECKPOINT] [--proof PROOF.json]

Every entry is hashed, every tile is made again from the hashes, the root is compared with the checkpoint, and its
signature is verified; with --old the earlier checkpoint's root must be that of the first entries; with --proof the proof
must lead from its leaf to its own checkpoint. Exit 0: checked. Exit 2: not, with the reason on stderr.
"""
import argparse
import base64
import hashlib
import json
import pathlib
import sys

# Ed25519, RFC 8032 §5.1: verification alone, in affine arithmetic made for reading.
P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
BASE_Y = 4 * pow(5, P - 2, P) % P


def x_of(y, sign):
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    return P - x if (x & 1) != sign else x


BASE = (x_of(BASE_Y, 0), BASE_Y, 1, x_of(BASE_Y, 0) * BASE_Y % P)


def add(a, b):
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = f - e, h - g, h + g, f + e
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiplied(scalar, point):
    total = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point = add(point, point)
        scalar >>= 1
    return total


def point_in(text):
    number = int.from_bytes(text, "little")
    y, sign = number & (2**255 - 1), number >> 255
    x = x_of(y, sign) if y < P else None
    return None if x is None else (x, y, 1, x * y % P)


def ed25519_verifies(key, message, signature):
    a, r = point_in(key), point_in(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or a is None or r is None or s >= Q:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % Q
    left, right = multiplied(s, BASE), add(r, multiplied(k, a))
    return not ((left[0] * right[2] - right[0] * left[2]) % P or (left[1] * right[2] - right[1] * left[2]) % P)


def refuse(reason):
    print(f"not verified: {reason}", file=sys.stderr)
    sys.exit(2)


def leaf_hash(entry):
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(count):
    """The largest power of two smaller than count."""
    return 1 << (count - 1).bit_length() - 1


def tree_hash(hashes):
    """MTH of RFC 6962 §2.1 over leaf hashes."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = split(len(hashes))
    return node_hash(tree_hash(hashes[:k]), tree_hash(hashes[k:]))


def root_by_path(leaf, index, size, path):
    """The root that PATH(index, D[size]) of RFC 6962 §2.1.1 leads to."""
    if size == 1:
        return leaf if not path else None
    if not path:
        return None
    k = split(size)
    if index < k:
        below = root_by_path(leaf, index, k, path[:-1])
        return below and node_hash(below, path[-1])
    below = root_by_path(leaf, index - k, size - k, path[:-1])
    return below and node_hash(path[-1], below)


def open_checkpoint(note, verifier_key):
    name, key_id, key = verifier_key.split("+", 2)
    material = base64.b64decode(key, validate=True)
    if material[0] != 1 or hashlib.sha256(name.encode() + b"\n" + material).digest()[:4].hex() != key_id:
        refuse("the verifier key is not its id's")
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    signed = False
    for line in signatures.splitlines():
        dash, signer, value = line.split(" ")
        blob = base64.b64decode(value, validate=True)
        if dash == "\u2014" and signer == name and blob[:4].hex() == key_id:
            if not ed25519_verifies(material[1:], text.encode(), blob[4:]):
                refuse("the checkpoint's signature does not verify")
            signed = True
    if not signed:
        refuse("the checkpoint is not signed by the log's key")
    origin, size, root = text.splitlines()[:3]
    if origin != name:
        refuse("the checkpoint is of another log")
    return int(size), base64.b64decode(root, validate=True)


def tile_name(level, index, width):
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        groups.insert(0, f"x{index % 1000:03d}")
    return f"tile/{level}/" + "/".join(groups) + (f".p/{width}" if width < 256 else "")


def read_tile(folder, level, index, width):
    path = folder / tile_name(level, index, width)
    if not path.exists() and width < 256:
        path = folder / tile_name(level, index, 256)
    if not path.exists():
        refuse(f"{tile_name(level, index, width)} is missing")
    return path.read_bytes()


def entries_of(folder, size):
    for first in range(0, size, 256):
        width = min(256, size - first)
        bundle = read_tile(folder, "entries", first // 256, width)
        at = count = 0
        while count < width:
            length = int.from_bytes(bundle[at:at + 2], "big")
            if at + 2 + length > len(bundle):
                refuse(f"the bundle of entry {first} is torn")
            yield bundle[at + 2:at + 2 + length]
            at += 2 + length
            count += 1


def check_folder(folder, size, root):
    hashes = [leaf_hash(entry) for entry in entries_of(folder, size)]
    if tree_hash(hashes) != root:
        refuse("the entries do not lead to the checkpoint's root")
    level, row = 0, hashes
    while row:
        for first in range(0, len(row), 256):
            part = row[first:first + 256]
            if read_tile(folder, level, first // 256, len(part))[:32 * len(part)] != b"".join(part):
                refuse(f"{tile_name(level, first // 256, len(part))} holds other hashes")
        row = [tree_hash(row[first:first + 256]) for first in range(0, len(row) - 255, 256)]
        level += 1
    return hashes


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("verifier_key")
    parser.add_argument("--old", type=pathlib.Path)
    parser.add_argument("--proof", type=pathlib.Path)
    words = parser.parse_args()
    size, root = open_checkpoint((words.folder / "checkpoint").read_text(encoding="utf-8"), words.verifier_key)
    hashes = check_folder(words.folder, size, root)
    if words.old:
        old_size, old_root = open_checkpoint(words.old.read_text(encoding="utf-8"), words.verifier_key)
        if old_size > size or tree_hash(hashes[:old_size]) != old_root:
            refuse("the log does not continue the earlier checkpoint")
    if words.proof:
        proof = json.loads(words.proof.read_text(encoding="utf-8"))
        size_then, root_then = open_checkpoint(proof["checkpoint"], words.verifier_key)
        path = [base64.b64decode(text, validate=True) for text in proof["hashes"]]
        if proof["size"] != size_then or not 0 <= proof["index"] < size_then:
            refuse("the proof is of another checkpoint")
        if root_by_path(leaf_hash(proof["leaf"].encode()), proof["index"], size_then, path) != root_then:
            refuse("the proof does not lead to its checkpoint")
    print(f"{size} entries, root {base64.b64encode(root).decode()}")


if __name__ == "__main__":
    main()
