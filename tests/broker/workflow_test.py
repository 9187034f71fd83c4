#!/usr/bin/env python3
"""The written workflow in its own spellings: the scripts, the Python module and the skill, on a real broker."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
sys.path.insert(0, str(ROOT / "python"))
from appliance import Appliance  # noqa: E402
from broker import Broker as RunningBroker  # noqa: E402

from countersign.broker import Broker, BrokerError  # noqa: E402

PROGRAMS = sys.argv.pop(1)


class Workflow(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.room = tempfile.TemporaryDirectory(prefix="countersign-workflow-")
        cls.appliance = Appliance(PROGRAMS, pathlib.Path(cls.room.name) / "appliance", approvers=("alice",)).init()
        cls.appliance.start()
        cls.running = RunningBroker(cls.appliance, lists='allow: ["fs:list"]').start()
        cls.environment = {**os.environ, "COUNTERSIGN": str(cls.appliance.bin / "countersign"), "COUNTERSIGN_BROKER": str(cls.running.socket),
                           "COUNTERSIGN_SIGNER": str(cls.appliance.socket), "COUNTERSIGN_APPROVER": "alice@company.example",
                           "COUNTERSIGN_APPROVER_KEY": str(cls.appliance.folder / "keys" / "alice")}

    @classmethod
    def tearDownClass(cls):
        assert cls.running.stop() == 0
        cls.appliance.stop()
        cls.room.cleanup()

    def script(self, name, *words):
        done = subprocess.run([sys.executable, str(ROOT / "scripts" / "broker" / name), *words], capture_output=True, text=True,
                              env=self.environment, timeout=120)
        try:
            return done.returncode, json.loads(done.stdout)
        except json.JSONDecodeError:
            return done.returncode, done.stdout + done.stderr

    def test_the_scripts(self):
        call = ("call", "--tool-id", "fs:write", "--args", '{"path": "s.txt", "text": "x"}', "--agent-id", "web")
        code, asked = self.script("tool_broker.py", *call)
        self.assertEqual((code, asked["error"]), (4, "approval_required"), asked)
        self.assertIn(asked["request_id"], [each["id"] for each in self.script("tool_broker.py", "pending")[1]])
        code, approved = self.script("tool_broker.py", "approve", "--request-id", asked["request_id"])
        self.assertEqual((code, approved["status"]), (0, "approved"), approved)
        self.assertEqual(self.script("tool_broker.py", *call)[0], 0)
        self.assertEqual(self.script("tool_broker.py", "serve")[0], 6)
        self.assertEqual(self.script("tool_vetting.py", "report", "--proposal-id", "none")[0], 5)
        self.assertEqual(self.script("tool_vetting.py")[0], 6)

    def test_the_module(self):
        broker = Broker(str(self.running.socket))
        self.assertEqual(broker.call_tool("fs:list")["server"], "fs")
        asked = broker.call_tool("fs:read", {"path": "nothing"}, agent_id="web")
        self.assertEqual(asked["error"], "approval_required")
        pending = broker.allowlist_manager.get_pending_approvals()
        self.assertEqual([each["summary"] for each in pending if each["id"] == asked["request_id"]],
                         ["Agent 'web' wants to call tool 'fs:read'"])
        self.assertEqual(broker.explain("fs:list")["decision"], "allow")
        self.assertEqual([tool["tool_id"] for tool in broker.search_tools("list")], ["fs:list"])
        proposal = broker.propose_server("other", "npm_package", "@scope/other")
        self.assertEqual((proposal["status"], proposal["vetting_status"]), ("pending", None))
        with self.assertRaises(BrokerError) as refused:
            broker.call_tool("fs:../x")
        self.assertEqual(refused.exception.code, "bad_tool_id")
        with self.assertRaises(BrokerError) as away:
            Broker("/nowhere/broker.sock").call_tool("fs:list")
        self.assertEqual(away.exception.code, "no_answer")

    def test_the_skill(self):
        self.assertEqual(self.script("skill.py", "call", '{"tool_id": "fs:list"}')[1]["tool_id"], "fs:list")
        self.assertEqual(self.script("skill.py", "search", '{"query": "write"}')[1][0]["tool_id"], "fs:write")
        self.assertEqual(self.script("skill.py", "describe", '{"tool_id": "fs:write"}')[1]["name"], "write")
        self.assertEqual(len(self.script("skill.py", "load", '{"tool_ids": ["fs:read", "fs:nothing"]}')[1]), 1)
        self.assertEqual(self.script("skill.py", "describe", '{"tool_id": "fs:nothing"}')[0], 1)
        self.assertEqual(self.script("skill.py", "call", "nonsense")[0], 6)


if __name__ == "__main__":
    unittest.main(verbosity=0, warnings="ignore")
