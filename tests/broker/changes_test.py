#!/usr/bin/env python3
"""What changes while requests and grants wait: approvals are taken back, tools defined anew, options lowered: changes_test.py PROGRAMS"""
import contextlib
import json
import pathlib
import sqlite3
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from broker_test import PROGRAMS, BrokerCase  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from appliance import Appliance, Refused  # noqa: E402

CALL = {"path": "a.txt", "text": "x"}
TWO = 'approvals: {default: once, rules: [{tools: ["fs:write"], min: 2}], break_glass: 15m}'
EMERGENCY = ("--break-glass", "--reason", "the site is down")


class Changes(BrokerCase):
    @classmethod
    def setUpClass(cls):
        cls.room = tempfile.TemporaryDirectory(prefix="countersign-changes-")
        cls.appliance = Appliance(PROGRAMS, pathlib.Path(cls.room.name) / "appliance", approvers=("alice", "bob", "carol")).init()
        cls.appliance.start()

    def refused(self, answer, reason, exit_code=3):
        code, said = answer
        self.assertEqual((code, said["error"]["code"]), (exit_code, reason), said)

    def restarted(self, was, now):
        self.broker.stop()
        self.broker.config.write_text(self.broker.config.read_text().replace(was, now))
        return self.broker.start()

    def asked(self, tool="fs:write", args=None):
        code, said = self.broker.call(tool, CALL if args is None else args)
        self.assertEqual(code, 4, said)
        return said["request_id"]

    def take_back_first_approval(self, request):
        with contextlib.closing(sqlite3.connect(self.appliance.folder / "broker-state" / "broker.db")) as store:
            document = json.loads(store.execute("SELECT document FROM requests WHERE id = ?", (request,)).fetchone()[0])
        token = self.appliance.folder / "taken-back.json"
        token.write_text(json.dumps(document["tokens"][0]))
        done = subprocess.run([str(self.appliance.bin / "countersign"), "approve", "revoke", str(token), "--reason", "a mistake", "--signer",
                               str(self.appliance.socket)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_an_approval_that_was_taken_back_does_not_shut_the_call_out(self):
        broker = self.start(more=TWO)
        first = self.asked()
        self.assertEqual(broker.approve(first, "alice", "--uses", "2")[0], 4)
        self.take_back_first_approval(first)
        self.refused(broker.approve(first, "bob", "--uses", "2"), "approval_not_counted")
        second = self.asked()
        self.assertNotEqual(second, first, "nobody could approve it any more")
        self.assertEqual([broker.approve(second, who, "--uses", "2")[0] for who in ("alice", "bob")], [4, 0])
        self.assertEqual(broker.call("fs:write", CALL)[0], 0)

    def test_more_people_than_needed_at_the_same_moment_open_it_once(self):
        broker = self.start(more=TWO)
        for number in range(8):
            call = {"path": "a.txt", "text": str(number)}
            request = self.asked(args=call)
            self.assertEqual(broker.approve(request, "alice", "--uses", "1")[0], 4)
            grant = {"mode": "uses", "uses": 1}
            asked = broker.connection().call("POST", f"/v1/requests/{request}/prepare", grant)
            tokens = [self.appliance.approve(who, asked, ["tool:fs:write"]) for who in ("bob", "carol")]
            answers = []

            def approve(token):
                try:
                    answers.append(broker.connection().call("POST", f"/v1/requests/{request}/approve", {**grant, "token": token})["status"])
                except Refused as refused:
                    answers.append(refused.code)

            people = [threading.Thread(target=approve, args=(token,)) for token in tokens]
            for person in people:
                person.start()
            for person in people:
                person.join()
            self.assertEqual(sorted(answers), ["approved", "request_closed"], answers)
            self.assertEqual([broker.call("fs:write", call)[0] for _ in range(2)], [0, 4], answers)

    def test_an_emergency_of_another_length_is_approved_anew(self):
        broker = self.start(more=TWO)
        request = self.asked()
        self.assertEqual(broker.approve(request, "alice", *EMERGENCY)[1]["approvals"], 1)
        self.refused(broker.approve(request, "bob"), "mode_differs")
        broker = self.restarted("break_glass: 15m", "break_glass: 10m")
        self.assertEqual(broker.approve(request, "bob", *EMERGENCY)[1].get("approvals"), 1, "the first one was of another grant")
        self.refused(broker.approve(request, "bob", *EMERGENCY), "approval_not_counted")
        self.assertEqual(broker.approve(request, "alice", *EMERGENCY)[0], 0)

    def test_nothing_is_approved_for_an_agent_that_is_gone(self):
        broker = self.start(more=TWO)
        request = self.asked(tool="fs:list", args={})
        broker = self.restarted("  web: {", "  other: {")
        self.refused(broker.approve(request, "alice", "--allowlist"), "unknown_agent")
        self.assertEqual(broker.run("pending")[1][0]["id"], request)
        broker = self.restarted("  other: {", "  web: {")
        self.assertEqual(broker.approve(request, "alice", "--allowlist")[0], 0)
        self.assertEqual(broker.call("fs:list", {})[0], 0)

    def test_who_waits_hears_of_an_emergency_that_another_call_opened(self):
        broker = self.start(more=TWO)
        waits, opens = self.asked(), self.asked(args={"path": "b.txt", "text": "x"})
        waiting = lambda: broker.connection().call("POST", "/v1/waiting", {"request_id": waits, "agent_id": "web"})["waiting"]
        self.assertTrue(waiting())
        self.assertEqual([broker.approve(opens, who, *EMERGENCY)[0] for who in ("alice", "bob")], [4, 0])
        self.assertFalse(waiting())
        self.assertEqual(broker.call("fs:write", CALL)[0], 0)
        self.restarted(", break_glass: 15m", "")
        self.assertTrue(waiting())

    def test_an_open_emergency_ends_where_none_is_offered_any_more(self):
        broker = self.start(more=TWO)
        request = self.asked()
        self.assertEqual([broker.approve(request, who, *EMERGENCY)[0] for who in ("alice", "bob")], [4, 0])
        self.assertEqual(broker.call("fs:write", CALL)[0], 0)
        broker = self.restarted(", break_glass: 15m", "")
        self.assertEqual(broker.call("fs:write", CALL)[0], 4)
        self.assertEqual(self.written(), "x")

    def test_grants_are_revoked(self):
        broker = self.start(more="approvals: {default: once, break_glass: 15m}")
        revoke = ("revoke", "--agent-id", "web", "--reason", "over", "--tool-id")
        self.assertEqual(broker.approve(self.asked(), "alice", "--uses", "5")[0], 0)
        self.assertEqual(broker.call("fs:write", CALL)[0], 0)
        self.refused(broker.run(*revoke, "fs:list"), "unknown_entry", exit_code=5)
        self.assertEqual(broker.call("fs:write", CALL)[0], 0)
        self.assertEqual(broker.run(*revoke, "fs:write")[1]["status"], "revoked")
        again = self.asked()
        self.refused(broker.run(*revoke, "fs:write"), "unknown_entry", exit_code=5)
        # An emergency's as well; it still waits for its review.
        self.assertEqual([broker.approve(again, who, *EMERGENCY)[0] for who in ("alice", "bob")], [4, 0])
        self.assertEqual(broker.call("fs:write", CALL)[0], 0)
        self.assertEqual(broker.run(*revoke, "fs:write")[0], 0)
        self.assertEqual(broker.call("fs:write", CALL)[0], 4)
        self.assertEqual([each["id"] for each in broker.run("break-glass")[1]], [again])

    def test_what_was_asked_of_another_definition_is_not_approved(self):
        """What people are shown is the tool as it is now: an approval of the one before would open nothing, or this one."""
        broker = self.start(more="approvals: {default: once}")
        first = self.asked()
        broker.stop()
        (broker.files / ".other").touch()
        broker.start()
        self.assertEqual(broker.call("fs:write", CALL)[1]["error"], "tool_quarantined")
        self.assertEqual(broker.run("quarantine", "--accept", "fs:write", "--reason", "read it")[0], 0)
        for choice in ("--once", "--allowlist"):
            self.refused(broker.approve(first, "alice", choice), "tool_changed")
        second = self.asked()
        self.assertNotEqual(second, first)
        self.assertEqual(broker.approve(second, "alice")[0], 0)
        self.assertEqual(broker.call("fs:write", CALL)[0], 0)

    def test_a_definition_is_taken_as_it_was_looked_at(self):
        broker = self.start(lists='allow: ["fs:*"]')
        self.assertEqual(broker.call("fs:list", {})[0], 0)
        waiting = []
        for more in ("", " It may write, too."):
            broker.stop()
            (broker.files / ".other").write_text(more)
            broker.start()
            self.assertEqual(broker.call("fs:list", {})[1]["error"], "tool_quarantined")
            waiting.append(next(each for each in broker.run("quarantine")[1] if each["tool_id"] == "fs:list"))
        accept = ("quarantine", "--accept", "fs:list", "--reason", "read it")
        self.refused(broker.run(*accept, "--digest", waiting[0]["offered_digest"]), "definition_changed")
        self.assertEqual(broker.call("fs:list", {})[1]["error"], "tool_quarantined")
        self.assertEqual(broker.run(*accept, "--digest", waiting[1]["offered_digest"])[0], 0)
        self.assertEqual(broker.call("fs:list", {})[0], 0)
        # Without a digest it is the one that the command shows.
        done = subprocess.run([str(self.appliance.bin / "countersign"), "broker", *accept[:2], "fs:read", *accept[3:], "--broker", str(broker.socket)],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("It may write, too.", done.stderr)

    def test_a_server_is_admitted_as_it_was_looked_at(self):
        """Who proposes may do so anew under the same id while people read, with other files."""
        broker = self.start()
        for name in ("one", "two"):
            (self.appliance.folder / name).mkdir(exist_ok=True)
            (self.appliance.folder / name / "server.py").write_text(f"print('{name}')\n")

        def propose(name):
            code, said = broker.run("propose", "--server-name", "extra", "--source-id", "extra", "--source-path", str(self.appliance.folder / name))
            self.assertEqual((code, said["vetting_status"]), (0, "pass"), said)
            return said

        first = propose("one")
        words = [str(self.appliance.bin / "countersign"), "broker", "inbox", "--approver", "alice@company.example", "--ssh-key",
                 str(self.appliance.folder / "keys" / "alice"), "--signer", str(self.appliance.socket), "--broker", str(broker.socket)]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as inbox:
            def answer(line=None):
                if line is not None:
                    inbox.stdin.write(line + "\n")
                    inbox.stdin.flush()
                said = ""
                while not said.endswith("inbox> "):
                    said += inbox.stdout.read(1)
                return said

            self.assertIn("server extra", answer())
            self.assertIn(first["digest"], answer("show 1"))
            second = propose("two")
            self.assertEqual((second["id"], second["version"]), (first["id"], 2))
            self.assertIn("refused: proposal", answer("approve 1"))
            self.refused(broker.approve(first["id"], "alice", "--proposal-version", "1"), "proposal_changed")
            self.assertEqual(broker.run("proposals", "--proposal-id", first["id"])[1]["status"], "pending")
            self.assertIn("approved", answer("approve 1"))  # it was shown now
            inbox.stdin.close()

    def test_who_is_nobody_learns_of_no_tool(self):
        broker = self.start()
        asks = {"/v1/search": {"query": "write"}, "/v1/describe": {"tool_id": "fs:write"}, "/v1/load": {"tool_ids": ["fs:write"]},
                "/v1/explain": {"tool_id": "fs:write", "args": {}}}
        for path, body in asks.items():
            with self.subTest(path):
                self.assertNotIn("error", broker.connection().call("POST", path, body))
                with self.assertRaises(Refused) as caught:
                    broker.connection().call("POST", path, {**body, "peer_uid": None})
                self.assertEqual((caught.exception.status, caught.exception.code), (403, "unknown_agent"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
