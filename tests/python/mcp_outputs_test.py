#!/usr/bin/env python3
"""What `mcp proxy` writes beside a trace: mcp_outputs_test.py PROGRAMS"""
import base64
import hashlib
import json
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest
import zipfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / "tests" / "support")]
from appliance import Appliance  # noqa: E402
from runpack import check_pack, check_runpack, contents, digest  # noqa: E402

PROGRAMS = pathlib.Path(sys.argv.pop(1)).resolve()
PROGRAM = str(PROGRAMS / "countersign")
POLICY = """\
default_verdict: block
rules:
  - {name: reads, effect: allow, match: {tool_names: [kb.read]}}
  - {name: saves, effect: require_approval, match: {tool_names: [db.save]}}
"""
CONTEXT = {"identity": "agent", "workspace": "/srv", "risk_class": "low", "session_id": "s-1"}
LOG_MEMBERS = ["created_at", "producer_version", "run_id", "session_id", "trace_id", "trace_path", "tool_name", "verdict", "reason_codes",
               "policy_digest", "intent_digest"]
ATTRIBUTES = {"gait." + name for name in (
    "run_id", "session_id", "trace_path", "tool_name", "verdict", "policy_digest", "intent_digest", "decision_latency_ms", "delegation_ref",
    "delegation_depth", "reason_codes")}


