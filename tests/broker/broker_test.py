#!/usr/bin/env python3
"""The broker on a real appliance with a real tool server: what agents may do, how people let them, and what is recorded."""
import contextlib
import json
import os
import pathlib
import sqlite3
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from appliance import Appliance, Refused, trace_request  # noqa: E402
from broker import Broker  # noqa: E402

PROGRAMS = sys.argv.pop(1)


class BrokerCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.room = tempfile.TemporaryDirectory(prefix="countersign-broker-")
        cls.appliance = Appliance(PROGRAMS, pathlib.Path(cls.room.name) / "appliance", approvers=("alice", "bob")).init()
        cls.appliance.start()

    @classmethod
    def tearDownClass(cls):
        cls.appliance.stop()
        cls.room.cleanup()

    def setUp(self):
        self.broker = None

    def tearDown(self):
        if self.broker and self.broker.process.poll() is None:
            self.assertEqual(self.broker.stop(), 0)
        for path in (self.appliance.folder / "broker-state").glob("broker.db*"):
            path.unlink()
        for path in (self.appliance.folder / "files").iterdir():
            path.unlink()

    def start(self, **how):
        self.broker = Broker(self.appliance, **how).start()
        return self.broker

    def written(self, name="a.txt"):
        path = self.broker.files / name
        return path.read_text() if path.exists() else None


