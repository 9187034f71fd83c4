#!/usr/bin/env python3
"""`voice pack` against what docs/voice.md says, computed here: every file, digest, proof record, id and signature.

    voice_pack_test.py --program BUILD/bin/countersign
"""
import argparse
import base64
import hashlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "model"), str(HERE.parent / "support")]
from changed import changed  # noqa: E402
from jcs import canonical, digest  # noqa: E402
from signatures import signature_of, verifies  # noqa: E402

PROGRAM = ""
CALL = "call_voice_case"


def event(seq, kind, turn=2, **more):
    return {"schema_id": "gait.voice.call_event", "schema_version": "1.0.0", "created_at": f"2026-02-15T00:00:0{seq - 1}Z",
            "call_id": CALL, "call_seq": seq, "turn_index": turn, "event_type": kind, **more}


RECORD = {
    "schema_id": "gait.voice.call_record", "schema_version": "1.0.0", "created_at": "2026-02-15T00:00:00Z",
    "producer_version": "test", "call_id": CALL, "runpack_path": "gait-out/runpack_run_demo.zip", "privacy_mode": "hash_only",
    "events": [
        event(6, "tool.intent"), event(1, "asr.final", 1, payload_digest="A" * 64),
        event(2, "commitment.declared", commitment_class="Quote"),
        event(3, "gate.decision", commitment_class="quote", intent_digest="b" * 64, policy_digest="c" * 64),
        event(4, "tts.request", commitment_class="quote"),
        event(5, "tts.emitted", commitment_class="quote", say_token_id="say_demo", attributes={"loud": True, "db": 61.5}),
        event(7, "tool.result"), event(8, "approval.granted", commitment_class="quote")],
    "commitments": [{"created_at": "2026-02-15T00:00:01Z", "call_id": CALL, "turn_index": 2, "call_seq": 2,
                     "commitment_class": "quote", "quote_min_cents": 1000, "quote_max_cents": 1200,
                     "context": {"identity": "agent.voice", "workspace": "/srv/voice", "risk_class": "high"}}],
    "gate_decisions": [{"call_id": CALL, "call_seq": 3, "turn_index": 2, "commitment_class": "quote", "verdict": "ALLOW",
                        "intent_digest": "b" * 64, "policy_digest": "c" * 64, "reason_codes": ["b_rule", " a_rule", "b_rule"]}],
    "speak_receipts": [{"call_id": CALL, "call_seq": 5, "turn_index": 2, "commitment_class": "quote", "say_token_id": "say_demo",
                        "spoken_digest": "a" * 64, "emitted_at": "2026-02-15T00:00:04Z"}],
    "reference_digests": [{"ref_id": "ref_b", "sha256": "d" * 64}, {"ref_id": "ref_a", "sha256": "E" * 64},
                          {"ref_id": "ref_a", "sha256": "e" * 64}, {"ref_id": "", "sha256": "e" * 64}]}
FILES = ["call_events.jsonl", "call_payload.json", "callpack_manifest.json", "commitments.jsonl", "gate_decisions.jsonl",
         "pack_manifest.json", "proof_records.jsonl", "reference_digests.json", "source/runpack.zip", "speak_receipts.jsonl"]


def sha(data):
    return hashlib.sha256(data).hexdigest()


def kind_of(path):
    return {"json": "json", "jsonl": "jsonl", "zip": "zip"}[path.rpartition(".")[2]]


def records(files, source_ref, producer, private=None):
    """proof_records.jsonl over these files."""
    lines, previous = [], ""
    for path in sorted(files):
        record = {"timestamp": "1980-01-01T00:00:00Z", "source": "gait.pack", "source_product": "gait", "agent_id": "gait",
                  "record_type": "tool_invocation",
                  "event": {"pack_type": "call", "source_ref": source_ref, "producer_version": producer, "entry_path": path,
                            "entry_type": kind_of(path), "entry_sha256": sha(files[path]), "entry_size_bytes": len(files[path]),
                            "entry_permissions": 420}}
        record["record_id"] = "prf-1980-01-01T00:00:00Z-" + digest(record)[:8]
        record.update(record_version="1.0", controls={"permissions_enforced": False},
                      metadata={"artifact_kind": "gait.pack.entry"}, integrity={"previous_record_hash": previous})
        record["integrity"] = {"record_hash": "sha256:" + digest(record), **({"previous_record_hash": previous} if previous else {})}
        previous = record["integrity"]["record_hash"]
        if private:
            record["integrity"].update(signing_key_id=sha(private[32:]), signature="base64:" + base64.b64encode(
                signature_of(private, previous.encode())).decode())
        lines.append(canonical(record))
    return "\n".join(lines).encode()