class McpOutputs(unittest.TestCase):
    """With key files; McpOutputsOfTheSigner repeats all of it with the signer, whose packs are others."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="countersign-outputs-"))
        subprocess.run([PROGRAM, "keys", "init", "--out-dir", str(cls.folder / "keys"), "--prefix", "trace"], check=True, capture_output=True)
        cls.key_flags = ("--key-mode", "prod", "--private-key", str(cls.folder / "keys" / "trace_private.key"))
        cls.environment = dict(os.environ)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def setUp(self):
        self.here = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        (self.here / "policy.yaml").write_text(POLICY)

    def run_program(self, *words):
        return subprocess.run([PROGRAM, *words], cwd=self.here, env=self.environment, capture_output=True, text=True)

    def proxy(self, *flags, tool="kb.read", words=("mcp", "proxy"), **members):
        (self.here / "call.json").write_text(json.dumps({"name": tool, "args": {"q": 1}, "context": CONTEXT, **members}))
        done = self.run_program(*words, "--policy", "policy.yaml", "--call", "call.json", "--trace-out", "trace.json", "--json",
                                *self.key_flags, *flags)
        return json.loads(done.stdout), done.returncode

    def test_a_runpack_holds_the_one_call(self):
        for tool, verdict, status, code in (("kb.read", "allow", "ok", 0), ("db.save", "require_approval", "error", 4), ("other", "block", "error", 3)):
            with self.subTest(verdict):
                answer, exit_code = self.proxy("--runpack-out", "packs/runpack_r-1.zip", "--run-id", "r-1", tool=tool)
                self.assertEqual((exit_code, answer["runpack_path"]), (code, "packs/runpack_r-1.zip"))
                held = check_runpack(self.here / "packs" / "runpack_r-1.zip")
                trace = json.loads((self.here / "trace.json").read_text())
                self.assertEqual(held["manifest"]["capture_mode"], "reference")
                self.assertEqual([step["event"] for step in held["run"]["timeline"]], ["proxy_eval_start", "proxy_eval_finish"])
                self.assertEqual({document["run_id"] for document in (held["manifest"], held["run"], held["refs"])}, {"run_r-1"})
                self.assertEqual(held["refs"]["receipts"], [])
                (intent,), (result,) = held["intents"], held["results"]
                self.assertEqual((intent["intent_id"], intent["tool_name"], intent["args_digest"]), ("intent_1", tool, trace["args_digest"]))
                self.assertEqual((result["intent_id"], result["status"]), ("intent_1", status))
                self.assertEqual(result["result_digest"], digest({
                    "verdict": verdict, "reason_codes": answer["reason_codes"], "violations": answer.get("violations", []),
                    "trace_id": answer["trace_id"]}))
                checked = self.run_program("verify", "packs/runpack_r-1.zip", "--json")
                self.assertEqual((checked.returncode, json.loads(checked.stdout)["run_id"]), (0, "run_r-1"))
        changed = bytearray((self.here / "packs" / "runpack_r-1.zip").read_bytes())
        changed[60] ^= 1
        (self.here / "packs" / "runpack_r-1.zip").write_bytes(changed)
        self.assertEqual(self.run_program("verify", "packs/runpack_r-1.zip").returncode, 2)

    def test_equal_calls_give_equal_runpacks(self):
        for name in ("one.zip", "two.zip"):
            self.proxy("--runpack-out", name, words=("mcp", "bridge"))
        self.assertEqual((self.here / "one.zip").read_bytes(), (self.here / "two.zip").read_bytes())
        self.proxy("--runpack-out", "two.zip", args={"q": 2})
        self.assertNotEqual((self.here / "one.zip").read_bytes(), (self.here / "two.zip").read_bytes())

    def test_equal_runs_give_equal_packs(self):
        for name in ("one.zip", "two.zip"):
            self.proxy("--pack-out", name)
        self.assertEqual((self.here / "one.zip").read_bytes(), (self.here / "two.zip").read_bytes())

    def test_exports_grow_by_a_line_for_each_call(self):
        answers = [self.proxy("--export-log-out", "out/log.jsonl", "--export-otel-out", "out/otel.jsonl", tool=tool)[0]
                   for tool in ("kb.read", "other")]
        self.assertEqual([(each["log_export"], each["otel_export"]) for each in answers], [("out/log.jsonl", "out/otel.jsonl")] * 2)
        log = [json.loads(line) for line in (self.here / "out" / "log.jsonl").read_text().splitlines()]
        spans = [json.loads(line) for line in (self.here / "out" / "otel.jsonl").read_text().splitlines()]
        self.assertEqual((len(log), len(spans)), (2, 2))
        for answer, line, span in zip(answers, log, spans):
            self.assertEqual([name for name in line if name != "decision_latency_ms"], LOG_MEMBERS)
            for name in LOG_MEMBERS[2:]:
                self.assertEqual(line[name], answer[name], name)
            self.assertEqual(set(span), {"time_unix_nano", "severity_text", "body", "trace_id", "attributes"})
            self.assertEqual((span["body"], span["severity_text"], span["trace_id"]), ("gait.mcp.proxy.decision", "INFO", answer["trace_id"]))
            self.assertEqual(span["time_unix_nano"], 315532800 * 10**9)  # 1980: the call names no time
            self.assertEqual(set(span["attributes"]), ATTRIBUTES)
            self.assertEqual(span["attributes"]["gait.verdict"], answer["verdict"])
            self.assertEqual(span["attributes"]["gait.decision_latency_ms"], answer["decision_latency_ms"])

    def test_exports_name_a_delegation(self):
        (self.here / "policy.yaml").write_text("default_verdict: allow\n")
        chain = {"requester_identity": "agent", "scope_class": "read", "token_refs": ["t-1"],
                 "chain": [{"delegator_identity": "boss", "delegate_identity": "agent", "scope_class": "read"}]}
        answer, code = self.proxy("--export-log-out", "log.jsonl", "--export-otel-out", "otel.jsonl", delegation=chain, created_at="2026-03-01T00:00:00.5Z")
        self.assertEqual(code, 0, answer)
        line, span = (json.loads((self.here / name).read_text()) for name in ("log.jsonl", "otel.jsonl"))
        trace = json.loads((self.here / "trace.json").read_text())["delegation_ref"]
        self.assertEqual(line["delegation_depth"], trace["delegation_depth"])
        self.assertEqual(line["delegation_ref"], trace.get("delegation_token_ref") or trace["chain_digest"])
        self.assertEqual(span["attributes"]["gait.delegation_ref"], line["delegation_ref"])
        self.assertEqual((line["created_at"], span["time_unix_nano"]), ("2026-03-01T00:00:00.5Z", 1772323200 * 10**9 + 500_000_000))

    def signs(self, key_id, signature, message):
        """Whether openssl finds the signature good, by the key that signs here."""
        key = base64.b64decode(self.public_key().read_text())
        if hashlib.sha256(key).hexdigest() != key_id:
            return False
        (self.here / "key.der").write_bytes(bytes.fromhex("302a300506032b6570032100") + key)
        (self.here / "message").write_bytes(message)
        (self.here / "signature").write_bytes(base64.b64decode(signature))
        return subprocess.run(["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER", "-inkey", "key.der", "-in", "message",
                               "-sigfile", "signature"], cwd=self.here, capture_output=True).returncode == 0

    def public_key(self):
        return self.folder / "keys" / "trace_public.key"

    def verify_pack(self, path, *flags):
        done = self.run_program("pack", "verify", path, "--json", *(flags or ("--public-key", str(self.public_key()))))
        return json.loads(done.stdout), done.returncode

    def test_a_pack_holds_the_runpack_and_is_signed(self):
        for flags in ((), ("--runpack-out", "run.zip")):
            answer, code = self.proxy("--pack-out", "out/pack.zip", "--run-id", "r-1", *flags)
            self.assertEqual((code, answer["pack_path"]), (0, "out/pack.zip"))
            held = check_pack(self.here / "out" / "pack.zip", self.signs)
            self.assertEqual((held["manifest"]["schema_id"], held["manifest"]["pack_type"], held["manifest"]["source_ref"]),
                             ("gait.pack.manifest", "run", "run_r-1"))
            self.assertEqual(held["manifest"]["pack_id"], answer["pack_id"])
            self.assertEqual({name: held["payload"][name] for name in ("schema_id", "run_id", "manifest_digest", "intents_count", "results_count", "refs_count")},
                             {"schema_id": "gait.pack.run", "run_id": "run_r-1", "manifest_digest": held["run"]["manifest"]["manifest_digest"],
                              "intents_count": 1, "results_count": 1, "refs_count": 0})
            self.assertEqual(len(held["records"]), 2)
            said, code = self.verify_pack("out/pack.zip")
            self.assertEqual((code, said["ok"], said["operation"], said["pack_id"], said["source_ref"]), (0, True, "verify", answer["pack_id"], "run_r-1"))
            self.assertEqual((said["verify"]["signature_status"], said["verify"]["proof_records_verified"]), ("verified", 2))
            self.assertEqual(self.verify_pack("out/pack.zip", "--public-key", str(self.public_key()), "--profile", "strict")[1], 0)
            self.assertEqual(stat.S_IMODE((self.here / "out" / "pack.zip").stat().st_mode), 0o600)
        self.assertEqual((self.here / "run.zip").read_bytes(), contents(self.here / "out" / "pack.zip")["source/runpack.zip"])

    def test_a_changed_pack_does_not_verify(self):
        self.proxy("--pack-out", "pack.zip")
        whole = contents(self.here / "pack.zip")
        self.proxy("--pack-out", "other.zip", "--run-id", "other")
        other = contents(self.here / "other.zip")

        def relisted(files):
            """With a manifest that is right but for its signature."""
            manifest = json.loads(files["pack_manifest.json"])
            manifest["contents"] = [{"path": name, "sha256": hashlib.sha256(data).hexdigest(), "type": name.rsplit(".", 1)[1]}
                                    for name, data in sorted(files.items()) if name != "pack_manifest.json"]
            manifest["pack_id"] = digest({**{name: value for name, value in manifest.items() if name != "signatures"}, "pack_id": ""})
            return {**files, "pack_manifest.json": json.dumps(manifest).encode()}

        changes = {
            "an extra file": ({**whole, "more.json": b"{}"}, "undeclared_files"),
            "a missing file": ({name: data for name, data in whole.items() if name != "run_payload.json"}, "missing_files"),
            "a changed file": ({**whole, "run_payload.json": whole["run_payload.json"] + b" "}, "hash_mismatches"),
            "another runpack": (relisted({**whole, "source/runpack.zip": other["source/runpack.zip"]}), "faults"),
            "another payload": (relisted({**whole, "run_payload.json": other["run_payload.json"]}), "faults"),
            "records of other files": (relisted({**whole, "proof_records.jsonl": other.get("proof_records.jsonl", b"{}")}), "faults"),
            "another list": (relisted({**whole, "more.json": b"{}"}), None),
            "another id": ({**whole, "pack_manifest.json": json.dumps({**json.loads(whole["pack_manifest.json"]), "pack_id": "0" * 64}).encode()}, "pack_id_mismatch"),
            "no signature": ({**whole, "pack_manifest.json": json.dumps({**json.loads(whole["pack_manifest.json"]), "signatures": []}).encode()}, None),
        }
        for name, (files, member) in changes.items():
            with self.subTest(name):
                with zipfile.ZipFile(self.here / "changed.zip", "w") as archive:
                    for path, data in files.items():
                        archive.writestr(path, data)
                said, code = self.verify_pack("changed.zip")
                self.assertEqual((code, said["ok"]), (2, False), said)
                if member:
                    self.assertIn(member, said["verify"], said)
                if member != "pack_id_mismatch" and member != "hash_mismatches":
                    continue
                self.assertEqual(self.verify_pack("changed.zip", "--no-signature-check")[1], 2)
        self.assertEqual(self.verify_pack("pack.zip", "--no-signature-check")[1], 0)
        stranger = self.run_program("keys", "init", "--out-dir", "stranger", "--prefix", "trace")
        self.assertEqual(stranger.returncode, 0)
        said, code = self.verify_pack("pack.zip", "--public-key", "stranger/trace_public.key")
        self.assertEqual((code, said["verify"]["signature_status"]), (2, "failed"))
        for words in ((), ("pack.zip", "other.zip"), ("policy.yaml",), ("absent.zip",), ("pack.zip", "--profile", "lax"),
                      ("pack.zip", "--profile", "strict", "--no-signature-check"), ("pack.zip", "--public-key", "absent.key")):
            self.assertEqual(self.run_program("pack", "verify", *words).returncode, 6, words)

    def test_without_any_key_nobody_is_known_to_have_signed(self):
        self.proxy("--pack-out", "pack.zip")
        done = self.run_program("pack", "verify", "pack.zip", "--json")
        said = json.loads(done.stdout)
        self.assertEqual((done.returncode, said["ok"], said["verify"]["signature_status"]), (2, False, "skipped"))
        self.assertEqual(self.run_program("pack", "verify", "pack.zip", "--profile", "strict").returncode, 6)
        self.assertEqual(self.run_program("pack", "verify", "pack.zip", "--require-signature").returncode, 2)
        self.assertEqual(self.verify_pack("pack.zip", "--require-signature", "--public-key", str(self.public_key()))[1], 0)
        self.assertEqual(self.run_program("pack", "verify", "--path", " ", " pack.zip ", "--no-signature-check").returncode, 0)

    def test_only_the_owner_reads_what_is_written(self):
        (self.here / "log.jsonl").write_text("earlier\n")
        (self.here / "log.jsonl").chmod(0o644)
        self.proxy("--runpack-out", "run.zip", "--export-log-out", "log.jsonl", "--export-otel-out", "otel.jsonl")
        for name in ("run.zip", "log.jsonl", "otel.jsonl", "trace.json"):
            self.assertEqual(stat.S_IMODE((self.here / name).stat().st_mode), 0o600, name)
        self.assertTrue((self.here / "log.jsonl").read_text().startswith("earlier\n{"))

    def test_what_cannot_be_written_is_refused_before_anything_is_signed(self):
        (self.here / "link").symlink_to(self.here / "policy.yaml")
        (self.here / "folder").mkdir()
        for flag in ("--runpack-out", "--pack-out", "--export-log-out", "--export-otel-out"):
            for path, code in (("../out", 6), ("a/../../out", 6), ("link", 3), ("folder", 6), ("policy.yaml/out", 6)):
                with self.subTest(flag=flag, path=path):
                    answer, exit_code = self.proxy(flag, path)
                    self.assertEqual((exit_code, answer["ok"]), (code, False))
                    self.assertFalse((self.here / "trace.json").exists())
        self.assertEqual((self.here / "policy.yaml").read_text(), POLICY)
        answer, code = self.proxy("--runpack-out", "../run.zip")
        self.assertEqual((code, answer["error"]), (6, "relative runpack output path must not traverse parent directories"))


class McpOutputsOfTheSigner(McpOutputs):
    # Of gait's run packs, which key files alone make.
    test_equal_runs_give_equal_packs = test_without_any_key_nobody_is_known_to_have_signed = None

    def guard(self, path, *flags):
        done = self.run_program("guard", "verify", path, "--signer", str(self.appliance.socket), "--json", *flags)
        return json.loads(done.stdout), done.returncode

    def test_a_pack_holds_the_runpack_and_is_signed(self):
        for tool, code in (("kb.read", 0), ("db.save", 4)):
            answer, exit_code = self.proxy("--pack-out", "out/pack.zip", "--run-id", "r-1", tool=tool)
            self.assertEqual((exit_code, answer["pack_path"]), (code, "out/pack.zip"))
            files = contents(self.here / "out" / "pack.zip")
            manifest = json.loads(files["pack_manifest.json"])
            self.assertEqual((manifest["schema_id"], manifest["run_id"], manifest["pack_id"]), ("gait.guard.pack_manifest", "run_r-1", answer["pack_id"]))
            self.assertEqual({row["path"]: row["sha256"] for row in manifest["contents"]},
                             {name: hashlib.sha256(data).hexdigest() for name, data in files.items() if name != "pack_manifest.json"})
            self.assertEqual(answer["pack_id"], "pack_" + digest({"run_id": "run_r-1", "contents": manifest["contents"]})[:16])
            (signature,) = manifest.pop("signatures")
            self.assertEqual(signature["signed_digest"], digest(manifest))
            self.assertTrue(self.signs(signature["key_id"], signature["sig"], bytes.fromhex(signature["signed_digest"])))
            self.assertEqual(json.loads(files["trace_01.json"]), json.loads((self.here / "trace.json").read_text()))
            said, verified = self.guard("out/pack.zip")
            self.assertEqual((verified, said["ok"], said["pack_id"]), (0, True, answer["pack_id"]), said)
            self.assertGreaterEqual(said["documents_verified"], 1)
            # It is made before the log has the decision; `guard pack` makes one with proofs.
            self.assertEqual(self.guard("out/pack.zip", "--profile", "strict")[1], 2)
            self.assertEqual(self.guard("out/pack.zip", "--profile", "strict", "--allow-unlogged")[1], 0)
            self.assertEqual(self.run_program("pack", "verify", "out/pack.zip").returncode, 2)

    def test_a_changed_pack_does_not_verify(self):
        self.proxy("--pack-out", "pack.zip")
        whole = contents(self.here / "pack.zip")
        for changed in ({**whole, "more.json": b"{}"}, {**whole, "trace_01.json": whole["trace_01.json"].replace(b"allow", b"block")},
                        {name: data for name, data in whole.items() if name != "runpack_summary.json"}):
            with zipfile.ZipFile(self.here / "changed.zip", "w") as archive:
                for path, data in changed.items():
                    archive.writestr(path, data)
            self.assertEqual(self.guard("changed.zip")[1], 2)

    def public_key(self):
        path = self.folder / "signer_public.key"
        subprocess.run([PROGRAM, "keys", "export", "--role", "trace", "--format", "gait", "--out", str(path)], env=self.environment, check=True,
                       capture_output=True)
        return path

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.appliance = Appliance(PROGRAMS, cls.folder / "appliance", approvers=["alice"])
        cls.appliance.init()
        cls.appliance.launch()
        cls.environment = {**os.environ, "COUNTERSIGN_SIGNER": str(cls.appliance.socket)}
        cls.key_flags = ()
        subprocess.run([PROGRAM, "status", "--wait", "60s"], env=cls.environment, check=True, capture_output=True)

    @classmethod
    def tearDownClass(cls):
        cls.appliance.stop()
        super().tearDownClass()


if __name__ == "__main__":
    unittest.main(verbosity=2)
