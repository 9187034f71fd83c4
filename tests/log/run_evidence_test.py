#!/usr/bin/env python3
"""A run's records are found in a ledger of many, piece by piece, and by nobody who may not; a pack of more than 99 traces
holds them as lines and verifies; a signature that the ledger does not know is told apart.

  run_evidence_test.py PROGRAMS
"""
import json
import os
import pathlib
import shutil
import socket
import sys
import tempfile
import zipfile

from logged import Appliance, Refused, answered, command, logged_appliance, trace_request

OTHERS = 4_500  # more than one request looks at


def run_trace(run_id):
    request = trace_request(os.urandom(32).hex())
    request["statement"]["run_id"] = run_id
    return request


def sign_many(signer, make, count, at_once=64):
    signed = []
    while len(signed) < count:
        batch = {"requests": [make() for _ in range(min(at_once, count - len(signed)))]}
        for row in signer.call("POST", "/v1/sign-batch", batch)["results"]:
            assert "statement" in row, row
            signed.append(row["statement"])
    return signed


def refused(signer, body, status=400):
    try:
        signer.call("POST", "/v1/evidence", body)
    except Refused as refusal:
        assert refusal.status == status, (body, refusal)
        return refusal.code
    raise AssertionError(f"{body} was answered")


def search(signer, match):
    found, start, asked = [], 0, 0
    while True:
        answer = signer.call("POST", "/v1/evidence", {"from": start, "match": match})
        asked += 1
        found += answer["records"]
        if "next" not in answer:
            return found, asked
        assert answer["next"] > start
        start = answer["next"]


def found_in_pieces(signer):
    first = sign_many(signer, lambda: run_trace("run_big"), 60)
    sign_many(signer, lambda: trace_request(os.urandom(32).hex()), OTHERS)
    last = sign_many(signer, lambda: run_trace("run_big"), 60)
    found, asked = search(signer, {"run_id": ["run_big"]})
    assert asked > 1, "one request looked at everything"
    assert [row["document"]["trace_id"] for row in found] == [each["trace_id"] for each in first + last]
    assert all(row["kind"] == "signed" and row["type"] == "trace" for row in found)
    both, _ = search(signer, {"run_id": ["run_big"], "trace_id": [first[0]["trace_id"]]})
    assert len(both) == len(found), "a record that matches twice is found once"
    assert search(signer, {"run_id": ["run_b"]})[0] == [], "a part of a name is another name"
    for body in ({}, {"from": 0}, {"from": 0, "match": {}}, {"from": -1, "match": {"run_id": ["x"]}},
                 {"from": 0, "match": {"tool_name": ["x"]}}, {"from": 0, "match": {"run_id": "x"}},
                 {"from": 0, "match": {"run_id": [1]}}, {"from": 0, "match": {"run_id": ["x"]}, "limit": 1}):
        refused(signer, body)
    assert signer.call("POST", "/v1/evidence", {"from": 10**9, "match": {"run_id": ["x"]}}) == {"records": []}


def asked_too_much(path):
    """Eight at once, in one write: four wait for the thread, and the others are told so. Nobody is left without an answer."""
    body = json.dumps({"from": 0, "match": {"run_id": ["run_big"]}}).encode()
    request = (b"POST /v1/evidence HTTP/1.1\r\nHost: signer\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)) + body
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(path))
        connection.sendall(request * 8)
        connection.shutdown(socket.SHUT_WR)
        answers = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answers.count(b"HTTP/1.1 ") == 8 and answers.count(b"HTTP/1.1 200 ") >= 4, answers[:300]
    assert answers.count(b"search_busy") == answers.count(b"HTTP/1.1 503 ") == 4, answers.count(b"search_busy")


def rewritten(archive, to, name, content):
    with zipfile.ZipFile(archive) as read:
        files = {each: read.read(each) for each in read.namelist()}
    with zipfile.ZipFile(to, "w") as write:
        for each, data in {**files, name: content}.items():
            write.writestr(each, data)


