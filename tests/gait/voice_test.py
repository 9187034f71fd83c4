#!/usr/bin/env python3
"""`voice token` with key files, against what docs/voice.md says, computed here: digests by the model, Ed25519 by libcrypto.

    voice_test.py --program BUILD/bin/countersign
"""
import argparse
import base64
import datetime
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "model"), str(HERE.parent / "support")]
from changed import changed  # noqa: E402
import intent as intents  # noqa: E402
import policy as policies  # noqa: E402
from jcs import digest  # noqa: E402
from signatures import signature_of, verifies  # noqa: E402

PROGRAM = ""
COMMITMENT = {
    "schema_id": "gait.voice.commitment_intent", "schema_version": "1.0.0", "created_at": "2026-02-15T01:00:00+01:00",
    "producer_version": "test", "call_id": " call_demo ", "turn_index": 2, "call_seq": 5, "commitment_class": "Quote",
    "utterance_digest": "A" * 64, "currency": " usd", "quote_min_cents": 1000, "quote_max_cents": 2200,
    "context": {"identity": "agent.voice", "workspace": "/srv/voice", "risk_class": "High", "session_id": "sess_demo",
                "request_id": "req_demo"},
    "approval_artifact_refs": ["ref_b", "  ", "ref_a", "ref_b"],
    "evidence_reference_digests": ["b" * 64, "invalid", "a" * 64, "B" * 64], "unknown": 1}
# The intent that is judged in its place.
INTENT = {
    "tool_name": "voice.commitment.quote",
    "args": {"call_id": "call_demo", "turn_index": 2, "call_seq": 5, "commitment_class": "quote", "utterance_digest": "a" * 64,
             "currency": "USD", "quote_min_cents": 1000, "quote_max_cents": 2200, "approval_artifact_refs": ["ref_a", "ref_b"],
             "evidence_reference_digests": ["a" * 64, "b" * 64]},
    "targets": [{"kind": "other", "value": "quote", "operation": "speak", "endpoint_class": "ui.type"}],
    "context": {"identity": "agent.voice", "workspace": "/srv/voice", "risk_class": "high", "session_id": "sess_demo",
                "request_id": "req_demo"}}
OTHER = "c" * 64


