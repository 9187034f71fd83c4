#!/usr/bin/env python3
"""The published keys of a whole appliance as a verifier has them: synced, rotated on its acknowledgement, halted, tampered with.

  publication_test.py PROGRAMS
"""
import functools
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from appliance import ROLES, Appliance, Refused, Signer, trace_request  # noqa: E402

ROSTER = """\
verifiers:
  - {{name: gate-1, roles: [trace], ssh_key: "{ssh}"}}
closed: [trace]
"""


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


def run(appliance, program, *words):
    done = subprocess.run([str(appliance.bin / program), *words, "--json"], capture_output=True, text=True, timeout=60)
    return done.returncode, json.loads(done.stdout) if done.stdout.strip() else {"stderr": done.stderr}


def countersign(appliance, *words):
    return run(appliance, "countersign", *words)


def sync(appliance, trust, source=None, root=True):
    words = ["keys", "sync", "--from", str(source or appliance.folder / "published"), "--trust", str(trust)]
    if root:
        words += ["--root", str(appliance.folder / "published" / "1.root.json")]
    return countersign(appliance, *words)


def ack(appliance, trust, verifier="gate-1", key="gate-1"):
    return countersign(appliance, "keys", "ack", "--trust", str(trust), "--verifier", verifier, "--ssh-key",
                       str(appliance.folder / "keys" / key), "--signer", str(appliance.socket))


def keys(appliance, role="trace"):
    return {key["kid"]: key for key in appliance.signer().call("GET", "/v1/keys")["keys"] if key["role"] == role}


def refused(status, code, call, *arguments):
    try:
        call(*arguments)
    except Refused as refusal:
        assert (refusal.status, refusal.code) == (status, code), refusal
        return refusal.error
    raise AssertionError(f"not refused: {code}")


def wait_for(condition, what, within=20):
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.02)  # polls a condition; nothing depends on how long
    raise AssertionError(f"not within {within} s: {what}")