def packed_as_lines(appliance, folder):
    packed = answered(appliance, "guard", "pack", "--run", "run_big", "--out", folder / "big.zip")
    assert packed["log_proofs"] == 120, packed
    with zipfile.ZipFile(folder / "big.zip") as archive:
        names = archive.namelist()
        assert "trace.jsonl" in names and "log_proof.jsonl" in names and "trace_01.json" not in names, names
        lines = archive.read("trace.jsonl").decode().splitlines()
        assert len(lines) == 120
    verified = answered(appliance, "guard", "verify", folder / "big.zip", "--profile", "strict")
    assert verified["documents_verified"] == verified["documents_logged"] == 120, verified
    # A proof of another record proves nothing of the pack.
    answered(appliance, "log", "prove", "--index", 0, "--out", folder / "zero.proof")
    rewritten(folder / "big.zip", folder / "other.zip", "log_proof.jsonl", (folder / "zero.proof").read_bytes().strip() + b"\n")
    code, answer = command(appliance, "guard", "verify", folder / "other.zip")
    assert code == 2 and "proof_of_nothing" in {each["code"] for each in answer["evidence_failures"]}, answer
    # A single key verifies no place in the log, and without a document there is none.
    key = folder / "trace.pem"
    key.write_text(answered(appliance, "keys", "export", "--role", "trace", "--format", "pem")["key"])
    single = ("guard", "verify", folder / "big.zip", "--public-key", key, "--profile", "strict")
    code, answer = command(appliance, *single)
    assert code == 2 and answer["evidence_failures"][0]["code"] == "not_in_log", answer
    assert answered(appliance, *single, "--allow-unlogged")["signature_status"] == "verified"
    answered(appliance, "demo")
    answered(appliance, "guard", "pack", "--run", "run_demo", "--out", folder / "demo.zip")
    code, answer = command(appliance, "guard", "verify", folder / "demo.zip", "--profile", "strict")
    assert code == 2 and answer["evidence_failures"][0]["code"] == "not_in_log", answer
    answered(appliance, "guard", "verify", folder / "demo.zip", "--profile", "strict", "--allow-unlogged")
    run = pathlib.Path("gait-out/runpack_run_demo.zip")
    rewritten(run, run, "intents.jsonl", b"")
    code, answer = command(appliance, "guard", "pack", "--run", "run_demo", "--out", folder / "none.zip")
    assert code == 2 and answer["error_detail"]["code"] == "runpack_changed", answer
    assert not (folder / "none.zip").exists()
    # The same evidence gives the same bytes, but for the checkpoint that its proofs end in and the moment of signing.
    again = answered(appliance, "guard", "pack", "--run", "run_big", "--out", folder / "again.zip")
    with zipfile.ZipFile(folder / "big.zip") as one, zipfile.ZipFile(folder / "again.zip") as other:
        assert one.namelist() == other.namelist()
        differing = {name for name in one.namelist() if one.read(name) != other.read(name)}
    assert differing <= {"log_proof.jsonl", "report.txt", "report.html", "control_index.json", "evidence_pointers.json",
                         "pack_manifest.json"}, differing
    assert again["pack_id"] != "", again


def unknown_to_the_ledger(programs, folder):
    """The keys signed it and this ledger lacks it: what a thief of a key has, or a ledger that was put back."""
    appliance = Appliance(programs, folder / "put-back")
    appliance.init()
    appliance.start()
    backup = ("--config", appliance.config)
    answered(appliance, "ledger", "backup", "--to", folder / "backup.db", *backup)
    lost = appliance.signer().sign(run_trace("run_lost"))["statement"]
    (folder / "lost.json").write_text(json.dumps(lost))
    pack = ("guard", "pack", "--run", "run_lost", "--trace", folder / "lost.json", "--out", folder / "lost.zip")
    assert answered(appliance, *pack)["pack_id"]
    appliance.stop()
    answered(appliance, "ledger", "restore", "--from", folder / "backup.db", "--reason", "drill", "--accept-loss", *backup)
    appliance.start()
    answered(appliance, "trace", "verify", folder / "lost.json")
    code, answer = command(appliance, *pack)
    assert code == 2 and answer["error_detail"]["code"] == "not_recorded", answer
    appliance.stop()


def permitted_alone(programs, folder):
    """Who may pack may neither sign traces nor be told of runs without the word; who may sign traces may pack."""
    appliance = logged_appliance(programs, folder / "narrow")
    text = appliance.config.read_text()
    words = next(line for line in text.splitlines() if "may:" in line)
    appliance.config.write_text(text.replace(words, "    may: [sign:trace, log]"))
    appliance.init()
    appliance.start()
    appliance.signer().sign(run_trace("run_narrow"))
    assert refused(appliance.signer(), {"from": 0, "match": {"run_id": ["x"]}}, 403) == "peer_not_permitted"
    code, answer = command(appliance, "guard", "pack", "--run", "run_narrow")
    assert code == 3 and answer["error_detail"]["code"] == "peer_not_permitted", answer
    appliance.stop()
    appliance.config.write_text(text.replace(words, "    may: [sign:pack, evidence]"))
    appliance.start()
    try:
        appliance.signer().sign(run_trace("run_narrow"))
        raise AssertionError("sign:pack signed a trace")
    except Refused as refusal:
        assert refusal.code == "peer_not_permitted", refusal
    packed = answered(appliance, "guard", "pack", "--run", "run_narrow", "--out", folder / "narrow.zip")
    assert packed["log_proofs"] == 1, packed
    appliance.stop()


def main():
    programs = pathlib.Path(sys.argv[1]).resolve()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="countersign-run-"))
    os.chdir(folder)
    appliance = logged_appliance(programs, folder / "appliance", more="limits: {requests_per_second: 1000000, burst: 100000, holder_memory: 2GiB}\n")
    appliance.init()
    appliance.start()
    found_in_pieces(appliance.signer())
    asked_too_much(appliance.socket)
    packed_as_lines(appliance, folder)
    appliance.stop()
    unknown_to_the_ledger(programs, folder)
    permitted_alone(programs, folder)
    shutil.rmtree(folder)
    print("5 passed, 0 failed")


if __name__ == "__main__":
    main()
