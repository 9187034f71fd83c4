#!/usr/bin/env python3
"""What `mcp proxy` writes beside a trace: mcp_outputs_test.py PROGRAMS"""
import json
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / "tests" / "support")]
from appliance import Appliance  # noqa: E402
from runpack import check_runpack, digest  # noqa: E402

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
    """With key files; McpOutputsOfTheSigner repeats all of it with the signer."""

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
        for flag in ("--runpack-out", "--export-log-out", "--export-otel-out"):
            for path, code in (("../out", 6), ("a/../../out", 6), ("link", 3), ("folder", 6), ("policy.yaml/out", 6)):
                with self.subTest(flag=flag, path=path):
                    answer, exit_code = self.proxy(flag, path)
                    self.assertEqual((exit_code, answer["ok"]), (code, False))
                    self.assertFalse((self.here / "trace.json").exists())
        self.assertEqual((self.here / "policy.yaml").read_text(), POLICY)
        answer, code = self.proxy("--runpack-out", "../run.zip")
        self.assertEqual((code, answer["error"]), (6, "relative runpack output path must not traverse parent directories"))


class McpOutputsOfTheSigner(McpOutputs):
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