class VoiceTokens(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="countersign-voice-"))
        for prefix in ("voice", "other"):
            self.run_with(0, "keys", "init", "--out-dir", "keys", "--prefix", prefix)
        self.private = base64.b64decode((self.folder / "keys" / "voice_private.key").read_text())
        self.public = self.private[32:]
        for verdict in ("allow", "block", "require_approval", "dry_run"):
            (self.folder / f"{verdict}.yaml").write_text(f"default_verdict: {verdict}\n")
        self.write("quote.json", COMMITMENT)

    def tearDown(self):
        subprocess.run(["rm", "-rf", str(self.folder)], check=True)

    def write(self, name, document):
        (self.folder / name).write_text(document if isinstance(document, str) else json.dumps(document))

    def read(self, name):
        return json.loads((self.folder / name).read_text())

    def run_with(self, code, *words):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("COUNTERSIGN_")}
        done = subprocess.run([PROGRAM, *words, "--json"], cwd=self.folder, env=environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        answer = json.loads(done.stdout)
        self.assertEqual(answer["correlation_id"],
                         hashlib.sha256("\x1f".join(word.strip() for word in [PROGRAM, *words, "--json"]).encode()).hexdigest()[:24])
        return answer

    def mint(self, code, intent="quote.json", policy="allow.yaml", *more):
        return self.run_with(code, "voice", "token", "mint", "--intent", intent, "--policy", policy, "--key-mode", "prod",
                             "--private-key", "keys/voice_private.key", *more)

    def verify(self, code, *more, token="say.json", key="voice"):
        return self.run_with(code, "voice", "token", "verify", "--token", token, "--public-key", f"keys/{key}_public.key", *more)

    def sealed(self, token, private=None):
        """Signed as gait signs: over the token as it stands, which is its normal form."""
        private = private or self.private
        bare = {k: v for k, v in token.items() if k != "signature"}
        covered = digest(bare)
        return {**bare, "signature": {"alg": "ed25519", "key_id": hashlib.sha256(private[32:]).hexdigest(),
                                      "sig": base64.b64encode(signature_of(private, bytes.fromhex(covered))).decode(),
                                      "signed_digest": covered}}

    def test_a_token_says_what_was_decided(self):
        answer = self.mint(0, "quote.json", "allow.yaml", "--out", "say.json", "--trace-out", "trace.json", "--ttl", "90s")
        token, trace = self.read("say.json"), self.read("trace.json")
        intent = intents.intent_digest(intents.normalised(INTENT, True))
        under = policies.policy_digest(policies.checked({"default_verdict": "allow"}))
        self.assertEqual(list(token), ["schema_id", "schema_version", "created_at", "producer_version", "token_id",
                                       "commitment_class", "intent_digest", "policy_digest", "call_id", "turn_index",
                                       "call_seq", "currency", "quote_min_cents", "quote_max_cents", "expires_at", "signature"])
        named = ":".join([intent, under, "call_demo", "2", "5", "quote", token["expires_at"]])
        self.assertEqual(token["token_id"], hashlib.sha256(named.encode()).hexdigest()[:24])
        self.assertEqual({k: token[k] for k in ("schema_id", "schema_version", "commitment_class", "intent_digest",
                                                "policy_digest", "call_id", "turn_index", "call_seq", "currency",
                                                "quote_min_cents", "quote_max_cents")},
                         {"schema_id": "gait.voice.say_token", "schema_version": "1.0.0", "commitment_class": "quote",
                          "intent_digest": intent, "policy_digest": under, "call_id": "call_demo", "turn_index": 2,
                          "call_seq": 5, "currency": "USD", "quote_min_cents": 1000, "quote_max_cents": 2200})
        seconds = [datetime.datetime.fromisoformat(token[name][:19]) for name in ("created_at", "expires_at")]
        self.assertLessEqual(abs((seconds[1] - seconds[0]).total_seconds() - 90), 1)
        for document in (token, trace):
            envelope = document["signature"]
            bare = {k: v for k, v in document.items() if k != "signature"}
            self.assertEqual(envelope["signed_digest"], digest(bare))
            self.assertEqual(envelope["key_id"], hashlib.sha256(self.public).hexdigest())
            self.assertTrue(verifies(self.public, bytes.fromhex(digest(bare)), base64.b64decode(envelope["sig"])))
        self.assertEqual([trace[n] for n in ("verdict", "tool_name", "intent_digest", "policy_digest", "args_digest")],
                         ["allow", "voice.commitment.quote", intent, under, digest(INTENT["args"])])
        self.assertEqual(trace["created_at"], "2026-02-15T00:00:00Z")
        self.assertNotIn("latency_ms", trace)
        self.assertEqual({k: v for k, v in answer.items() if k not in ("warnings", "correlation_id")},
                         {"ok": True, "operation": "mint", "verdict": "allow", "reason_codes": ["default_allow"],
                          "token_id": token["token_id"], "token_path": "say.json", "call_id": "call_demo", "turn_index": 2,
                          "call_seq": 5, "commitment_class": "quote", "trace_id": trace["trace_id"],
                          "trace_path": "trace.json", "policy_digest": under, "intent_digest": intent})
        for name in ("say.json", "trace.json"):
            self.assertEqual((self.folder / name).stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.verify(0)["intent_digest"], intent)
        self.verify(0, "--intent-digest", intent.upper(), "--policy-digest", under, "--call-id", " call_demo", "--turn-index", "2",
                    "--call-seq", "5", "--commitment-class", "QUOTE")

    def test_default_names_are_those_of_the_ids(self):
        answer = self.mint(0)
        self.assertEqual(answer["token_path"], f"say_token_{answer['token_id']}.json")
        self.assertTrue((self.folder / answer["token_path"]).exists())
        self.assertTrue((self.folder / f"trace_{answer['trace_id']}.json").exists())

    def test_what_is_not_allowed_has_a_trace_and_no_token(self):
        for verdict, code, error in (("block", 3, "policy_blocked"), ("dry_run", 3, "policy_blocked"),
                                     ("require_approval", 4, "approval_required")):
            answer = self.mint(code, "quote.json", f"{verdict}.yaml", "--out", "none.json", "--trace-out", "t.json")
            self.assertEqual([answer[n] for n in ("ok", "verdict", "error", "error_code", "call_id")],
                             [False, verdict, "commitment intent was not allowed by policy", error, "call_demo"])
            self.assertEqual(answer["reason_codes"], [f"default_{verdict}"])
            self.assertNotIn("token_id", answer)
            self.assertEqual(self.read("t.json")["verdict"], verdict)
            self.assertFalse((self.folder / "none.json").exists())

    def test_a_malformed_commitment_is_refused_at_its_member(self):
        cases = [("schema_id", "bad", "unsupported schema_id: bad", "schema_id"),
                 ("schema_version", "2.0.0", "unsupported schema_version: 2.0.0", "schema_version"),
                 ("created_at", None, "created_at is required", "created_at"),
                 ("created_at", "yesterday", None, "created_at"),
                 ("call_id", " ", "call_id is required", "call_id"),
                 ("turn_index", -1, "turn_index must be >= 0", "turn_index"),
                 ("turn_index", "2", "parse voice intent json: json: cannot unmarshal string into Go struct field "
                  "CommitmentIntent.turn_index of type int", "turn_index"),
                 ("call_seq", 0, "call_seq must be >= 1", "call_seq"),
                 ("call_seq", 1.5, None, "call_seq"),
                 ("commitment_class", "promise", "unsupported commitment_class: promise", "commitment_class"),
                 ("utterance_digest", "not_hex", "utterance_digest must be sha256 hex when set", "utterance_digest"),
                 ("context.identity", "", "context identity, workspace, and risk_class are required", "context.identity"),
                 ("context.risk_class", None, "context identity, workspace, and risk_class are required", "context.risk_class"),
                 ("context.session_id", 7, None, "context.session_id"),
                 ("quote_min_cents", -1, "bound values must be >= 0", "quote_min_cents"),
                 ("quote_max_cents", 500, "quote_max_cents must be >= quote_min_cents", "quote_max_cents"),
                 ("refund_ceiling_cents", 2**60, None, None),
                 ("approval_artifact_refs", ["a", 1], None, "approval_artifact_refs[1]")]
        for path, value, text, field in cases:
            with self.subTest(path=path, value=value):
                self.write("bad.json", changed(COMMITMENT, path, value))
                answer = self.mint(6, "bad.json", "allow.yaml", "--out", "none.json", "--trace-out", "none_trace.json")
                self.assertEqual(answer["error_code"], "invalid_input")
                if text:
                    self.assertEqual(answer["error"], text)
                if field:
                    self.assertEqual(answer["error_detail"]["field"], field)
        good = json.dumps(COMMITMENT)
        for text in (good[:-1] + ', "call_seq": 6}', good[:-1] + ', "Call_Seq": 6}', good[:-1], "[]", "7"):
            self.write("bad.json", text)
            self.assertEqual(self.mint(6, "bad.json", "allow.yaml", "--out", "none.json", "--trace-out", "none_trace.json")["ok"],
                             False)
        (self.folder / "bad.json").write_bytes(good.replace("test", "t\u00e9st").encode("latin-1"))
        self.mint(6, "bad.json", "allow.yaml", "--out", "none.json", "--trace-out", "none_trace.json")
        self.mint(6, "missing.json")
        self.mint(6, "quote.json", "missing.yaml")
        for ttl in ("0s", "-1m", "soon"):
            self.assertEqual(self.mint(6, "quote.json", "allow.yaml", "--ttl", ttl)["error"],
                             "invalid --ttl, expected positive duration")
        for name in ("none.json", "none_trace.json"):
            self.assertFalse((self.folder / name).exists(), "refused, and yet something was written")

    def test_a_token_counts_for_nothing_else(self):
        self.mint(0, "quote.json", "allow.yaml", "--out", "say.json")
        cases = [(["--intent-digest", OTHER], "say_token_intent_mismatch: intent digest mismatch"),
                 (["--policy-digest", OTHER], "say_token_policy_mismatch: policy digest mismatch"),
                 (["--call-id", "other"], "say_token_call_binding_mismatch: call_id mismatch"),
                 (["--turn-index", "0"], "say_token_call_binding_mismatch: turn_index mismatch"),
                 (["--call-seq", "6"], "say_token_call_binding_mismatch: call_seq mismatch"),
                 (["--commitment-class", "refund"], "say_token_class_mismatch: commitment_class mismatch")]
        for flags, text in cases:
            answer = self.verify(2, *flags)
            self.assertEqual([answer["ok"], answer["error_code"], answer["error"]], [False, text.split(":")[0], text])
            self.assertEqual([answer[n] for n in ("call_id", "turn_index", "call_seq", "commitment_class")],
                             ["call_demo", 2, 5, "quote"])
        self.assertEqual(self.verify(2, key="other")["error"], "say_token_signature_invalid: key id mismatch")
        for path, value, code in (("quote_max_cents", 9900, "say_token_signature_invalid"),
                                  ("turn_index", 3, "say_token_signature_invalid"),
                                  ("signature", None, "say_token_signature_missing"),
                                  ("signature.sig", base64.b64encode(b"\0" * 64).decode(), "say_token_signature_invalid"),
                                  ("token_id", " ", "say_token_invalid"), ("schema_id", "gait.gate.approval_token", "say_token_invalid"),
                                  ("commitment_class", "promise", "say_token_invalid"), ("call_seq", 0, "say_token_invalid"),
                                  ("intent_digest", "bad", "say_token_invalid"), ("expires_at", None, "say_token_invalid"),
                                  ("quote_min_cents", -5, "say_token_invalid"), ("quote_min_cents", 5000, "say_token_invalid")):
            with self.subTest(path=path, value=value):
                self.write("other.json", changed(self.read("say.json"), path, value))
                self.assertEqual(self.verify(2, token="other.json")["error_code"], code)
        self.write("other.json", "{")
        self.assertTrue(self.verify(6, token="other.json")["error"].startswith("parse say token"))
        self.verify(6, token="missing.json")
        self.run_with(6, "voice", "token", "verify", "--token", "say.json", "--public-key", "keys/missing.key")

    def test_tokens_of_gait_verify_in_their_normal_form(self):
        now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=250000)
        token = {"schema_id": "gait.voice.say_token", "schema_version": "1.0.0",
                 "created_at": now.isoformat().replace("0000+00:00", "Z"), "producer_version": "test", "token_id": "ab" * 12,
                 "commitment_class": "refund", "intent_digest": "a" * 64, "policy_digest": "b" * 64, "call_id": "call_demo",
                 "turn_index": 0, "call_seq": 8, "refund_ceiling_cents": 5000,
                 "expires_at": (now + datetime.timedelta(minutes=30)).isoformat().replace("0000+00:00", "Z")}
        signed = self.sealed(token)
        self.write("say.json", signed)
        answer = self.verify(0, "--turn-index", "0")
        self.assertNotIn("turn_index", answer, "Go leaves a zero out")
        self.write("say.json", {**signed, "call_id": " call_demo\n", "intent_digest": "A" * 64, "commitment_class": "REFUND",
                                "currency": " ", "schema_id": "", "spoken_by": "nobody"})
        self.verify(0)
        expired = {**token, "expires_at": (now - datetime.timedelta(seconds=1)).isoformat().replace("0000+00:00", "Z")}
        self.write("say.json", self.sealed(expired))
        self.assertEqual(self.verify(2)["error"], "say_token_expired: token expired")
        self.assertEqual(self.verify(2, "--call-seq", "9")["error_code"], "say_token_call_binding_mismatch",
                         "the time comes last")

    def test_the_development_mode_has_a_throw_away_key(self):
        answer = self.run_with(0, "voice", "token", "mint", "--intent", "quote.json", "--policy", "allow.yaml", "--key-mode", "dev",
                               "--out", "say.json")
        self.assertTrue(answer["warnings"])
        self.assertEqual(self.verify(2)["error_code"], "say_token_signature_invalid")
        self.run_with(6, "voice", "token", "mint", "--intent", "quote.json", "--policy", "allow.yaml", "--key-mode", "dev",
                      "--private-key", "keys/voice_private.key")

    def test_rules_that_ask_for_more_than_a_verdict_are_held(self):
        """gait mints here: it looks at the verdict alone."""
        for name, demand, code in (("delegation", "match: {require_delegation: true, tool_names: [voice.commitment.quote]}", 3),
                                   ("credential", "require_broker_credential: true", 3)):
            self.write(f"{name}.yaml", "default_verdict: block\nrules:\n- name: speak\n  effect: allow\n  " + demand + "\n")
            answer = self.mint(code, "quote.json", f"{name}.yaml", "--out", "none.json", "--trace-out", "t.json")
            self.assertEqual(answer["verdict"], "block")
            self.assertFalse((self.folder / "none.json").exists())
        self.write("limit.yaml", "default_verdict: block\nrules:\n- name: speak\n  effect: allow\n  rate_limit: {requests: 1}\n")
        self.mint(0, "quote.json", "limit.yaml")
        self.assertIn("rate_limit_exceeded", self.mint(3, "quote.json", "limit.yaml", "--trace-out", "t.json")["reason_codes"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    known, rest = parser.parse_known_args()
    PROGRAM = str(pathlib.Path(known.program).resolve())
    unittest.main(argv=[sys.argv[0], *rest])
