#!/usr/bin/env python3
"""A holder with somebody between it and the front: while the file LIE stands beside this program, each request to sign that
holds the file's text reaches the real holder, in PROGRAMS beside it, changed: for another peer, and a checkpoint with another
root. What the holder then signs, rightly, is not what the front asked for."""
import os
import pathlib
import re
import select
import socket
import struct
import sys

HERE = pathlib.Path(__file__).parent
HOLDER = str(HERE / "PROGRAMS" / "countersign-holder")
FRAMES = 4  # the descriptor of the frames; what else a holder is given it inherits
HEAD = struct.Struct("<IBQ")  # payload length, kind, id
SIGN = 1


def text_at(payload, at):
    length = struct.unpack_from("<I", payload, at)[0]
    return at + 4, at + 4 + length


def changed(payload):
    """A SignJob: type, kid, sequence, peer's uid, statement, proof."""
    _, kid_end = text_at(payload, 1)
    begin, end = text_at(payload, kid_end + 12)
    statement = re.sub(rb'"root":"[0-9a-f]{64}"', b'"root":"' + b"0" * 64 + b'"', payload[begin:end])
    return payload[:kid_end + 8] + struct.pack("<I", 65533) + payload[kid_end + 12:begin] + statement + payload[end:]


def is_lied_about(payload):
    try:
        return (HERE / "LIE").read_bytes() in payload
    except FileNotFoundError:
        return False


def relay(front, holder):
    pending = b""
    while True:
        for ready in select.select([front, holder], [], [])[0]:
            received = ready.recv(1 << 20)
            if not received:
                return
            if ready is holder:
                front.sendall(received)
                continue
            pending += received
            while len(pending) >= HEAD.size and len(pending) >= HEAD.size + HEAD.unpack_from(pending)[0]:
                length, kind, number = HEAD.unpack_from(pending)
                payload = pending[HEAD.size:HEAD.size + length]
                pending = pending[HEAD.size + length:]
                if kind == SIGN and is_lied_about(payload):
                    payload = changed(payload)
                holder.sendall(HEAD.pack(len(payload), kind, number) + payload)


def main():
    if sys.argv[1:] != ["serve"]:
        os.execv(HOLDER, [HOLDER, *sys.argv[1:]])
    front = socket.socket(fileno=os.dup(FRAMES))
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        os.dup2(theirs.fileno(), FRAMES)
        os.execv(HOLDER, [HOLDER, "serve"])
    theirs.close()
    for descriptor in (3, FRAMES):
        os.close(descriptor)
    relay(front, ours)


if __name__ == "__main__":
    main()