class Calls(BrokerCase):
    def test_the_written_workflow(self):
        broker = self.start()
        code, asked = broker.call("fs:write", {"path": "a.txt", "text": "x"})
        self.assertEqual((code, asked["error"]), (4, "approval_required"), asked)
        for member in ("request_id", "agent_id", "tool_id", "how_to_approve", "summary"):
            self.assertIn(member, asked)
        self.assertIsNone(self.written())
        code, pending = broker.run("pending")
        self.assertEqual([(each["id"], each["status"], each["summary"]) for each in pending],
                         [(asked["request_id"], "pending", "Agent 'web' wants to call tool 'fs:write'")])
        # The same call joins the request; another argument is another one.
        self.assertEqual(broker.call("fs:write", {"text": "x", "path": "a.txt"})[1]["request_id"], asked["request_id"])
        other = broker.call("fs:write", {"path": "b.txt", "text": "x"})[1]
        self.assertNotEqual(other["request_id"], asked["request_id"])
        code, approved = broker.approve(asked["request_id"], "alice")
        self.assertEqual((code, approved["status"], approved["mode"]), (0, "approved", "allowlist"), approved)
        code, done = broker.call("fs:write", {"path": "a.txt", "text": "x"})
        self.assertEqual(code, 0, done)
        self.assertEqual(self.written(), "x")
        # On the agent's list now: any arguments, for this tool alone.
        self.assertEqual(broker.call("fs:write", {"path": "c.txt", "text": "y"})[0], 0)
        self.assertEqual(broker.call("fs:read", {"path": "a.txt"})[0], 4)
        code, _ = broker.run("revoke", "--agent-id", "web", "--tool-id", "fs:write", "--reason", "over")
        self.assertEqual(code, 0)
        self.assertEqual(broker.call("fs:write", {"path": "d.txt", "text": "y"})[0], 4)

    def test_once_is_once(self):
        broker = self.start()
        call = {"path": "a.txt", "text": "x"}
        asked = broker.call("fs:write", call)[1]
        self.assertEqual(broker.approve(asked["request_id"], "alice", "--once")[1]["mode"], "once")
        self.assertEqual(broker.call("fs:write", {"path": "a.txt", "text": "other"})[0], 4)
        code, done = broker.call("fs:write", call)
        self.assertEqual(code, 0, done)
        self.assertEqual(done["trace"]["verdict"], "allow")
        self.assertEqual(self.written(), "x")
        code, again = broker.call("fs:write", call)
        self.assertEqual((code, again["error"]), (4, "approval_required"), again)
        self.assertNotEqual(again["request_id"], asked["request_id"])
        self.assertEqual(self.written(), "x")

    def test_a_permit_is_spent_before_its_tool_runs(self):
        broker = self.start(lists='allow: ["fs:read"]')
        (broker.files / "a.txt").write_text("x")
        asked = broker.call("fs:write", {"path": "b.txt", "text": "x"})[1]
        self.assertEqual(broker.approve(asked["request_id"], "alice", "--once")[0], 0)
        for tool, args in (("fs:read", {"path": "a.txt"}), ("fs:write", {"path": "b.txt", "text": "x"})):
            code, done = broker.call(tool, args)
            self.assertEqual(code, 0, done)
            with self.assertRaises(Refused) as again:
                self.appliance.signer().call("POST", "/v1/executed", {"trace": done["trace"]})
            self.assertEqual(again.exception.code, "already_executed")

    def test_a_call_whose_permit_the_signer_refuses_does_not_run_and_is_on_record(self):
        broker = self.start(lists='allow: ["fs:write"]')
        call = {"path": "a.txt", "text": "x"}
        trace = broker.call("fs:write", call)[1]["trace"]
        self.appliance.signer().sign(trace_request(trace["intent_digest"], "require_approval", required=1, policy=trace["policy_digest"]))
        code, refused = broker.call("fs:write", call)
        self.assertNotEqual(code, 0, refused)
        self.assertEqual(refused["error"]["code"], "approval_required_before", refused)
        self.assertEqual(self.written(), "x")
        events = [each for each in broker.audit() if each.get("tool_id") == "fs:write" and each["event"].startswith("call")]
        self.assertEqual([(each["event"], each.get("outcome")) for each in events],
                         [("call_started", None), ("call", "done"), ("call_started", None), ("call", "permit_refused")])
        self.assertEqual(events[2]["trace_id"], events[0]["trace_id"])  # of the same intent, policy and verdict

    def test_so_many_uses(self):
        broker = self.start()
        call = {"path": "a.txt", "text": "x"}
        asked = broker.call("fs:write", call)[1]
        self.assertEqual(broker.approve(asked["request_id"], "alice", "--uses", "2")[0], 0)
        self.assertEqual([broker.call("fs:write", call)[0] for _ in range(3)], [0, 0, 4])
        self.assertEqual(self.written(), "xx")

    def test_two_people(self):
        broker = self.start(more='approvals: {default: once, rules: [{tools: ["fs:write"], min: 2}]}')
        call = {"path": "a.txt", "text": "x"}
        asked = broker.call("fs:write", call)[1]
        code, first = broker.approve(asked["request_id"], "alice")
        self.assertEqual((code, first["status"]), (4, "pending"), first)
        self.assertEqual(broker.call("fs:write", call)[0], 4)
        code, twice = broker.approve(asked["request_id"], "alice")
        self.assertEqual((code, twice["error"]["code"]), (3, "approval_not_counted"), twice)
        self.assertEqual(broker.approve(asked["request_id"], "bob")[0], 0)
        self.assertEqual(broker.call("fs:write", call)[0], 0)

    def test_break_glass(self):
        emergency = ("--break-glass", "--reason", "the site is down")
        broker = self.start(more='approvals: {default: once, rules: [{tools: ["fs:*"], min: 3}], break_glass: 15m}')
        call = {"path": "a.txt", "text": "x"}
        asked = broker.call("fs:write", call)[1]["request_id"]
        self.assertEqual(broker.approve(asked, "alice", "--break-glass")[1]["error"]["code"], "reason_missing")
        code, first = broker.approve(asked, "alice", *emergency)
        self.assertEqual((code, first["status"], first["required_approvals"]), (4, "pending", 2), first)
        self.assertEqual(broker.call("fs:write", call)[0], 4)
        self.assertEqual(broker.approve(asked, "alice", *emergency)[1]["error"]["code"], "approval_not_counted")
        self.assertEqual(broker.approve(asked, "bob")[1]["error"]["code"], "mode_differs")
        code, opened = broker.approve(asked, "bob", *emergency)
        self.assertEqual((code, opened["status"], opened["mode"]), (0, "approved", "break_glass"), opened)
        # The tool with any arguments, and no other tool; each call on record under the grant.
        self.assertEqual([broker.call("fs:write", {"path": "b.txt", "text": str(n)})[0] for n in range(2)], [0, 0])
        self.assertEqual(broker.call("fs:read", {"path": "a.txt"})[0], 4)
        records = broker.audit()
        loud = [each for each in records if each["event"] == "break_glass_opened"]
        self.assertEqual([(each["grant_id"], sorted(each["approvers"]), each["reason"]) for each in loud],
                         [(opened["grant_id"], ["alice@company.example", "bob@company.example"], "the site is down; the site is down")])
        self.assertEqual(len([each for each in records if each["event"] == "grant_used" and each["grant_id"] == opened["grant_id"]]), 2)
        # Listed until somebody says what they found.
        self.assertEqual([each["id"] for each in broker.run("break-glass")[1]], [asked])
        self.assertEqual(broker.run("break-glass", "--review", asked)[1]["error"]["code"], "reason_missing")
        self.assertEqual(broker.run("break-glass", "--review", asked, "--reason", "two files, as agreed")[1]["status"], "reviewed")
        self.assertEqual(broker.run("break-glass")[1], [])
        self.assertEqual(broker.run("break-glass", "--review", asked, "--reason", "again")[1]["error"]["code"], "nothing_to_review")
        self.assertEqual(broker.run("audit", "--verify")[0], 0)
        # Printed as they lie in the chain; a line of CSV each.
        records = broker.audit()
        self.assertEqual([json.loads(line) for line in broker.run("audit")[1].splitlines()], records)
        self.assertEqual(len(broker.run("audit", "--format", "csv")[1].splitlines()), len(records) + 1)

    def test_break_glass_opens_nothing_that_is_shut(self):
        broker = self.start(lists='deny: ["fs:read"]')
        asked = broker.call("fs:write", {"path": "a.txt", "text": "x"})[1]["request_id"]
        code, refused = broker.approve(asked, "alice", "--break-glass", "--reason", "now")
        self.assertEqual((code, refused["error"]["code"]), (3, "break_glass_off"), refused)
        self.assertEqual(broker.call("fs:read", {"path": "a.txt"})[1]["error"], "denied")

    def test_rejected_and_told_so(self):
        broker = self.start()
        asked = broker.call("fs:write", {"path": "a.txt", "text": "x"})[1]
        self.assertEqual(broker.run("reject", "--request-id", asked["request_id"])[1]["error"]["code"], "reason_missing")
        code, rejected = broker.run("reject", "--tool-id", asked["request_id"], "--reason", "not today")
        self.assertEqual((code, rejected["status"]), (0, "rejected"))
        code, again = broker.call("fs:write", {"path": "a.txt", "text": "x"})
        self.assertEqual((code, again["error"], again["reason"]), (3, "rejected", "not today"))
        self.assertEqual(broker.approve(asked["request_id"], "alice")[1]["error"]["code"], "request_closed")

    def test_deny_wins(self):
        broker = self.start(lists='allow: ["fs:*"], deny: ["fs:w*"]')
        self.assertEqual(broker.call("fs:list", {})[0], 0)
        code, denied = broker.call("fs:write", {"path": "a.txt", "text": "x"})
        self.assertEqual((code, denied["error"], denied["rule"]), (3, "denied", "agents.web.deny fs:w*"))
        self.assertEqual(broker.run("describe", "--tool-id", "fs:write")[0], 5)
        self.assertEqual([each["tool_id"] for each in broker.run("search", "--query", "fs")[1]],
                         ["fs:list", "fs:prompts/summary", "fs:read", "fs:resources/file:///docs/readme.txt", "fs:secrets"])

    def test_what_nobody_offers_and_what_fails(self):
        broker = self.start(lists='allow: ["*"]')
        self.assertEqual(broker.call("fs:nothing", {})[0], 5)
        code, failed = broker.call("fs:read", {"path": "../secret"})
        self.assertEqual((code, failed["result"]["isError"]), (1, True))
        for bad in ("fs:wr\u202eite", "fs:a b", "../../x", "f" * 300, ""):
            self.assertEqual(broker.call(bad, {})[0], 6, bad)
        self.assertEqual(broker.run("call", "--tool-id", "fs:list", "--args", "[1]")[0], 6)

    def test_secrets_are_masked(self):
        broker = self.start(lists='allow: ["fs:secrets"]')
        code, done = broker.call("fs:secrets", {})
        self.assertEqual(code, 0, done)
        self.assertEqual(json.loads(done["result"]["content"][0]["text"]), {"password": "[REDACTED]", "monkey": "banana"})
        asked = broker.call("fs:write", {"path": "a", "text": "x", "password": "hunter2"})[1]
        shown = next(each for each in broker.run("pending")[1] if each["id"] == asked["request_id"])
        self.assertEqual(shown["args"]["password"], "[REDACTED]")

    def test_explains(self):
        broker = self.start(lists='allow: ["fs:list"]')
        self.assertEqual(broker.run("explain", "--tool-id", "fs:list")[1]["decision"], "allow")
        said = broker.run("explain", "--tool-id", "fs:write", "--args", '{"path": "a", "text": "b"}')[1]
        self.assertEqual((said["decision"], said["action_class"], said["required_approvals"]), ("approval_required", "write", 1))
        self.assertEqual(broker.run("pending")[1], [])

    def test_explains_what_people_allowed_and_uses_nothing_up(self):
        broker = self.start(more="approvals: {default: once}")
        call = {"path": "a.txt", "text": "x"}

        def explained(args=call):
            said = broker.run("explain", "--tool-id", "fs:write", "--args", json.dumps(args))[1]
            return said["decision"], said["rule"]

        once = broker.call("fs:write", call)[1]["request_id"]
        self.assertEqual(explained()[0], "approval_required")
        self.assertEqual(broker.approve(once, "alice", "--once")[0], 0)
        self.assertEqual([explained() for _ in range(2)], [("allow", f"request {once}")] * 2)
        self.assertEqual(explained({"path": "b.txt", "text": "x"})[0], "approval_required")
        self.assertEqual(broker.call("fs:write", call)[0], 0)
        used = broker.call("fs:write", call)[1]["request_id"]
        grant = broker.approve(used, "alice", "--uses", "1")[1]["grant_id"]
        self.assertEqual([explained() for _ in range(3)], [("allow", f"grant {grant}")] * 3)
        self.assertEqual(broker.call("fs:write", call)[0], 0)
        self.assertEqual(explained()[0], "approval_required")
        self.assertFalse([each for each in broker.audit() if each["event"] == "grant_used"][1:])

    def test_automatic_approval_ends(self):
        policy = self.appliance.folder / "security_policy.json"
        policy.write_text(json.dumps({"auto_approve_patterns": [{"pattern": "fs:l*", "max_uses": 2}]}))
        broker = self.start(more=f"security_policy: {policy}")
        self.assertEqual([broker.call("fs:list", {})[0] for _ in range(3)], [0, 0, 4])
        self.assertEqual(broker.stop(), 0)
        self.broker = Broker(self.appliance, more=f"security_policy: {policy}").start()
        self.assertEqual(self.broker.call("fs:list", {})[0], 4)  # counted across a restart

    def test_tools_nobody_may_ask_for(self):
        policy = self.appliance.folder / "security_policy.json"
        policy.write_text(json.dumps({"tool_approval_required": False}))
        broker = self.start(more=f"security_policy: {policy}")
        code, answer = broker.call("fs:list", {})
        self.assertEqual((code, answer["error"]), (3, "Tool not allowed for this agent"))


