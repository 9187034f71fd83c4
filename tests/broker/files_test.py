#!/usr/bin/env python3
"""What happens, for programs that follow it, and the files of the written workflow: files_test.py PROGRAMS"""
import hashlib
import json
import pathlib
import queue
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from broker_test import BrokerCase  # noqa: E402

ONCE = "approvals: {default: once}"
CALL = {"path": "a.txt", "text": "x"}


class Events(BrokerCase):
    def follow(self, *flags):
        """Events as they come, in a queue; ended with the test."""
        process = subprocess.Popen([str(self.appliance.bin / "countersign"), "broker", "events", "--follow", "--every", "20ms",
                                    "--broker", str(self.broker.socket), *flags], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        lines = queue.Queue()

        def read():
            for line in process.stdout:
                lines.put(json.loads(line))

        reader = threading.Thread(target=read, daemon=True)
        reader.start()

        def end():
            process.terminate()
            process.wait(30)
            reader.join(30)
            process.stdout.close()

        self.addCleanup(end)
        return lines, end

    def until(self, lines, event):
        while True:
            seen = lines.get(timeout=60)
            if seen["event"] == event:
                return seen

    def test_an_orchestrator_follows(self):
        broker = self.start(more=ONCE)
        state = self.appliance.folder / "orchestrator.json"
        lines, end = self.follow("--state", str(state))
        self.until(lines, "started")
        request = broker.call("fs:write", CALL)[1]["request_id"]
        opened = self.until(lines, "request_opened")
        self.assertEqual((opened["request_id"], opened["summary"]), (request, "Agent 'web' wants to call tool 'fs:write'"))
        self.assertEqual(opened["how_to_approve"], f"countersign broker approve --request-id {request} --broker {broker.socket}")
        broker.kill()
        broker.start()  # it goes on by itself
        self.until(lines, "started")
        end()
#What happens meanwhile is not missed, and nothing from before comes again.
        self.assertEqual(broker.approve(request, "alice")[0], 0)
        lines, _ = self.follow("--state", str(state))
        self.assertEqual(self.until(lines, "approved")["request_id"], request)

    def test_once_through(self):
        broker = self.start(more=ONCE)
        broker.call("fs:write", CALL)
        done = subprocess.run([str(self.appliance.bin / "countersign"), "broker", "events", "--from", "1", "--broker", str(broker.socket)],
                              capture_output=True, text=True, timeout=60, check=True)
        indices = [json.loads(line)["index"] for line in done.stdout.splitlines()]
        self.assertEqual(indices, [each["index"] for each in broker.audit() if each["index"] >= 1])
        for words in (("--from", "-1"), ("--every", "soon"), ("--state", str(broker.config))):
            code = subprocess.run([str(self.appliance.bin / "countersign"), "broker", "events", *words, "--broker", str(broker.socket)],
                                  capture_output=True, timeout=60).returncode
            self.assertEqual(code, 6, words)


class Files(BrokerCase):
    def test_export(self):
        broker = self.start(more=ONCE, lists='allow: ["fs:list"], deny: ["bank:*"]')
        requests = [broker.call("fs:write", {"path": "a.txt", "text": str(n), "password": "hunter2"})[1]["request_id"] for n in range(4)]
        self.assertEqual(broker.approve(requests[0], "alice")[0], 0)
        self.assertEqual(broker.call("fs:write", {"path": "a.txt", "text": "0", "password": "hunter2"})[0], 0)
        broker.run("reject", "--request-id", requests[1], "--reason", "no")
        self.assertEqual(broker.approve(requests[2], "alice", "--allowlist")[0], 0)
        folder = self.appliance.folder / "exported"
        code, said = broker.run("export", "--output-dir", str(folder))
        self.assertEqual((code, said["requests"]), (0, 4), said)
        pending = json.loads((folder / "pending_approvals.json").read_text())
        self.assertEqual([pending[each]["status"] for each in requests], ["approved", "rejected", "approved", "pending"])
        self.assertEqual((pending[requests[1]]["reason"], pending[requests[1]]["approved_at"]), ("no", None))
        self.assertIsNotNone(pending[requests[1]]["rejected_at"])
        self.assertEqual(json.loads((folder / "allowlists.json").read_text())["web"],
                         {"allow": ["fs:list", "fs:write"], "deny": ["bank:*"], "servers": []})
        lines = [json.loads(line) for line in (folder / "audit_log.jsonl").read_text().splitlines()]
        self.assertEqual(len(lines), said["records"])
        self.assertIn(("call_tool", "ok"), [(each["event"], each.get("status")) for each in lines])
        for path in folder.iterdir():
            self.assertEqual(path.stat().st_mode & 0o077, 0, path)
            self.assertNotIn("hunter2", path.read_text(), path)
#Copies : editing one grants nothing.
        (folder / "allowlists.json").write_text(json.dumps({"web": {"allow": ["*"], "deny": [], "servers": []}}))
        self.assertEqual(broker.call("fs:read", {"path": "a.txt"})[0], 4)

    def test_import(self):
        broker = self.start(more=ONCE)
        folder = self.appliance.folder / "supervisor"
        folder.mkdir(exist_ok=True)
        lists = {"default": {"allow": [], "deny": ["fs:delete*"], "servers": []},
                 "old-agent": {"allow": ["fs:*read", "fs:list", "no good pattern"], "deny": ["bank:*"], "servers": ["fs"]},
                 "agent_profiles": {"web-runner": {"tools": ["browser"]}}}
        (folder / "allowlists.json").write_text(json.dumps(lists))
        (folder / "pending_approvals.json").write_text(json.dumps({"1": {"status": "approved"}, "2": {"status": "pending"}}))
        code, said = broker.run("import", "--from", str(folder))
        self.assertEqual(code, 0, said)
        notes = "\n".join(said["notes"])
        for expected in ("fs:*read matched any text", '"no good pattern" is no pattern', '"agent_profiles" is nobody', "1 approved: nobody proved"):
            self.assertIn(expected, notes)
        recorded = next(each for each in broker.audit() if each["event"] == "imported")
        self.assertIn({"name": "allowlists.json", "entries": 2,
                       "sha256": hashlib.sha256((folder / "allowlists.json").read_bytes()).hexdigest()}, recorded["files"])
        self.assertEqual(broker.call("fs:list", {})[0], 4, "what is imported grants nothing by itself")
#The section is one that the broker reads, once a person has said who the agent is.
        broker.stop()
        secret = self.appliance.folder / "old.secret"
        secret.write_text("test-only secret of an old agent\n")
        secret.chmod(0o400)
        agents = said["agents_yaml"].replace('user: "old-agent"  # or uid:, or secret: FILE', f"secret: {secret}")
        text = broker.config.read_text()
        before, after = text[:text.index("agents:")], text[text.index("servers:\n"):]
        broker.config.write_text(before + agents + after)
        broker.start()
        asked = ("--agent-id", "old-agent", "--agent-secret", str(secret))
        self.assertEqual(broker.call("fs:list", {}, *asked)[0], 0)
        self.assertEqual(broker.call("bank:pay", {}, *asked)[0], 3)

    def test_what_cannot_be_imported(self):
        broker = self.start(more=ONCE)
        folder = self.appliance.folder / "broken"
        folder.mkdir(exist_ok=True)
        self.assertEqual(broker.run("import", "--from", str(folder))[0], 5)
        for text in ("{", "[]", '{"a": {"deny": ["no pattern"]}}', '{"a": {"allow": "fs:x"}}', '{"a": {"allow": [1]}}'):
            with self.subTest(text):
                (folder / "allowlists.json").write_text(text)
                code, said = broker.run("import", "--from", str(folder))
                self.assertEqual((code, said["error"]["code"]), (6, "bad_import"), said)
        self.assertEqual([each for each in broker.audit() if each["event"] == "imported"], [])


if __name__ == "__main__":
    unittest.main(verbosity=0, warnings="ignore")