def over_https(appliance):
    """A server whose certificate comes from an authority that only we know: believed where it is named, else not."""
    for name, common in (("ours", "localhost"), ("other", "localhost")):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                        f"/CN={common}", "-addext", "subjectAltName=DNS:localhost", "-keyout", appliance.folder / f"{name}.key",
                        "-out", appliance.folder / f"{name}.crt"], check=True, capture_output=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(appliance.folder / "published")))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(appliance.folder / "ours.crt", appliance.folder / "ours.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # a client that does not like the certificate hangs up
    threading.Thread(target=server.serve_forever, daemon=True).start()
    words = ("keys", "sync", "--from", f"https://localhost:{server.server_port}", "--trust", str(appliance.folder / "over-https"), "--root",
             str(appliance.folder / "published" / "1.root.json"))
    for ca in ((), ("--ca", str(appliance.folder / "other.crt"))):
        code, answer = countersign(appliance, *words, *ca)
        assert code == 7 and answer["error"]["code"] == "unavailable" and "certificate" in answer["error"]["message"], (code, answer)
    code, answer = countersign(appliance, *words, "--ca", str(appliance.folder / "ours.crt"))
    assert code == 0, answer
    server.shutdown()


def syncs_from_everywhere(appliance, trust):
    code, answer = sync(appliance, trust)
    assert code == 0 and answer["trial"] and answer["root_version"] == 1, (code, answer)
    code, answer = sync(appliance, trust / "keyset.json")
    assert (code, answer["error"]["code"]) == (6, "trust_no_directory") and answer["error"]["hint"], (code, answer)
    assert (trust / "allowed_signers").exists() and (trust / "keyset.json").exists()
    handler = functools.partial(QuietHandler, directory=str(appliance.folder / "published"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    code, answer = sync(appliance, appliance.folder / "over-http", f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    assert code == 0, answer
    over_https(appliance)
    # public.sock serves the same bytes, with an ETag.
    public = Signer(appliance.folder / "run" / "public.sock")
    for path in (appliance.folder / "published").rglob("*"):
        if path.is_dir() or path.name == "anchor.json":
            continue
        name = str(path.relative_to(appliance.folder / "published"))
        public.connection.request("GET", "/" + name)
        served = public.connection.getresponse()
        body = served.read()
        assert served.status == 200 and body == path.read_bytes(), (name, served.status)
        public.connection.request("GET", "/" + name, headers={"If-None-Match": served.headers["ETag"]})
        again = public.connection.getresponse()
        assert again.status == 304 and not again.read(), name
    public.connection.request("GET", "/nothing.json")
    missing = public.connection.getresponse()
    missing.read()
    assert missing.status == 404


def rotates_on_acknowledgement(appliance, trust):
    """The gate is a week away; the only verifier says that it has the key."""
    outgoing = next(iter(keys(appliance)))
    signer = appliance.signer()
    before = signer.sign(trace_request(os.urandom(32).hex()))["statement"]
    stage = ("countersignd", "stage", "trace", "--config", str(appliance.config))
    one = next(path for path in sorted((appliance.state / "trial-custodians").iterdir()))
    away = one.rename(appliance.folder / "away")
    code, answer = run(appliance, *stage)
    assert code == 3 and answer["error"]["code"] == "custodian_missing", answer
    away.rename(one)
    code, answer = run(appliance, *stage)
    assert code == 0, answer
    incoming = answer["staged"][0]["kid"]
    code, answer = countersign(appliance, "keys", "activate", incoming, "--signer", str(appliance.socket))
    assert code == 3 and answer["error"]["code"] == "cutover_too_early", answer
    assert "gate-1" in answer["error"]["message"], answer

    # An acknowledgement of the set before, by another key, by a stranger: none of them counts.
    code, answer = ack(appliance, trust)
    assert code == 3 and answer["error"]["code"] == "acknowledgement_stale", answer
    code, answer = sync(appliance, trust)
    assert code == 0, answer
    code, answer = ack(appliance, trust, key="thief")
    assert code == 3 and answer["error"]["code"] == "acknowledgement_invalid", answer
    code, answer = ack(appliance, trust, verifier="nobody")
    assert code == 5 and answer["error"]["code"] == "unknown_verifier", answer
    assert keys(appliance)[incoming]["state"] == "staged"
    code, answer = ack(appliance, trust)
    assert code == 0 and answer["acknowledged"] == [incoming], answer
    code, again = ack(appliance, trust)
    assert code == 0 and again["acknowledged"] == [], again

    def activated():
        code, answer = countersign(appliance, "keys", "activate", incoming, "--signer", str(appliance.socket))
        assert code == 0 or answer["error"]["code"] in ("key_not_held", "key_state"), answer
        return keys(appliance)[incoming]["state"] == "active"

    wait_for(activated, "the acknowledged key is active")
    assert keys(appliance)[outgoing]["state"] == "retiring"
    after = appliance.signer().sign(trace_request(os.urandom(32).hex()))["statement"]
    assert after["signature"]["key_id"] != before["signature"]["key_id"]
    # With the set from before the cut-over both verify, and with the one after it.
    for _ in range(2):
        for name, statement in (("before", before), ("after", after)):
            path = appliance.folder / f"{name}.json"
            path.write_text(json.dumps(statement))
            code, answer = countersign(appliance, "trace", "verify", str(path), "--trust", str(trust))
            assert code == 0, (name, answer)
        code, answer = sync(appliance, trust, root=False)
        assert code == 0, answer
    return incoming, before, after


def halts_in_a_crowd(appliance, role):
    """While keys change, 64 more changes may wait, and a halt is not one of those that are sent away."""
    crowd = [socket.socket(socket.AF_UNIX) for _ in range(2)]
    for each in crowd:
        each.settimeout(60)
        each.connect(str(appliance.folder / "run" / "admin.sock"))
        each.sendall(b"GET /healthz HTTP/1.1\r\nHost: s\r\n\r\n")
        assert b"200" in each.recv(65536)
    publish = b"POST /v1/publish HTTP/1.1\r\nHost: s\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    body = json.dumps({"role": role, "reason": "drill"}).encode()
    halt = b"POST /v1/halt HTTP/1.1\r\nHost: s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    front = appliance.front()
    os.kill(front, signal.SIGSTOP)  # so that all of them are there when it looks
    crowd[0].sendall(halt + 63 * publish)
    crowd[1].sendall(10 * publish)
    os.kill(front, signal.SIGCONT)
    first, second = (answers(each, count) for each, count in zip(crowd, (64, 10)))
    assert [status for status, _ in first] == [200] * 64, first
    busy = [(status, json.loads(text)["error"]["code"]) for status, text in second if status != 200]
    assert len(busy) >= 9 and set(busy) == {(429, "keys_changing")}, second
    return json.loads(first[0][1])


def answers(connection, count):
    """Status and body of so many answers to pipelined requests."""
    stream, found = connection.makefile("rb"), []
    while len(found) < count:
        status, length = int(stream.readline().split()[1]), 0
        while (line := stream.readline().strip()):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        found.append((status, stream.read(length).decode()))
    connection.close()
    return found


def halts(appliance, trust, kid, statement):
    answer = halts_in_a_crowd(appliance, "trace")
    assert answer["keys"] == [kid] and answer["published"], answer
    code, answer = sync(appliance, trust, root=False)
    assert code == 0, answer
    path = appliance.folder / "halted.json"
    path.write_text(json.dumps(statement))
    code, answer = countersign(appliance, "trace", "verify", str(path), "--trust", str(trust))
    assert code == 2, answer
    assert kid not in (trust / "jwks.json").read_text() and kid not in (trust / "allowed_signers").read_text()


def mends_what_was_tampered_with(appliance, trust):
    published = appliance.folder / "published"
    whole = {path: path.read_bytes() for path in published.rglob("*.json") if path.name != "anchor.json"}
    (published / "timestamp.json").write_text("{}")
    (published / "jwks.json").write_text('{"keys":[]}')
    code, answer = sync(appliance, trust, root=False)
    assert code != 0, answer
    code, answer = countersign(appliance, "keys", "publish", "--signer", str(appliance.socket))
    assert code == 0 and answer["expires_at"], answer
    code, answer = sync(appliance, trust, root=False)
    assert code == 0, answer
    assert (published / "jwks.json").read_bytes() == whole[published / "jwks.json"]
    told = appliance.folder / "security.jsonl"
    wait_for(lambda: told.exists() and "publication_tampered" in told.read_text(), "the owner is told")


def refuses_expired_trust(appliance, trust, statement):
    old = appliance.folder / "old-trust"
    shutil.copytree(trust, old)
    document = json.loads((old / "keyset.json").read_text())
    document["expires_at"] = "2020-01-01T00:00:00Z"
    (old / "keyset.json").write_text(json.dumps(document))
    path = appliance.folder / "any.json"
    path.write_text(json.dumps(statement))
    code, answer = countersign(appliance, "trace", "verify", str(path), "--trust", str(old))
    assert code == 2, answer


def restarts(appliance, trust):
    version = json.loads((appliance.folder / "published" / "timestamp.json").read_text())["signed"]["version"]
    appliance.stop()
    appliance.start()
    after = json.loads((appliance.folder / "published" / "timestamp.json").read_text())["signed"]["version"]
    assert after > version, (version, after)
    code, answer = sync(appliance, trust, root=False)
    assert code == 0, answer
    rows = appliance.custodian().call("GET", "/v1/status")["keys"]["publication"]
    assert rows["signed"] and {row["what"] for row in rows["deadlines"]} == {"root", "targets", "online"}, rows
    assert 'countersign_publication_ends_seconds{metadata="root"}' in appliance.signer().call("GET", "/metrics")


def refuses_another_answer(appliance):
    """A holder that signs something else than it was asked to is believed by nobody: not a caller's statement, not what is
    published, not the log's checkpoint."""
    appliance.stop()
    between = appliance.folder / "between"
    between.mkdir()
    shutil.copy(appliance.bin / "countersignd", between)
    shutil.copy(pathlib.Path(__file__).resolve().parents[1] / "support" / "lying_holder.py", between / "countersign-holder")
    (between / "PROGRAMS").symlink_to(appliance.bin.resolve())
    programs, appliance.bin = appliance.bin, between
    appliance.start()
    appliance.bin = programs
    signer = appliance.signer()
    logged = functools.partial(signer.call, "POST", "/v1/sign?proof=1")
    assert logged(trace_request(os.urandom(32).hex()))["proof"]
    published = (appliance.folder / "published" / "timestamp.json").read_bytes()
    (between / "LIE").touch()
    refused(500, "holder_mismatch", signer.sign, trace_request(os.urandom(32).hex()))
    code, answer = countersign(appliance, "keys", "publish", "--signer", str(appliance.socket))
    assert code == 1 and answer["error"]["code"] == "holder_mismatch", (code, answer)
    assert (appliance.folder / "published" / "timestamp.json").read_bytes() == published
    (between / "LIE").write_text('"root":"')
    signer.sign(trace_request(os.urandom(32).hex()))
    wait_for(lambda: any("signed another checkpoint than it was asked to" in each["what"] for each in appliance.status()["findings"]), "it is said")
    (between / "LIE").unlink()
    assert logged(trace_request(os.urandom(32).hex()))["proof"]
    code, answer = countersign(appliance, "keys", "publish", "--signer", str(appliance.socket))
    assert code == 0, answer


def publishes_nothing_unsigned(appliance, repository):
    """An older copy of what custodians signed beside a ledger that knows a later key."""
    present = appliance.state / "publication.json"
    newer = present.read_bytes()
    for content, wanted in ((repository, 3), (newer, 0)):
        appliance.stop()
        present.write_bytes(content)
        appliance.start()
        published = (appliance.folder / "published" / "timestamp.json").read_bytes()
        code, answer = countersign(appliance, "keys", "publish", "--signer", str(appliance.socket))
        assert code == wanted and answer.get("error", {}).get("code") == ("unsigned_key" if wanted else None), (code, answer)
        assert ((appliance.folder / "published" / "timestamp.json").read_bytes() == published) == bool(wanted)


def main():
    programs = sys.argv[1]
    with tempfile.TemporaryDirectory(prefix="countersign-publication-") as folder:
        appliance = Appliance(programs, folder, publication=", roster: roster.yaml", roles=ROLES + ("publication", "log"),
                              more="")
        for name in ("gate-1", "thief"):
            appliance.make_key(name)
        ssh = (appliance.folder / "keys" / "gate-1.pub").read_text().strip()
        (appliance.folder / "roster.yaml").write_text(ROSTER.format(ssh=ssh))
        appliance.init()
        appliance.start()
        trust = appliance.folder / "trust"
        syncs_from_everywhere(appliance, trust)
        repository = (appliance.state / "publication.json").read_bytes()
        incoming, before, after = rotates_on_acknowledgement(appliance, trust)
        mends_what_was_tampered_with(appliance, trust)
        refuses_expired_trust(appliance, trust, after)
        restarts(appliance, trust)
        publishes_nothing_unsigned(appliance, repository)
        refuses_another_answer(appliance)
        halts(appliance, trust, incoming, after)
        appliance.stop()


if __name__ == "__main__":
    main()