class Faults(BrokerCase):
    def test_a_server_that_dies_in_a_call_runs_once(self):
        broker = self.start(lists='allow: ["fs:*"]', wrong="die")
        code, answer = broker.call("fs:write", {"path": "a.txt", "text": "x"})
        self.assertEqual((code, answer["error"]), (7, "outcome_unknown"), answer)
        self.assertEqual(self.written(), "x")

    def test_a_call_whose_end_cannot_be_recorded_was_made_all_the_same(self):
        broker = self.start(lists='allow: ["fs:*"]')
        os.mkfifo(broker.files / "pipe")
        said = []
        caller = threading.Thread(target=lambda: said.append(broker.call("fs:write", {"path": "pipe", "text": "x"})))
        caller.start()
        deadline = time.monotonic() + 60
        while not any(each["event"] == "call_started" for each in broker.audit()):
            self.assertLess(time.monotonic(), deadline)
        with contextlib.closing(sqlite3.connect(self.appliance.folder / "broker-state" / "broker.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # from here on nothing can be recorded
            self.assertEqual((broker.files / "pipe").read_text(), "x")  # the tool waits for its reader
            caller.join()
            other.execute("ROLLBACK")
        code, answer = said[0]
        self.assertEqual((code, answer.get("error")), (7, "outcome_unknown"), answer)
        self.assertNotIn("result", answer)
        self.assertEqual(broker.call("fs:list", {})[0], 0)
        self.assertEqual(broker.run("audit", "--verify")[0], 0)

    def test_a_silent_server(self):
        broker = self.start(lists='allow: ["fs:*"]', wrong="hang", more="limits: {call_timeout: 300ms}")
        code, answer = broker.call("fs:list", {})
        self.assertEqual((code, answer["error"]), (7, "outcome_unknown"), answer)

    def test_a_server_that_speaks_nonsense(self):
        broker = self.start(lists='allow: ["fs:*"]', wrong="noise")
        code, answer = broker.call("fs:list", {})
        self.assertEqual((code, answer["error"]["code"]), (7, "server_unavailable"), answer)

    def test_a_changed_definition_is_quarantined(self):
        broker = self.start(lists='allow: ["fs:*"]')
        self.assertEqual(broker.call("fs:list", {})[0], 0)
        broker.stop()
        (broker.files / ".other").touch()
        self.broker = broker = Broker(self.appliance, lists='allow: ["fs:*"]').start()
        code, answer = broker.call("fs:list", {})
        self.assertEqual((code, answer["error"]), (3, "tool_quarantined"), answer)
        waiting = [each["tool_id"] for each in broker.run("quarantine")[1]]
        self.assertEqual([each for each in waiting if "/" not in each], ["fs:list", "fs:read", "fs:secrets", "fs:write"])
        self.assertEqual(len(waiting), 7)  # and a resource, a template and a prompt
        self.assertEqual(broker.run("quarantine", "--accept", "fs:list")[1]["error"]["code"], "reason_missing")
        code, said = broker.run("quarantine", "--accept", "fs:nothing", "--reason", "read it")
        self.assertEqual((code, said["error"]["code"]), (5, "unknown_definition"), said)
        self.assertEqual(broker.run("quarantine", "--accept", "fs:list", "--reason", "read it")[0], 0)
        self.assertEqual(broker.call("fs:list", {})[0], 0)
        self.assertEqual(broker.call("fs:read", {"path": "a"})[0], 3)

    def test_agents_are_not_who_they_say(self):
        secret = self.appliance.folder / "agent.secret"
        secret.write_text("test-only secret of an agent\n")
        secret.chmod(0o400)
        broker = self.start(agents=f"  other: {{secret: {secret}, allow: [\"fs:list\"]}}")
        self.assertEqual(broker.call("fs:list", {}, "--agent-id", "other")[1]["error"]["code"], "unknown_agent")
        self.assertEqual(broker.call("fs:list", {}, "--agent-id", "other", "--agent-secret", str(secret))[0], 0)
        wrong = self.appliance.folder / "wrong.secret"
        wrong.write_text("another secret of an agent\n")
        wrong.chmod(0o400)
        self.assertEqual(broker.call("fs:list", {}, "--agent-id", "other", "--agent-secret", str(wrong))[0], 3)

    def test_many_at_once_are_all_recorded(self):
        count = int(os.environ.get("COUNTERSIGN_PARALLEL", "100"))
        broker = self.start(more="limits: {pending_per_agent: 100000, calls_per_minute: 100000}")
        answers = []

        def ask(number):
            answers.append(broker.connection().call("POST", "/v1/call", {"tool_id": "fs:write", "agent_id": "web",
                                                                         "args": {"path": "a", "text": str(number)}}))

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual({answer["error"] for answer in answers}, {"approval_required"})
        ids = {answer["request_id"] for answer in answers}
        self.assertEqual(len(ids), count)
        self.assertEqual(ids, {each["id"] for each in broker.connection().call("GET", "/v1/pending")})
        broker.kill()
        self.broker = broker = Broker(self.appliance).start()
        self.assertEqual(ids, {each["id"] for each in broker.connection().call("GET", "/v1/pending")})
        opened = [record for record in broker.audit() if record["event"] == "request_opened"]
        self.assertEqual(ids, {record["request_id"] for record in opened})
        self.assertTrue(broker.run("audit", "--verify")[1]["ok"])

    def test_a_flood_is_limited(self):
        broker = self.start(more="limits: {pending_per_agent: 3}")
        codes = [broker.call("fs:write", {"path": "a", "text": str(number)})[0] for number in range(4)]
        self.assertEqual(codes, [4, 4, 4, 7])

    def test_an_altered_record_is_found(self):
        import sqlite3
        broker = self.start()
        broker.call("fs:write", {"path": "a", "text": "x"})
        broker.stop()
        database = self.appliance.folder / "broker-state" / "broker.db"
        with sqlite3.connect(database) as altered:
            altered.execute("UPDATE audit SET body = replace(body, 'started', 'stopped') WHERE idx = 0")
        self.broker = broker = Broker(self.appliance).start()
        code, answer = broker.run("audit", "--verify")
        self.assertEqual((code, answer["error"]["code"]), (3, "audit_broken"), answer)

    def test_the_signer_away(self):
        broker = self.start(lists='allow: ["fs:list"]')
        self.appliance.stop()
        try:
            for tool in ("fs:list", "fs:write"):
                self.assertEqual(broker.call(tool, {})[0], 7, tool)
        finally:
            self.appliance.start()
        self.assertEqual(broker.call("fs:list", {})[0], 0)


if __name__ == "__main__":
    unittest.main(verbosity=0, warnings="ignore")
