#!/usr/bin/env python3
"""The transparency log of a whole appliance: proofs with signatures, every log command, an independent checker, copies.

  log_test.py PROGRAMS
"""
import json
import os
import pathlib
import shutil
import sys
import tempfile

from logged import (Refused, answered, check_independently, command, logged_appliance, sign, trace_request, wait_covered)


def proofs_with_signatures(appliance, folder, key):
    signer = appliance.signer()
    answer = signer.call("POST", "/v1/sign?proof=1", trace_request(os.urandom(32).hex()))
    proof = answer["proof"]
    assert proof["index"] == answer["log_index"] < proof["size"], answer
    leaf = json.loads(proof["leaf"])
    assert leaf["body_digest"] == answer["statement"]["signature"]["signed_digest"]
    assert not {"request_id", "body"} & set(leaf), "a leaf holds digests, not what callers wrote"
    (folder / "answer.proof").write_text(json.dumps(proof))
    (folder / "trace.json").write_text(json.dumps(answer["statement"]))
    code, said = check_independently(appliance.state / "log", key, "--proof", folder / "answer.proof")
    assert code == 0, said
    nowhere = f"/v1/log/proof?intent_digest={'0' * 64}&signed_digest={'0' * 64}"
    for target, status, reason in (("/v1/sign?proof=2", 400, "invalid"), ("/v1/log/proof?index=99999999", 404, "record_unknown"),
                                   (nowhere, 404, "record_unknown"), ("/v1/log/proof", 404, "not_found"),
                                   ("/v1/log/proof?index=x", 400, "invalid"), ("/v1/log/tile/0/..", 404, "tile_unknown"),
                                   ("/v1/log/tile/0/999", 404, "not_found")):
        try:
            signer.call("POST" if "/sign?" in target else "GET", target, trace_request(os.urandom(32).hex()) if "/sign?" in target else None)
            raise AssertionError(target + " was answered")
        except Refused as refusal:
            assert (refusal.status, refusal.code) == (status, reason), (target, refusal)


def traces_must_be_logged(appliance, folder, key):
    trace = folder / "trace.json"
    assert answered(appliance, "trace", "verify", trace, "--require-log")["log_status"] == "verified"
    answered(appliance, "log", "prove", "--trace", trace, "--out", folder / "trace.proof")
    published = appliance.folder / "published"
    offline = ("trace", "verify", trace, "--trust", published, "--log-proof", folder / "trace.proof", "--log-key", key)
    assert answered(appliance, *offline)["log_status"] == "verified"
    # Another record's proof is a proof of that record alone.
    answered(appliance, "log", "prove", "--index", 0, "--out", folder / "other.proof")
    code, answer = command(appliance, *offline[:6], folder / "other.proof", "--log-key", key)
    assert code == 2 and answer["log_status"] == "failed" and answer["error_detail"]["code"] == "log_record_mismatch", answer
    # A trace that nobody recorded has no place in it.
    document = json.loads(trace.read_text())
    document["signature"]["signed_digest"] = "0" * 64
    (folder / "unknown.json").write_text(json.dumps(document))
    code, answer = command(appliance, "log", "prove", "--trace", folder / "unknown.json")
    assert code == 5 and answer["error"]["code"] == "record_unknown", answer
    proof = json.loads((folder / "trace.proof").read_text())
    proof["leaf"] = proof["leaf"].replace('"type":"trace"', '"type":"trick"')
    (folder / "forged.proof").write_text(json.dumps(proof))
    code, answer = command(appliance, *offline[:6], folder / "forged.proof", "--log-key", key)
    assert code == 2, answer
    # A log of one's own proves nothing under the pinned key.
    stranger = "log.example/test+33d7b496+AeHy4DPVgQnQZgQxYkGwmpkRmYFtWcAmMHDPPDMAqZsA"
    code, answer = command(appliance, *offline[:7], "--log-key", stranger)
    assert code != 0, answer


def commands(appliance, folder, key):
    shown = answered(appliance, "log", "show")
    assert shown["log_key"] == key and shown["origin"] == "log.example/test"
    assert answered(appliance, "log", "show", shown["size"] - 1)["record"]["index"] == shown["size"] - 1
    (folder / "old.checkpoint").write_text(shown["checkpoint"])
    last = sign(appliance, 300)[-1]["log_index"]
    wait_covered(appliance, last)
    verified = answered(appliance, "log", "verify", "--old", folder / "old.checkpoint", "--log-key", key)
    assert verified["continues"] == shown["size"] < verified["size"]
    code, said = check_independently(appliance.state / "log", key, "--old", folder / "old.checkpoint")
    assert code == 0, said
    for words in ((), ("--log", appliance.state / "log", "--log-key", key)):
        assert answered(appliance, "log", "fsck", *words)["findings"] == []
    code, answer = command(appliance, "log", "prove", "--index", 10**9)
    assert code == 5 and answer["error"]["code"] == "log_behind", answer
    answered(appliance, "log", "prove", "--index", 7, "--out", folder / "seven.proof")
    assert answered(appliance, "log", "verify", "--proof", folder / "seven.proof", "--log-key", key)["index"] == 7
    whole = json.loads((folder / "seven.proof").read_text())
    for hashes in (["AAAA"], [1], whole["hashes"][:1] * 65):
        (folder / "broken.proof").write_text(json.dumps({**whole, "hashes": hashes}))
        code, answer = command(appliance, "log", "verify", "--proof", folder / "broken.proof", "--log-key", key)
        assert code == 6 and answer["error"]["code"] == "proof_invalid", (hashes, code, answer)


