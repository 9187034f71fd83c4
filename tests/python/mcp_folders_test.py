#!/usr/bin/env python3
"""The folders of `mcp serve`: what it keeps of calls, for whom and for how long: mcp_folders_test.py PROGRAMS"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / "tests" / "support")]
from appliance import Appliance  # noqa: E402
from runpack import check_runpack, contents, digest  # noqa: E402
from serving_gate import ServingGate  # noqa: E402

PROGRAMS = pathlib.Path(sys.argv.pop(1)).resolve()
PROGRAM = str(PROGRAMS / "countersign")
POLICY = """\
default_verdict: block
rules:
  - {name: reads, effect: allow, match: {tool_names: [kb.read]}}
"""
EVENT = ["schema_id", "schema_version", "created_at", "producer_version", "session_id", "run_id", "sequence", "tool_name", "intent_digest",
         "policy_digest", "policy_id", "policy_version", "trace_id", "trace_path", "verdict", "reason_codes"]


def call(tool="kb.read", **context):
    return {"name": tool, "args": {}, "context": {"identity": "agent", "workspace": "/srv", "risk_class": "low", **context}}


class McpFolders(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="countersign-folders-"))
        cls.appliance = Appliance(PROGRAMS, cls.folder / "appliance", approvers=["alice"])
        cls.appliance.init()
        cls.appliance.launch()
        cls.environment = {**os.environ, "COUNTERSIGN_SIGNER": str(cls.appliance.socket)}
        subprocess.run([PROGRAM, "status", "--wait", "60s"], env=cls.environment, check=True, capture_output=True)

    @classmethod
    def tearDownClass(cls):
        cls.appliance.stop()
        shutil.rmtree(cls.folder)

    def setUp(self):
        self.here = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        self.traces, self.runpacks, self.sessions = (self.here / name for name in ("traces", "runpacks", "sessions"))
        self.all = ("--trace-dir", self.traces, "--runpack-dir", self.runpacks, "--session-dir", self.sessions)

    def serving(self, *flags):
        gate = ServingGate(PROGRAM, POLICY, self.appliance.socket, *map(str, flags), words=("mcp", "serve"))
        self.addCleanup(gate.end)
        return gate

    def answer(self, gate, **request):
        status, text = gate.ask({"call": call(), **request})
        self.assertEqual(status, 200, text)
        return json.loads(text)

    def said(self, answer):
        """Its warnings about files."""
        return [warning for warning in answer.get("warnings", []) if not warning.startswith("standard profile")]

    def refusal(self, gate, code=None, **request):
        status, text = gate.ask({"call": call(), **request})
        self.assertEqual(status, 400, text)
        error = json.loads(text)["error"]
        if code:
            self.assertEqual(error["code"], code, error)
        return error["message"]

    def journal(self, name):
        return [json.loads(line) for line in (self.sessions / name).read_text().splitlines()]

    def test_traces_and_runpacks_go_into_their_folders(self):
        gate = self.serving(*self.all, "--export-log-out", self.here / "log.jsonl", "--export-otel-out", self.here / "otel.jsonl")
        plain = self.answer(gate)
        self.assertEqual(pathlib.Path(plain["trace_path"]).parent, self.traces)
        self.assertTrue(pathlib.Path(plain["trace_path"]).name.startswith("trace__"))
        self.assertEqual(json.loads(pathlib.Path(plain["trace_path"]).read_text()), plain["trace"])
        self.assertNotIn("runpack_path", plain)
        self.assertEqual(list(self.sessions.glob("*.jsonl")), [])
        packed = self.answer(gate, run_id="r-1", emit_runpack=True)
        self.assertRegex(packed["trace_path"], r"/trace_run_r-1_\d{8}T\d{6}\.\d{9}\.json$")
        self.assertRegex(packed["runpack_path"], r"/runpack_run_r-1_\d{8}T\d{6}\.\d{9}\.zip$")
        held = check_runpack(packed["runpack_path"])
        self.assertEqual((held["manifest"]["run_id"], held["intents"][0]["tool_name"]), ("run_r-1", "kb.read"))
        self.assertEqual(subprocess.run([PROGRAM, "verify", packed["runpack_path"]], capture_output=True).returncode, 0)
        self.assertEqual([packed["log_export"], packed["otel_export"]], [str(self.here / "log.jsonl"), str(self.here / "otel.jsonl")])
        self.assertEqual([json.loads(line)["trace_path"] for line in (self.here / "log.jsonl").read_text().splitlines()],
                         [plain["trace_path"], packed["trace_path"]])
        self.assertEqual(len((self.here / "otel.jsonl").read_text().splitlines()), 2)
        for path in (packed["trace_path"], packed["runpack_path"], packed["log_export"]):
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600, path)

    def test_without_folders_nothing_is_written(self):
        gate = self.serving()
        answer = self.answer(gate, session_id="s-1")
        self.assertEqual({"trace_path", "runpack_path", "log_export"} & set(answer), set())
        self.assertEqual(self.said(answer), [])
        self.assertIn("trace", answer)
        self.assertEqual(self.refusal(gate, emit_runpack=True), "request.emit_runpack requires server --runpack-dir")
        self.assertIn("--session-dir and --runpack-dir", self.refusal(gate, session_id="s-1", checkpoint_interval=1))
        for wrong in ({"emit_runpack": 1}, {"trace_path": 7}, {"checkpoint_interval": -1}, {"checkpoint_interval": 1.5}, {"checkpoint_interval": "1"}):
            self.refusal(gate, **wrong)

    def test_a_session_has_a_journal_whose_checkpoints_bind_it(self):
        gate = self.serving(*self.all)
        answers = [self.answer(gate, session_id="team/s:1", run_id="r-1", checkpoint_interval=2, call=call(tool))
                   for tool in ("kb.read", "other", "kb.read", "kb.read", "kb.read")]
        path = self.sessions / "team_s_1.journal.jsonl"
        for number, answer in enumerate(answers, 1):
            self.assertEqual((answer["session_id"], answer["run_id"]), ("team/s:1", "run_r-1"))
            self.assertIn(f"session_journal={path} sequence={number}", answer["warnings"])
        chain_path = self.sessions / "team_s_1.journal_chain.json"
        self.assertEqual([warning for answer in answers for warning in answer["warnings"] if "checkpoint" in warning],
                         [f"session_checkpoint={self.runpacks}/team_s_1_cp_{number:06}.zip chain={chain_path}" for number in (2, 4)])
        lines = self.journal(path.name)
        self.assertEqual([line["record_type"] for line in lines], ["header", "event", "event", "checkpoint", "event", "event", "checkpoint", "event"])
        self.assertEqual(list(lines[0]["header"]), EVENT[:6] + ["started_at", "events"])
        self.assertEqual(lines[0]["header"]["schema_id"], "gait.runpack.session_journal")
        events = [line["event"] for line in lines if line["record_type"] == "event"]
        self.assertEqual([list(event) for event in events if event["verdict"] == "allow"], [EVENT] * 4)
        for number, (event, answer) in enumerate(zip(events, answers), 1):
            self.assertEqual(event["sequence"], number)
            for name in EVENT[4:6] + EVENT[7:]:
                self.assertEqual(event[name], answer[name], name)
        before = ""
        chain = json.loads(chain_path.read_text())
        self.assertEqual(chain["checkpoints"], [line["checkpoint"] for line in lines if line["record_type"] == "checkpoint"])
        for index, checkpoint in enumerate(chain["checkpoints"], 1):
            held = check_runpack(checkpoint["runpack_path"])
            self.assertEqual((checkpoint["checkpoint_index"], checkpoint["sequence_start"], checkpoint["sequence_end"]), (index, 2 * index - 1, 2 * index))
            self.assertEqual(checkpoint["manifest_digest"], held["manifest"]["manifest_digest"])
            self.assertEqual(held["manifest"]["run_id"], f"run_r-1_cp_{index:04}")
            self.assertEqual(checkpoint.get("prev_checkpoint_digest", ""), before)
            before = hashlib.sha256(f"{checkpoint['manifest_digest']}:{before}:{index}:{2 * index - 1}:{2 * index}".encode()).hexdigest()
            self.assertEqual(checkpoint["checkpoint_digest"], before)
            of_it = events[2 * index - 2:2 * index]
            self.assertEqual([intent["args_digest"] for intent in held["intents"]], [event["intent_digest"] for event in of_it])
            self.assertEqual([result["result_digest"] for result in held["results"]], [digest({
                "verdict": event["verdict"], "reason_codes": event["reason_codes"], "violations": event.get("violations"),
                "trace_id": event["trace_id"], "trace_path": event["trace_path"]}) for event in of_it])
            self.assertEqual([step["event"] for step in held["run"]["timeline"]], ["session_event"] * 2 + ["session_checkpoint_emitted"])
        state = json.loads((self.sessions / (path.name + ".state.json")).read_text())
        self.assertEqual((state["event_count"], state["last_sequence"], state["checkpoint_count"], state["last_checkpoint_digest"]), (5, 5, 2, before))
        self.assertEqual(state["journal_size_bytes"], path.stat().st_size)

    def test_a_journal_goes_on_without_its_state_and_not_over_a_gap(self):
        gate = self.serving("--session-dir", self.sessions)
        ask = {"run_id": "r", "call": call(session_id="s-1")}
        for _ in range(2):
            self.answer(gate, **ask)
        path = self.sessions / "s-1.journal.jsonl"
        state = self.sessions / "s-1.journal.jsonl.state.json"
        for damage in (lambda: state.unlink(), lambda: state.write_text("{"), lambda: state.write_text('{"schema_id":"gait.runpack.session_state"}')):
            damage()
            self.answer(gate, **ask)
        self.assertEqual([line["event"]["sequence"] for line in self.journal(path.name)[1:]], [1, 2, 3, 4, 5])
        whole = path.read_text().splitlines(keepends=True)
        for name, lines in (("gap", whole[:2] + whole[3:]), ("twice", whole + whole[-1:]), ("no header", whole[1:]), ("torn", whole + ['{"record_ty']),
                            ("two headers", whole[:1] + whole), ("unknown", whole + ['{"record_type":"more","more":{"session_id":"s-1","run_id":"run_r"}}\n'])):
            with self.subTest(name):
                path.write_text("".join(lines))
                self.assertIn(str(path), self.refusal(gate, "bad_session_journal", **ask))
                self.assertEqual(path.read_text(), "".join(lines))
        path.unlink()
        path.symlink_to(self.here / "elsewhere")
        self.assertNotEqual(gate.ask({**ask})[0], 200)
        self.assertFalse((self.here / "elsewhere").exists())

    def test_a_forged_checkpoint_stops_the_journal(self):
        gate = self.serving(*self.all)
        ask = {"run_id": "r", "session_id": "s-1", "checkpoint_interval": 1}
        for _ in range(2):
            self.answer(gate, **ask)
        path = self.sessions / "s-1.journal.jsonl"
        whole = path.read_text()
        for member in ("manifest_digest", "checkpoint_digest", "prev_checkpoint_digest"):
            with self.subTest(member):
                lines = whole.splitlines()
                record = json.loads(lines[-1])
                record["checkpoint"][member] = "0" * 64
                path.write_text("\n".join(lines[:-1] + [json.dumps(record)]) + "\n")
                self.assertIn("checkpoint", self.refusal(gate, "bad_session_journal", **ask))
        path.write_text(whole)
        self.answer(gate, **ask)

    def test_another_run_of_a_session_has_a_journal_of_its_own(self):
        gate = self.serving("--session-dir", self.sessions)
        for run in ("a", "b", "a", "b"):
            self.answer(gate, session_id="s-1", run_id=run)
        self.assertEqual(len(self.journal("s-1.journal.jsonl")), 3)
        self.assertEqual([line.get("event", {}).get("run_id") for line in self.journal("s-1_run_b.journal.jsonl")], [None, "run_b", "run_b"])
        # "s 1" and "s/1" are one file's name, and not one session.
        self.answer(gate, session_id="s 1", run_id="a")
        self.answer(gate, session_id="s/1", run_id="a")
        self.assertIn("different session/run", self.refusal(gate, "session_journal_taken", session_id="s:1", run_id="a"))
        self.refusal(gate, session_id="s" * 161, run_id="a")
        self.answer(gate, session_id="../..", run_id="a")
        self.assertEqual(sorted(path.name for path in self.here.iterdir()), ["sessions"])
        self.assertTrue((self.sessions / "session.journal.jsonl").is_file())

    def test_callers_at_once_get_numbers_of_their_own(self):
        gate = self.serving(*self.all, "--workers", "8")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: self.answer(gate, session_id="s-1", run_id="r", checkpoint_interval=5, emit_runpack=True), range(40)))
        numbers = sorted(int(warning.rsplit("=", 1)[1]) for answer in answers for warning in answer["warnings"] if warning.startswith("session_journal="))
        self.assertEqual(numbers, list(range(1, 41)))
        self.assertEqual([line["event"]["sequence"] for line in self.journal("s-1.journal.jsonl") if "event" in line], numbers)
        self.assertEqual(len(list(self.runpacks.glob("s-1_cp_*.zip"))), 8)
        self.assertEqual(len({answer["runpack_path"] for answer in answers}), 40)

    def test_callers_name_no_files_unless_they_may(self):
        own = {"trace_path": self.traces / "mine.json", "runpack_out": self.runpacks / "mine.zip", "session_journal": self.sessions / "mine.jsonl"}
        gate = self.serving(*self.all)
        for member, path in own.items():
            self.assertEqual(self.refusal(gate, **{member: str(path)}, session_id="s-1"), f"request.{member} is not allowed by server configuration")
            self.assertFalse(path.exists())
        self.assertEqual(list(self.traces.iterdir()), [])
        gate = self.serving(*self.all, "--allow-client-artifact-paths")
        answer = self.answer(gate, **{member: str(path) for member, path in own.items()}, session_id="s-1")
        self.assertEqual((answer["trace_path"], answer["runpack_path"]), (str(own["trace_path"]), str(own["runpack_out"])))
        self.assertIn(f"session_journal={own['session_journal']} sequence=1", answer["warnings"])
        self.assertTrue(all(path.is_file() for path in own.values()))
        self.answer(gate, session_journal=str(own["session_journal"]), run_id=answer["run_id"], session_id="s-1")
        (self.here / "policy.yaml").write_text("mine")
        (self.traces / "away").symlink_to(self.here)
        (self.traces / "link.json").symlink_to(self.here / "new.json")
        for path in (self.here / "policy.yaml", self.here / "new.json", self.traces / ".." / "new.json", self.traces / "away" / "new.json",
                     self.traces / "deeper" / "new.json", self.traces / "link.json", self.traces / "mine.json", self.traces / ".hidden", self.traces / "..",
                     self.runpacks / "new.json", "new.json"):
            with self.subTest(path=path):
                self.refusal(gate, trace_path=str(path))
        self.refusal(gate, session_id="s-1", session_journal=str(self.sessions / "other.json"))
        self.assertEqual((self.here / "policy.yaml").read_text(), "mine")
        self.assertFalse((self.here / "new.json").exists())
        only = self.serving("--trace-dir", self.traces, "--allow-client-artifact-paths")
        self.assertEqual(self.refusal(only, runpack_out=str(self.runpacks / "new.zip")), "request.runpack_out requires server --runpack-dir")

    def make(self, folder, ages):
        """Files by name, changed so many hours ago."""
        folder.mkdir(exist_ok=True)
        for name, hours in ages.items():
            (folder / name).write_text("{}")
            os.utime(folder / name, (time.time() - 3600 * hours,) * 2)

    def names(self, folder):
        return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))

    def test_what_was_kept_long_enough_is_removed(self):
        self.make(self.traces, {"trace_old.json": 30, "trace_older.json": 40, "trace_new.json": 1, "notes.json": 99, "trace.txt": 99})
        self.make(self.runpacks, {"runpack_1.zip": 3, "runpack_2.zip": 2, "s_cp_000001.zip": 1, "pack_9.zip": 99, "other.zip": 99})
        self.make(self.sessions, {"a.journal.jsonl": 30, "a.journal.jsonl.state.json": 30, "b.journal.jsonl": 1, "notes.txt": 99})
        (self.traces / "trace_folder.json").mkdir()
        gate = self.serving(*self.all, "--trace-max-age", "24h", "--runpack-max-count", "2", "--session-max-age", "24h", "--session-max-count", "5")
        answer = self.answer(gate)
        self.assertEqual(self.said(answer), ["retention_trace_removed_age=2 removed_count=0", "retention_runpack_removed_age=0 removed_count=1",
                                             "retention_session_removed_age=2 removed_count=0"])
        self.assertEqual(self.names(self.traces), sorted(["trace_new.json", "notes.json", "trace.txt", "trace_folder.json",
                                                          pathlib.Path(answer["trace_path"]).name]))
        self.assertEqual(self.names(self.runpacks), ["other.zip", "pack_9.zip", "runpack_2.zip", "s_cp_000001.zip"])
        self.assertEqual(self.names(self.sessions), ["b.journal.jsonl", "notes.txt"])
        self.assertEqual(self.said(self.answer(gate)), [])
        # The newest stay: also the one that was just asked for.
        asked = self.answer(gate, emit_runpack=True)
        self.assertTrue(pathlib.Path(asked["runpack_path"]).is_file())
        self.assertEqual(len([name for name in self.names(self.runpacks) if name.startswith("runpack_") or "_cp_" in name]), 2)

    def test_a_session_whose_journal_was_removed_begins_anew(self):
        gate = self.serving("--session-dir", self.sessions, "--session-max-age", "1h")
        self.answer(gate, session_id="s-1", run_id="r")
        for path in self.sessions.glob("s-1*"):
            os.utime(path, (time.time() - 7200,) * 2)
        self.assertIn("retention_session_removed_age=2 removed_count=0", self.answer(gate)["warnings"])
        self.assertIn("sequence=1", self.said(self.answer(gate, session_id="s-1", run_id="r"))[0])

    def test_what_seems_to_change_something_is_packed(self):
        packs = self.here / "packs"
        gate = self.serving("--pack-dir", packs, "--pack-max-count", "3")
        for document, packed in ((call("db.delete"), True), (call("kb.read"), False), (call(targets=[{"kind": "path", "value": "/tmp/x", "operation": "write"}]), True),
                                 ({**call("db.delete"), "targets": [{"kind": "path", "value": "/tmp/x", "operation": "read"}]}, False)):
            document = {**document, "targets": document["context"].pop("targets", document.get("targets", []))}
            with self.subTest(document):
                answer = self.answer(gate, call=document)
                self.assertEqual("pack_path" in answer, packed)
        asked = self.answer(gate, emit_pack=True, run_id="r-1")
        self.assertRegex(asked["pack_path"], r"/packs/pack_run_r-1_\d{8}T\d{6}\.\d{9}\.zip$")
        self.assertEqual(json.loads(contents(asked["pack_path"])["pack_manifest.json"])["pack_id"], asked["pack_id"])
        done = subprocess.run([PROGRAM, "guard", "verify", asked["pack_path"]], env=self.environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("retention_pack_removed_age=0 removed_count=1", self.answer(gate, emit_pack=True)["warnings"])
        self.assertEqual(len(self.names(packs)), 3)
        self.assertEqual(self.refusal(gate, pack_out=str(packs / "mine.zip")), "request.pack_out is not allowed by server configuration")
        self.refusal(gate, emit_pack="yes")
        self.assertEqual(self.refusal(self.serving(), emit_pack=True), "request.emit_pack requires server --pack-dir")
        own = self.answer(self.serving("--pack-dir", packs, "--allow-client-artifact-paths"), pack_out=str(packs / "mine.zip"))
        self.assertTrue(pathlib.Path(own["pack_path"]).is_file())

    def test_settings_that_cannot_be_meant_end_the_service(self):
        (self.here / "policy.yaml").write_text(POLICY)
        (self.here / "file").write_text("")
        for flags, words in ((("--trace-dir", "t", "--trace-max-age", "soon"), "parse --trace-max-age: "), (("--trace-max-count", "1"), "need --trace-dir"),
                             (("--trace-dir", "t", "--trace-max-age=-1h"), "duration must be >= 0"), (("--session-max-age", "1h"), "need --session-dir"),
                             (("--runpack-dir", "r", "--runpack-max-count=-1"), "must be >= 0"), (("--trace-dir", "../t"), "traverse"),
                             (("--session-dir", "file"), "file"), (("--export-log-out", "."), "directory"), (("--max-request-bytes", "0"), "must be > 0"),
                             (("--max-request-bytes", "1048577"), "1048576")):
            with self.subTest(flags=flags):
                done = subprocess.run([PROGRAM, "mcp", "serve", "--socket", str(self.here / "s.sock"), "--policy", "policy.yaml", *flags], cwd=self.here,
                                      env=self.environment, capture_output=True, text=True, timeout=30)
                self.assertEqual(done.returncode, 6, done.stderr)
                self.assertIn(words, done.stderr)

    def test_a_request_longer_than_the_operator_allows_is_not_read(self):
        gate = self.serving("--max-request-bytes", "2000")
        self.answer(gate)
        status, text = gate.ask({"call": call(), "run_id": "r" * 2000})
        self.assertEqual(status, 413, text)

    def test_a_folder_that_is_gone_costs_the_verdict(self):
        gate = self.serving(*self.all)
        self.answer(gate, session_id="s-1")
        shutil.rmtree(self.sessions)
        self.sessions.write_text("")
        self.assertNotEqual(gate.ask({"call": call(), "session_id": "s-1"})[0], 200)


if __name__ == "__main__":
    unittest.main(verbosity=2)