def manifest_of(files, source_ref, producer, private=None):
    manifest = {"schema_id": "gait.pack.manifest", "schema_version": "1.0.0", "created_at": "1980-01-01T00:00:00Z",
                "producer_version": producer, "pack_id": "", "pack_type": "call", "source_ref": source_ref,
                "contents": [{"path": p, "sha256": sha(files[p]), "type": kind_of(p)} for p in sorted(files)]}
    manifest["pack_id"] = digest(manifest)
    if private:
        covered = digest(manifest)
        manifest["signatures"] = [{"alg": "ed25519", "key_id": sha(private[32:]), "signed_digest": covered,
                                   "sig": base64.b64encode(signature_of(private, bytes.fromhex(covered))).decode()}]
    return manifest


def sealed(files, private=None, producer="test"):
    """A pack of these files whose digests, records, id and signatures are right, whatever the files say."""
    files = {p: d for p, d in files.items() if p not in ("pack_manifest.json", "proof_records.jsonl")}
    files["proof_records.jsonl"] = records(files, CALL, producer, private)
    manifest = canonical(manifest_of(files, CALL, producer, private)).encode()
    return zipped({**files, "pack_manifest.json": manifest})


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(files):
            archive.writestr(path, files[path])
    return out.getvalue()


class CallPacks(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="countersign-callpack-"))
        for prefix in ("voice", "other"):
            self.run_with(0, "keys", "init", "--out-dir", "keys", "--prefix", prefix)
        self.run_with(0, "demo")
        self.private = base64.b64decode((self.folder / "keys" / "voice_private.key").read_text())
        self.write("call.json", RECORD)

    def tearDown(self):
        subprocess.run(["rm", "-rf", str(self.folder)], check=True)

    def write(self, name, document):
        if isinstance(document, bytes):
            (self.folder / name).write_bytes(document)
        else:
            (self.folder / name).write_text(document if isinstance(document, str) else json.dumps(document))

    def run_with(self, code, *words):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("COUNTERSIGN_")}
        done = subprocess.run([PROGRAM, *words, "--json"], cwd=self.folder, env=environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def build(self, code, record="call.json", *more):
        return self.run_with(code, "voice", "pack", "build", "--from", record, *more)

    def verify(self, code, pack, *more):
        return self.run_with(code, "voice", "pack", "verify", pack, *more)

    def files(self, pack):
        with zipfile.ZipFile(self.folder / pack) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    def built(self, *more):
        self.build(0, "call.json", "--out", "call.zip", *more)
        return self.files("call.zip")

    def test_a_pack_is_what_the_record_says(self):
        answer = self.build(0, "call.json", "--key-mode", "prod", "--private-key", "keys/voice_private.key", "--out", "call.zip")
        files = self.files("call.zip")
        self.assertEqual(list(files), FILES)
        self.assertEqual((self.folder / "call.zip").stat().st_mode & 0o777, 0o600)
        self.assertEqual(files["source/runpack.zip"], (self.folder / "gait-out" / "runpack_run_demo.zip").read_bytes())
        lines = [json.loads(line) for line in files["call_events.jsonl"].decode().splitlines()]
        self.assertEqual([e["call_seq"] for e in lines], list(range(1, 9)))
        self.assertEqual(lines[0]["payload_digest"], "a" * 64)
        self.assertEqual(lines[1]["commitment_class"], "quote")
        self.assertEqual(lines[4], {**RECORD["events"][5]})
        for name in ("call_events", "commitments", "gate_decisions", "speak_receipts"):
            text = files[name + ".jsonl"].decode()
            self.assertEqual(text, "".join(canonical(json.loads(line)) + "\n" for line in text.splitlines()))
        self.assertEqual(json.loads(files["commitments.jsonl"]),
                         {**RECORD["commitments"][0], "schema_id": "gait.voice.commitment_intent", "schema_version": "1.0.0",
                          "producer_version": "0.0.0-dev"})
        self.assertEqual(json.loads(files["gate_decisions.jsonl"]),
                         {**RECORD["gate_decisions"][0], "verdict": "allow", "reason_codes": ["a_rule", "b_rule"]})
        self.assertEqual(files["reference_digests.json"].decode(),
                         canonical([{"ref_id": "ref_a", "sha256": "e" * 64}, {"ref_id": "ref_b", "sha256": "d" * 64}]))
        counts = {"event_count": 8, "commitment_count": 1, "decision_count": 1, "speak_receipt_count": 1,
                  "reference_digest_count": 2}
        shared = {"schema_version": "1.0.0", "created_at": "2026-02-15T00:00:00Z", "call_id": CALL, "privacy_mode": "hash_only",
                  **counts}
        self.assertEqual(files["call_payload.json"].decode(), canonical({**shared, "schema_id": "gait.pack.call", "run_id": "run_demo"}))
        self.assertEqual(files["callpack_manifest.json"].decode(),
                         canonical({**shared, "schema_id": "gait.voice.callpack_manifest", "producer_version": "test"}))
        inner = {p: d for p, d in files.items() if p not in ("pack_manifest.json", "proof_records.jsonl")}
        manifest = json.loads(files["pack_manifest.json"])
        producer = manifest["producer_version"]
        self.assertEqual(files["proof_records.jsonl"], records(inner, CALL, producer, self.private))
        inner["proof_records.jsonl"] = files["proof_records.jsonl"]
        self.assertEqual(files["pack_manifest.json"].decode(), canonical(manifest_of(inner, CALL, producer, self.private)))
        envelope = manifest["signatures"][0]
        self.assertTrue(verifies(self.private[32:], bytes.fromhex(envelope["signed_digest"]), base64.b64decode(envelope["sig"])))
        self.assertEqual({k: answer[k] for k in ("schema_id", "schema_version", "ok", "operation", "path", "pack_id", "pack_type",
                                                 "source_ref")},
                         {"schema_id": "gait.pack.output", "schema_version": "1.0.0", "ok": True, "operation": "build",
                          "path": "call.zip", "pack_id": manifest["pack_id"], "pack_type": "call", "source_ref": CALL})
        for flags in ((), ("--profile", "strict")):
            said = self.verify(0, "call.zip", "--public-key", "keys/voice_public.key", *flags)
            self.assertEqual(said["verify"], {"pack_id": manifest["pack_id"], "pack_type": "call", "source_ref": CALL,
                                              "files_checked": 9, "proof_records_verified": 8, "signature_status": "verified",
                                              "signatures_total": 1, "signatures_valid": 1})
        seen = self.run_with(0, "voice", "pack", "inspect", "call.zip")["inspect"]
        self.assertEqual([seen["manifest"], seen["call_payload"]], [manifest, json.loads(files["call_payload.json"])])

    def test_equal_calls_make_equal_packs(self):
        answer = self.build(0)
        self.build(0, "call.json", "--out", "again.zip")
        self.assertEqual(answer["path"], f"pack_{answer['pack_id']}.zip")
        self.assertEqual((self.folder / answer["path"]).read_bytes(), (self.folder / "again.zip").read_bytes())
        same = self.run_with(0, "voice", "pack", "diff", answer["path"], "again.zip")
        self.assertEqual(same["diff"]["Result"]["summary"], {"changed": False, "manifest_delta": False,
                                                             "context_drift_classification": "none"})
        self.write("other.json", changed(RECORD, "events.7", None))
        self.build(0, "other.json", "--out", "other.zip")
        found = self.run_with(2, "voice", "pack", "diff", "again.zip", "other.zip", "--output", "diff.json")
        self.assertEqual(found["diff"]["Result"]["summary"]["changed_files"],
                         ["call_events.jsonl", "call_payload.json", "callpack_manifest.json", "proof_records.jsonl"])
        self.assertEqual(json.loads((self.folder / "diff.json").read_text()), found["diff"]["Result"])

    def test_records_that_do_not_hold_are_refused(self):
        other = {**RECORD["gate_decisions"][0], "verdict": "block", "call_seq": 4}
        cases = [("schema_id", "bad", "unsupported call record schema_id: bad", "schema_id"),
                 ("schema_version", "2.0.0", "unsupported call record schema_version: 2.0.0", "schema_version"),
                 ("created_at", None, "call record created_at is required", "created_at"),
                 ("call_id", "", "call record call_id is required", "call_id"),
                 ("runpack_path", "", "call record runpack_path is required", "runpack_path"),
                 ("privacy_mode", "cleartext", "call record privacy_mode must be hash_only or dispute_encrypted", "privacy_mode"),
                 ("spoken", 1, 'parse call record: json: unknown field "spoken"', "spoken"),
                 ("events.0.spoken", 1, None, "events[0].spoken"), ("commitments.0.spoken", 1, None, "commitments[0].spoken"),
                 ("commitments.0.context.spoken", 1, None, "commitments[0].context.spoken"),
                 ("events.0.call_seq", "6", None, "events[0].call_seq"), ("events", [], "call record events are required", "events"),
                 ("events.1", None, "call events missing required type: asr.final", "events"),
                 ("events.2.call_id", "other", "call event call_id must match call record", "events[2].call_id"),
                 ("events.2.call_seq", 0, "call event call_seq must be >= 1", "events[2].call_seq"),
                 ("events.2.turn_index", -1, "call event turn_index must be >= 0", "events[2].turn_index"),
                 ("events.2.event_type", " ", "call event event_type is required", "events[2].event_type"),
                 ("events.2.commitment_class", "promise", "unsupported call event commitment_class: promise",
                  "events[2].commitment_class"),
                 ("events.1.payload_digest", "bad", "call event payload_digest must be sha256 hex", "events[1].payload_digest"),
                 ("events.3.created_at", None, "call event created_at is required", "events[3].created_at"),
                 ("commitments.0.call_id", "other", "commitment call_id does not match call record", "commitments"),
                 ("commitments.0.call_seq", 0, "normalize commitment: call_seq must be >= 1", "commitments[0].call_seq"),
                 ("gate_decisions.0.verdict", "maybe", "unsupported gate decision verdict: maybe", "gate_decisions[0].verdict"),
                 ("gate_decisions.0.call_id", "x", "gate decision call_id must match call record", "gate_decisions[0].call_id"),
                 ("gate_decisions.0.call_seq", 9,
                  "speak receipt missing prior gate decision for turn_index=2 call_seq=5 class=quote", None),
                 ("gate_decisions", [RECORD["gate_decisions"][0], other],
                  "speak receipt latest prior gate verdict is block (expected allow) for turn_index=2 call_seq=5 class=quote", None),
                 ("speak_receipts", [],
                  "gated tts.emitted event missing speak receipt for call_seq=5 turn_index=2 class=quote", None),
                 ("speak_receipts.0.say_token_id", "different",
                  "gated tts.emitted event say_token_id mismatch for call_seq=5 turn_index=2 class=quote", None),
                 ("events.5.say_token_id", None,
                  "gated tts.emitted event missing say_token_id for call_seq=5 turn_index=2", None),
                 ("speak_receipts.0.say_token_id", " ", "speak receipt say_token_id is required", "speak_receipts[0].say_token_id"),
                 ("speak_receipts.0.spoken_digest", "", "speak receipt spoken_digest must be sha256 hex",
                  "speak_receipts[0].spoken_digest"),
                 ("speak_receipts.0.emitted_at", None, "speak receipt emitted_at is required", "speak_receipts[0].emitted_at")]
        for path, value, text, field in cases:
            with self.subTest(path=path, value=value):
                self.write("bad.json", changed(RECORD, path, value))
                answer = self.build(6, "bad.json", "--out", "none.zip")
                if text:
                    self.assertEqual(answer["error"], text)
                self.assertEqual(answer["error_detail"].get("field"), field)
        for text in (json.dumps(RECORD)[:-1], "[]", json.dumps(RECORD)[:-1] + ', "call_id": "x"}', json.dumps(RECORD) + "{}"):
            self.write("bad.json", text)
            self.build(6, "bad.json", "--out", "none.zip")
        self.write("bad.json", changed(RECORD, "runpack_path", "gait-out/missing.zip"))
        self.build(6, "bad.json", "--out", "none.zip")
        run = (self.folder / "gait-out" / "runpack_run_demo.zip").read_bytes()
        with zipfile.ZipFile(io.BytesIO(run)) as archive:
            inner = {name: archive.read(name) for name in archive.namelist()}
        self.write("broken.zip", zipped({**inner, "intents.jsonl": b""}))
        self.write("bad.json", changed(RECORD, "runpack_path", "broken.zip"))
        self.assertEqual(self.build(6, "bad.json", "--out", "none.zip")["error"], "source runpack failed integrity checks")
        self.build(6, "call.json", "--key-mode", "both", "--out", "none.zip")
        self.assertFalse((self.folder / "none.zip").exists())

    def test_a_pack_that_contradicts_itself_is_refused(self):
        """Its digests, records, id and signature are all right: what it says is not."""
        files = self.built()
        self.write("good.zip", sealed(files, self.private))
        self.verify(0, "good.zip", "--public-key", "keys/voice_public.key", "--profile", "strict")
        payload, counts = json.loads(files["call_payload.json"]), json.loads(files["callpack_manifest.json"])
        spoken = json.loads(files["speak_receipts.jsonl"])
        decision = json.loads(files["gate_decisions.jsonl"])
        events = files["call_events.jsonl"].splitlines(keepends=True)
        cases = [("speak_receipts.jsonl", {**spoken, "say_token_id": ""}, "speak receipt say_token_id is required"),
                 ("callpack_manifest.json", {**counts, "privacy_mode": "dispute_encrypted"},
                  "callpack manifest privacy_mode does not match call payload"),
                 ("callpack_manifest.json", {**counts, "event_count": 7}, "callpack manifest counts do not match call payload"),
                 ("callpack_manifest.json", {**counts, "created_at": "2026-02-16T00:00:00Z"},
                  "callpack manifest created_at does not match call payload"),
                 ("callpack_manifest.json", {**counts, "environment_fingerprint": "x"},
                  "callpack manifest environment_fingerprint does not match call payload"),
                 ("callpack_manifest.json", {**counts, "producer_version": " "}, "callpack manifest producer_version is required"),
                 ("callpack_manifest.json", {**counts, "call_id": "x"}, "callpack manifest call_id does not match call payload"),
                 ("call_payload.json", {**payload, "call_id": "x"}, "call payload call_id does not match manifest source_ref"),
                 ("call_payload.json", {**payload, "schema_id": "x"}, "call payload schema_id must be gait.pack.call"),
                 ("call_payload.json", {**payload, "commitment_count": 2},
                  "call payload commitment_count does not match commitments"),
                 ("call_payload.json", {**payload, "event_count": -1}, "call payload counts must be >= 0"),
                 ("call_payload.json", {**payload, "run_id": "run_other"}, "call payload run_id does not match source runpack"),
                 ("call_payload.json", {**payload, "more": 1}, 'parse call_payload.json: json: unknown field "more"'),
                 ("gate_decisions.jsonl", {**decision, "verdict": "block"},
                  "speak receipt latest prior gate verdict is block (expected allow) for turn_index=2 call_seq=5 class=quote"),
                 ("call_events.jsonl", b"".join(events[1:]), "call events missing required type: asr.final"),
                 ("call_events.jsonl", b"".join(events[::-1]), "call events must be sorted by call_seq"),
                 ("reference_digests.json", b"null", "call payload reference_digest_count does not match reference_digests"),
                 ("commitments.jsonl", b"{}\n", "created_at is required"), ("commitments.jsonl", b"{\n", None),
                 ("source/runpack.zip", b"no archive", None)]
        for name, content, text in cases:
            with self.subTest(name=name, text=text):
                data = content if isinstance(content, bytes) else (canonical(content) + "\n").encode()
                self.write("bad.zip", sealed({**files, name: data}, self.private))
                answer = self.verify(2, "bad.zip", "--public-key", "keys/voice_public.key")
                if text:
                    self.assertEqual(answer["error"], text)
                if name in ("call_payload.json", "callpack_manifest.json") and "parse" not in text:
                    self.assertEqual(answer["error_detail"]["code"], "pack_contradicts_itself")
        for name in FILES:
            if name not in ("pack_manifest.json", "proof_records.jsonl"):
                self.write("bad.zip", sealed({p: d for p, d in files.items() if p != name}))
                self.assertEqual(self.verify(2, "bad.zip")["error"], "missing " + name)

    def test_what_was_changed_after_it_was_made_is_found(self):
        files = self.built()
        self.verify(0, "call.zip")
        self.write("bad.zip", zipped({**files, "commitments.jsonl": b""}))
        self.assertEqual([m["path"] for m in self.verify(2, "bad.zip")["verify"]["hash_mismatches"]], ["commitments.jsonl"])
        self.write("bad.zip", zipped({p: d for p, d in files.items() if p != "commitments.jsonl"}))
        self.assertEqual(self.verify(2, "bad.zip")["verify"]["missing_files"], ["commitments.jsonl"])
        self.write("bad.zip", zipped({**files, "more.txt": b"x"}))
        self.assertEqual(self.verify(2, "bad.zip")["verify"]["undeclared_files"], ["more.txt"])
        manifest = json.loads(files["pack_manifest.json"])
        for member, value, code in (("pack_id", "0" * 64, "pack_id_mismatch"), ("source_ref", "other", "pack_id_mismatch"),
                                    ("pack_type", "run", "bad_manifest"), ("more", 1, "bad_manifest"),
                                    ("schema_version", "2.0.0", "bad_manifest"), ("contents", manifest["contents"][1:], "pack_id_mismatch")):
            self.write("bad.zip", zipped({**files, "pack_manifest.json": canonical({**manifest, member: value}).encode()}))
            answer = self.verify(2, "bad.zip")
            self.assertEqual((answer["ok"], answer["error_detail"]["code"]), (False, code), answer)
        inner = {p: d for p, d in files.items() if p not in ("pack_manifest.json", "proof_records.jsonl")}
        lines = files["proof_records.jsonl"].split(b"\n")
        for proof in (b"\n".join(lines[1:]), b"\n".join(lines[:-1]), b"\n".join(lines + lines[:1]), b"\n".join(lines[::-1]), b"", b"{",
                      files["proof_records.jsonl"].replace(b'"permissions_enforced":false', b'"permissions_enforced":true', 1)):
            other = {**inner, "proof_records.jsonl": proof}
            made = manifest_of(other, CALL, manifest["producer_version"])
            self.write("bad.zip", zipped({**other, "pack_manifest.json": canonical(made).encode()}))
            answer = self.verify(2, "bad.zip")
            self.assertIn("proof_records.jsonl: line", answer["error"])
            self.assertEqual(answer["error_detail"]["code"], "proof_record_mismatch")
        self.write("bad.zip", zipped(inner))
        self.verify(6, "bad.zip")
        self.write("bad.zip", b"no archive")
        self.verify(6, "bad.zip")
        self.verify(6, "missing.zip")

    def test_signatures_are_what_the_profile_asks(self):
        self.built("--private-key", "keys/voice_private.key")
        self.write("unsigned.zip", sealed(self.files("call.zip")))
        key, other = ("--public-key", "keys/voice_public.key"), ("--public-key", "keys/other_public.key")
        self.assertEqual(self.verify(0, "unsigned.zip")["verify"]["signature_status"], "missing")
        self.assertEqual(self.verify(2, "unsigned.zip", *key)["verify"]["signature_status"], "missing")
        self.assertEqual(self.verify(2, "unsigned.zip", "--profile", "strict", *key)["verify"]["signature_errors"],
                         ["manifest has no signatures"] + [f"proof_records line {i + 1} missing signature" for i in range(8)])
        self.verify(2, "call.zip")
        self.assertEqual(self.verify(0, "call.zip", "--no-signature-check")["verify"]["signature_status"], "skipped")
        self.verify(2, "call.zip", "--require-signature")
        self.assertEqual(self.verify(2, "call.zip", *other)["verify"]["signature_errors"],
                         ["key id mismatch", "signature verification failed"])
        self.verify(6, "call.zip", "--profile", "strict")
        self.verify(6, "call.zip", "--profile", "lax", *key)
        # A manifest that is signed over records that are not: strict alone looks at them.
        files = self.files("call.zip")
        inner = {p: d for p, d in files.items() if p not in ("pack_manifest.json", "proof_records.jsonl")}
        inner["proof_records.jsonl"] = records(inner, CALL, "test")
        made = canonical(manifest_of(inner, CALL, "test", self.private)).encode()
        self.write("half.zip", zipped({**inner, "pack_manifest.json": made}))
        self.verify(0, "half.zip", *key)
        self.assertEqual(self.verify(2, "half.zip", "--profile", "strict", *key)["verify"]["signature_status"], "failed")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    known, rest = parser.parse_known_args()
    PROGRAM = str(pathlib.Path(known.program).resolve())
    unittest.main(argv=[sys.argv[0], *rest])