def copies(appliance, folder, key):
    copy = folder / "copy"
    first = answered(appliance, "log", "export", "--out", copy, "--log-key", key)
    assert first["added"] == first["size"]
    shutil.copytree(copy, folder / "older")
    wait_covered(appliance, sign(appliance, 300)[-1]["log_index"])
    second = answered(appliance, "log", "export", "--out", copy, "--log-key", key)
    assert second["added"] == second["size"] - first["size"] > 0
    assert check_independently(copy, key)[0] == 0
    assert answered(appliance, "log", "fsck", "--log", copy, "--log-key", key)["size"] == second["size"]
    # A log that was put back to an older state is not continued.
    code, answer = command(appliance, "log", "verify", "--log", folder / "older", "--log-key", key, "--old", copy / "checkpoint")
    assert code == 2 and answer["error"]["code"] == "log_rolled_back", answer
    answered(appliance, "log", "verify", "--log", copy, "--log-key", key, "--old", folder / "older" / "checkpoint")
    # Archived bundles leave every proof of a kept record whole.
    (copy / "tile/entries/000").rename(folder / "archived")
    code, answer = command(appliance, "log", "fsck", "--log", copy, "--log-key", key)
    assert code == 2 and answer["findings"][0]["path"] == "tile/entries/000", answer
    answered(appliance, "log", "fsck", "--log", copy, "--log-key", key, "--archived-below", 256)
    answered(appliance, "log", "prove", "--index", 300, "--log", copy, "--log-key", key)
    (folder / "archived").rename(copy / "tile/entries/000")
    # A copy of a log that was rewritten is no continuation.
    forged = folder / "forged"
    shutil.copytree(copy, forged)
    bundle = bytearray((forged / "tile/entries/000").read_bytes())
    bundle[-1] ^= 1
    (forged / "tile/entries/000").write_bytes(bundle)
    code, answer = command(appliance, "log", "fsck", "--log", forged, "--log-key", key)
    assert code == 2 and answer["findings"], answer
    assert check_independently(forged, key)[0] == 2


def followed(appliance, *words):
    """Exit code and the objects it printed, one a line."""
    code, text = command(appliance, "log", "follow", "--once", *words, raw=True)
    return code, [json.loads(line) for line in text.splitlines()]


def monitors(appliance, folder):
    uid = os.getuid()
    assert followed(appliance, "--from", 0, "--alert", "--callers", uid) == (0, [])
    code, alerts = followed(appliance, "--from", 0, "--alert", "--callers", uid + 1)
    assert code == 2 and {alert["alert"] for alert in alerts} == {"unknown_caller"}, alerts[:3]
    code, alerts = followed(appliance, "--from", 0, "--alert", "--most-per-minute", 100)
    assert code == 2 and [alert["alert"] for alert in alerts] == ["unusual_rate"], alerts
    # With a key set that lacks the signing keys, every signature is by an unpublished key.
    strange = folder / "strange"
    strange.mkdir()
    keys = json.loads((appliance.folder / "published" / "keyset.json").read_text())
    keys["keys"] = [key for key in keys["keys"] if key["role"] == "log"]
    (strange / "keyset.json").write_text(json.dumps(keys))
    code, alerts = followed(appliance, "--from", 0, "--alert", "--trust", strange)
    assert code == 2 and {alert["alert"] for alert in alerts} == {"key_unknown"}, alerts[:3]
    # What the set says of the key that signed: of another role, or outside its window.
    for change, alert in (({"role": "release"}, "key_of_another_role"), ({"not_before": "2098-01-01T00:00:00Z"}, "key_outside_window"),
                          ({"not_after": "2020-01-01T00:00:00Z", "not_before": "2019-01-01T00:00:00Z"}, "key_outside_window")):
        keys = json.loads((appliance.folder / "published" / "keyset.json").read_text())
        for key in keys["keys"]:
            if key["role"] == "trace":
                key.update(change)
        (strange / "keyset.json").write_text(json.dumps(keys))
        code, alerts = followed(appliance, "--from", 0, "--alert", "--trust", strange)
        assert code == 2 and {each["alert"] for each in alerts} == {alert}, (change, alerts[:3])
    state = folder / "monitor.checkpoint"
    code, records = followed(appliance, "--state", state)
    assert code == 0 and records[0]["index"] == 0
    assert followed(appliance, "--state", state) == (0, []), "what was seen is not told again"


def main():
    with tempfile.TemporaryDirectory(prefix="countersign-log-") as name:
        folder = pathlib.Path(name)
        appliance = logged_appliance(sys.argv[1], folder / "appliance").init()
        appliance.start()
        wait_covered(appliance, sign(appliance, 5)[-1]["log_index"])
        key = answered(appliance, "log", "show")["log_key"]
        proofs_with_signatures(appliance, folder, key)
        traces_must_be_logged(appliance, folder, key)
        commands(appliance, folder, key)
        copies(appliance, folder, key)
        monitors(appliance, folder)
        assert appliance.stop() == 0
        stopped = int((appliance.state / "log" / "checkpoint").read_text().splitlines()[1])
        assert stopped == len(appliance.recorded()), "a stop publishes what is new"


if __name__ == "__main__":
    main()
