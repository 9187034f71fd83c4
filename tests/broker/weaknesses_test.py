#!/usr/bin/env python3
"""What is known to go wrong in brokers of this kind (docs/broker.md), each with a test that such a broker fails: weaknesses_test.py PROGRAMS

COUNTERSIGN_KILLS: of so many kills (60) a twentieth is of the broker. What vetting must not overlook is in vetting_test.py and admission_test.py."""
import concurrent.futures
import json
import os
import pathlib
import random
import sqlite3
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from appliance import Refused  # noqa: E402
from broker import Broker  # noqa: E402
from broker_test import BrokerCase  # noqa: E402

KILLS = max(1, int(os.environ.get("COUNTERSIGN_KILLS", "60")) // 20)
ONCE = "approvals: {default: once}"
CALL = {"path": "a.txt", "text": "x"}


class Case(BrokerCase):
    @classmethod
    def setUpClass(cls):
        if not hasattr(Case, "appliance"):  # one for all classes of this file
            super(Case, Case).setUpClass()
            unittest.addModuleCleanup(super(Case, Case).tearDownClass)

    @classmethod
    def tearDownClass(cls):
        pass

    def asked(self, call=None, tool="fs:write"):
        """A call that waits for people: its request."""
        code, answer = self.broker.call(tool, call or CALL)
        self.assertEqual((code, answer["error"]), (4, "approval_required"), answer)
        return answer["request_id"]

    def runs(self, call=None):
        code, answer = self.broker.call("fs:write", call or CALL)
        self.assertIn(code, (0, 4), answer)
        return code == 0


class Queue(Case):
    def test_1_programs_that_ask_at_once_lose_nothing(self):
        """20 programs asked: 3 requests were left."""
        broker = self.start()
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda n: broker.call("fs:write", {"path": "a", "text": str(n)}), range(20)))
        self.assertEqual({code for code, _ in answers}, {4})
        self.assertEqual({each["id"] for each in broker.run("pending")[1]}, {answer["request_id"] for _, answer in answers})

    def test_2_a_store_has_one_broker(self):
        """The second one's write erased the first one's."""
        broker = self.start()
        second = subprocess.run([str(self.appliance.bin / "countersign"), "broker", "serve", "--config", str(broker.config), "--json"],
                                capture_output=True, text=True, timeout=60)
        self.assertEqual((second.returncode, json.loads(second.stdout)["error"]["code"]), (7, "broker_store_in_use"))

    def test_3_a_damaged_store_is_not_an_empty_one(self):
        """A truncated file counted as empty, and the next approval overwrote every list."""
        broker = self.start()
        self.asked()
        broker.stop()
        store = self.appliance.folder / "broker-state" / "broker.db"
        whole = store.read_bytes()
        for name, damaged in (("half of it", whole[:len(whole) // 2]), ("another file", b"not a database" * 1000)):
            with self.subTest(name):
                store.write_bytes(damaged)
                with self.assertRaises(RuntimeError):
                    broker.start(within=30)
                broker.process.wait(30)
        store.write_bytes(whole)
        broker.start()
        self.assertEqual(len(broker.run("pending")[1]), 1)

    def test_14_the_same_call_is_one_request(self):
        """50 identical calls were 50 requests."""
        self.start()
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            ids = set(pool.map(lambda _: self.broker.connection().call(
                "POST", "/v1/call", {"tool_id": "fs:write", "agent_id": "web", "args": CALL})["request_id"], range(50)))
        self.assertEqual(len(ids), 1)
        self.assertEqual(len(self.broker.run("pending")[1]), 1)


class Deciding(Case):
    def test_4_an_approver_is_not_who_they_say(self):
        """`approve --agent-id anything` was enough."""
        broker = self.start(more=ONCE)
        request = self.asked()
        code, answer = broker.run("approve", "--request-id", request, "--approver", "alice@company.example", "--ssh-key",
                                  str(self.appliance.folder / "keys" / "bob"), "--signer", str(self.appliance.socket))
        self.assertEqual(code, 3, answer)
        code, answer = broker.run("approve", "--request-id", request, "--agent-id", "admin", "--signer", str(self.appliance.socket))
        self.assertEqual((code, answer["error"]["code"]), (6, "missing_flag"))
        for token in ({}, {"token_id": "0" * 24, "approver_identity": "alice@company.example"}):
            with self.assertRaises(Refused) as refused:
                broker.connection().call("POST", f"/v1/requests/{request}/approve", {"mode": "once", "token": token})
            self.assertIn(refused.exception.status, (400, 403))
        self.assertFalse(self.runs())

    def test_4_an_agent_cannot_judge(self):
        broker = self.start(more=ONCE)
        request = self.asked()
        broker.stop()
        broker.config.write_text(broker.config.read_text().replace("trial: true", "trial: false"))
        broker.start()
        for method, path, body in (("GET", "/v1/pending", None), ("GET", f"/v1/requests/{request}", None), ("GET", "/v1/audit", None),
                                   ("POST", f"/v1/requests/{request}/prepare", {}), ("POST", f"/v1/requests/{request}/approve", {"token": {}}),
                                   ("POST", f"/v1/requests/{request}/reject", {"reason": "r"}), ("GET", "/v1/lists", None),
                                   ("POST", "/v1/quarantine", {"tool_id": "fs:write", "reason": "r"})):
            with self.subTest(path), self.assertRaises(Refused) as refused:
                broker.connection().call(method, path, body)
            self.assertEqual((refused.exception.status, refused.exception.code), (403, "not_a_person"))

    def test_5_an_approval_is_of_what_was_shown(self):
        """One approved transfer let every later one pass."""
        broker = self.start(more=ONCE)
        self.assertEqual(broker.approve(self.asked(), "alice")[0], 0)
        self.assertFalse(self.runs({"path": "a.txt", "text": "more"}))
        self.assertEqual([self.runs(), self.runs()], [True, False])
        self.assertEqual(self.written(), "x")

    def test_5_retries_at_once_run_once(self):
        broker = self.start(more=ONCE)
        for number in range(5):
            call = {"path": "a.txt", "text": f"{number} "}
            self.assertEqual(broker.approve(self.asked(call), "alice")[0], 0)
            with concurrent.futures.ThreadPoolExecutor(6) as pool:
                answers = list(pool.map(lambda _: broker.call("fs:write", call), range(6)))  # noqa: B023: used at once
            self.assertEqual(sorted(code for code, _ in answers), [0, 4, 4, 4, 4, 4], answers)
        self.assertEqual(self.written(), "0 1 2 3 4 ")

    def test_5_every_character_of_an_argument_is_bound(self):
        broker = self.start(more=ONCE)
        for text in (" x", "x\n", "\u00e9", "e\u0301", '"\\</script>'):
            with self.subTest(text):
                self.assertEqual(broker.approve(self.asked({"path": "b.txt", "text": text}), "alice")[0], 0)
                self.assertFalse(self.runs({"path": "b.txt", "text": text.strip() + "?"}))
                self.assertTrue(self.runs({"path": "b.txt", "text": text}))
        self.assertEqual(self.written("b.txt"), ' xx\n\u00e9e\u0301"\\</script>')

    def test_5_an_approval_of_one_call_grants_no_more(self):
        """The token says what is granted: one for a call cannot be handed in for the list."""
        broker = self.start(more=ONCE)
        request = self.asked()
        prepared = broker.connection().call("POST", f"/v1/requests/{request}/prepare", {"mode": "once"})
        token = self.appliance.approve("alice", prepared, ["tool:fs:write"])
        for more in ({"mode": "allowlist"}, {"mode": "uses", "uses": 9}, {"mode": "until", "until": "2099-01-01T00:00:00Z"}):
            with self.subTest(more["mode"]), self.assertRaises(Refused):
                broker.connection().call("POST", f"/v1/requests/{request}/approve", {**more, "token": token})
        self.assertFalse(self.runs({"path": "c.txt", "text": "any"}))
        answer = broker.connection().call("POST", f"/v1/requests/{request}/approve", {"mode": "once", "token": token})
        self.assertEqual(answer["status"], "approved")
        self.assertEqual([self.runs(), self.runs()], [True, False])

    def test_5_another_policy_ends_a_grant(self):
        policy = self.appliance.folder / "operators.yaml"
        rules = ("schema_id: gait.gate.policy\nschema_version: 1.0.0\ndefault_verdict: {}\nrules:\n"
                 "  - {{name: asks, effect: allow, match: {{tool_names: [fs:list]}}}}\n")
        policy.write_text(rules.format("allow"))
        broker = self.start(more=f"policy: {policy}\napprovals: {{default: once}}")
        self.assertEqual(broker.approve(self.asked(), "alice", "--uses", "9")[0], 0)
        self.assertTrue(self.runs())
        broker.stop()
        policy.write_text(rules.format("allow").replace("asks", "another"))
        broker.start()
        self.assertFalse(self.runs())

    def test_two_approvers_at_the_same_moment_both_count(self):
        broker = self.start(more='approvals: {default: once, rules: [{tools: ["fs:write"], min: 2}]}')
        for number in range(6):
            call = {"path": "a.txt", "text": str(number)}
            request = self.asked(call)
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                answers = list(pool.map(lambda who: broker.approve(request, who), ("alice", "bob")))  # noqa: B023: used at once
            self.assertEqual(sorted(code for code, _ in answers), [0, 4], answers)
            self.assertTrue(self.runs(call))

    def test_a_rejection_that_was_told_stands(self):
        broker = self.start(more=ONCE)
        for number in range(8):
            request = self.asked({"path": "a.txt", "text": str(number)})
            prepared = broker.connection().call("POST", f"/v1/requests/{request}/prepare", {"mode": "once"})
            token = self.appliance.approve("alice", prepared, ["tool:fs:write"])
            told = {}

            def decide(what, body):
                try:
                    told[what] = broker.connection().call("POST", f"/v1/requests/{request}/{what}", body)["status"]  # noqa: B023
                except Refused as refused:
                    told[what] = refused.code  # noqa: B023

            threads = [threading.Thread(target=decide, args=("approve", {"mode": "once", "token": token})),
                       threading.Thread(target=decide, args=("reject", {"reason": "no"}))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            if told["reject"] == "rejected":
                self.assertEqual(broker.connection().call("GET", f"/v1/requests/{request}")["status"], "rejected", told)
            else:
                self.assertEqual(told["approve"], "approved", told)

    def test_6_an_edited_record_shows(self):
        broker = self.start()
        self.asked()
        broker.stop()
        with sqlite3.connect(self.appliance.folder / "broker-state" / "broker.db") as store:
            store.execute("UPDATE audit SET body = replace(body, 'fs:write', 'fs:read') WHERE body LIKE '%request_opened%'")
        store.close()
        try:
            broker.start()
        except RuntimeError:
            return  # the last record: told at the start
        self.assertEqual(broker.run("audit", "--verify")[1]["error"]["code"], "audit_broken")

    def test_17_an_approver_sees_what_runs_and_no_secret(self):
        """Raw arguments, no difference, no class, no digest."""
        broker = self.start(more=ONCE)
        first = self.asked({"path": "a.txt", "text": "1", "password": "hunter2"})  # test-only
        shown = broker.connection().call("GET", f"/v1/requests/{first}")
        self.assertNotIn("hunter2", json.dumps(shown))
        self.assertEqual((shown["action_class"], shown["args"]["text"], shown["definition"]["name"]), ("write", "1", "write"))
        self.assertRegex(shown["args_digest"], "^[0-9a-f]{64}$")
        broker.approve(first, "alice")
        self.assertEqual(broker.call("fs:write", {"path": "a.txt", "text": "1", "password": "hunter2"})[0], 0)
        second = self.asked({"path": "a.txt", "text": "2", "password": "hunter2"})
        changed = broker.connection().call("GET", f"/v1/requests/{second}")["since_last_approved"]
        self.assertEqual(changed, {"text": {"was": "1", "is": "2"}})


class Calling(Case):
    def test_7_no_agent_is_no_call(self):
        """Without an agent's name the lists were skipped; with any name it was believed."""
        secret = self.appliance.folder / "reader.secret"
        secret.write_text("test-only secret of a reader\n")
        secret.chmod(0o400)
        broker = self.start(lists='deny: ["fs:list"]', agents=f"  reader: {{secret: {secret}, allow: [\"fs:list\"]}}")
        for claims in ({"agent_id": "reader"}, {"agent_id": "nobody"}, {"agent_id": "reader", "agent_secret": "guessed guessed guessed"}):
            with self.subTest(claims), self.assertRaises(Refused) as refused:
                broker.connection().call("POST", "/v1/call", {"tool_id": "fs:list", "args": {}, **claims})
            self.assertEqual(refused.exception.status, 403)
        self.assertEqual(broker.connection().call("POST", "/v1/call", {"tool_id": "fs:list", "args": {}})["error"], "denied")

    def test_8_to_deny_wins(self):
        """`deny fs:write` did not beat `allow fs:*`, and `deny fs:*` not `allow fs:write`."""
        for lists in ('allow: ["fs:*"], deny: ["fs:write"]', 'allow: ["fs:write"], deny: ["fs:*"]', 'allow: ["*"], deny: ["*:wr*e"]'):
            with self.subTest(lists):
                broker = self.start(lists=lists)
                self.assertEqual(broker.call("fs:write", CALL)[0], 3)
                broker.stop()
        self.assertIsNone(self.written())

    def test_9_an_id_leads_nowhere(self):
        """`approve --tool-id ../../../x` rewrote a file outside the store."""
        broker = self.start()
        for name in ("../../../x", "/etc/passwd", "x/../y", "a\nb", "\u202eabc", "%2e%2e%2f", "'; DROP TABLE requests; --"):
            with self.subTest(name):
                self.assertIn(broker.approve(name, "alice")[0], (5, 6))
                self.assertIn(broker.run("reject", "--request-id", name, "--reason", "r")[0], (5, 6))
                self.assertIn(broker.call(name, {})[0], (4, 5, 6))  # 4: a name like others, of a tool that nobody offers
                self.assertIn(broker.run("describe", "--tool-id", name)[0], (5, 6))
        state = self.appliance.folder / "broker-state"
        self.assertEqual(sorted(path.relative_to(state).as_posix() for path in state.rglob("*")),
                         ["broker.db", "broker.db-shm", "broker.db-wal", "broker.db.lock", "reply.key", "reports", "snapshots"])

    def test_15_the_error_of_a_tool_is_an_error(self):
        """isError was dropped and `ok` recorded."""
        broker = self.start(lists='allow: ["fs:*"]')
        code, answer = broker.call("fs:read", {"path": "../outside"})
        self.assertEqual(code, 1)
        self.assertTrue(answer["result"]["isError"])
        self.assertEqual([each["outcome"] for each in broker.audit() if each["event"] == "call"], ["tool_error"])

    def test_18_what_is_missing_has_a_code(self):
        """A call without an agent crashed."""
        broker = self.start()
        broker.stop()
        broker.config.write_text(broker.config.read_text().replace(f"uid: {os.getuid()}", "uid: 4294967294"))
        broker.start()
        code, answer = broker.call("fs:list", {})
        self.assertEqual((code, answer["error"]["code"]), (3, "unknown_agent"))
        broker.stop()
        broker = self.start()
        for args in ("", "[1]", "{", '{"a": 1, "a": 2}', '{"n": 9007199254740993}', "null"):
            with self.subTest(args):
                code, answer = broker.run("call", "--tool-id", "fs:list", "--agent-id", "web", "--args", args)
                self.assertIn(code, (4, 6) if args == "" else (6,), answer)

    def test_a_definition_that_changes_while_the_server_runs(self):
        broker = self.start(lists='allow: ["fs:*"]')
        self.assertEqual(broker.call("fs:list", {})[0], 0)
        (broker.files / ".other").touch()
        (broker.files / ".announce").touch()
        broker.call("fs:read", {"path": "a"})  # the server announces the change after this answer
        deadline = time.monotonic() + 30
        while (broker.files / ".announce").exists() and time.monotonic() < deadline:
            time.sleep(0.005)  # polls a condition; nothing depends on how long
        code, answer = broker.call("fs:list", {})
        self.assertEqual((code, answer["error"]), (3, "tool_quarantined"), answer)


    def test_the_process_that_was_judged_is_the_one_that_is_called(self):
        broker = self.start(lists='allow: ["fs:*"]', wrong="leave")
        for _ in range(5):
            code, answer = broker.call("fs:write", CALL)
            self.assertEqual(code, 7, answer)
        self.assertIsNone(self.written())


class Killed(Case):
    def test_nothing_that_was_answered_is_lost(self):
        broker = self.start(more="approvals: {default: once}\nlimits: {pending_per_agent: 100000, calls_per_minute: 100000}")
        opened, approved, number = set(), {}, 0
        for _ in range(KILLS):
            stop = threading.Event()

            def load(lane):
                # Every answer is written down before the next question.
                count = 0
                connection = broker.connection()
                while not stop.is_set():  # noqa: B023
                    count += 1
                    try:
                        answer = connection.call("POST", "/v1/call", {"tool_id": "fs:write", "agent_id": "web",
                                                                      "args": {"path": "a", "text": f"{number} {lane} {count}"}})  # noqa: B023
                    except Exception:
                        return
                    opened.add(answer["request_id"])

            lanes = [threading.Thread(target=load, args=(lane,)) for lane in range(3)]
            for lane in lanes:
                lane.start()
            call = {"path": "a", "text": f"approved {number}"}
            start = time.monotonic()
            request = broker.connection().call("POST", "/v1/call", {"tool_id": "fs:write", "agent_id": "web", "args": call})["request_id"]
            code, answer = broker.approve(request, "alice")
            while code == 7 and time.monotonic() < start + 60:  # a signer that is too busy says so; a person tries again
                code, answer = broker.approve(request, "alice")
            self.assertEqual(code, 0, answer)
            approved[request] = call
            more = len(opened) + random.randrange(5, 40)
            deadline = time.monotonic() + 30
            while len(opened) < more and time.monotonic() < deadline:
                time.sleep(0.001)  # polls a condition; nothing depends on how long
            broker.kill()
            stop.set()
            for lane in lanes:
                lane.join()
            number += 1
            broker.start()
            self.assertEqual(broker.run("audit", "--verify")[0], 0)
        pending = {each["id"] for each in broker.connection().call("GET", "/v1/pending")}
        self.assertEqual(opened - pending, set())
        recorded = {each["request_id"] for each in broker.audit() if each["event"] == "request_opened"}
        self.assertEqual(opened - recorded, set())
        for request, call in approved.items():
            self.assertEqual([broker.call("fs:write", call)[0] for _ in range(2)], [0, 4], request)

    def test_a_call_that_a_kill_cuts_short_is_on_record(self):
        broker = self.start(lists='allow: ["fs:*"]', wrong="hang")

        def call():
            try:
                broker.connection().call("POST", "/v1/call", {"tool_id": "fs:write", "agent_id": "web", "args": CALL})
            except Exception:
                return

        caller = threading.Thread(target=call)
        caller.start()
        deadline = time.monotonic() + 30
        while not any(each["event"] == "call_started" for each in broker.audit()) and time.monotonic() < deadline:
            time.sleep(0.01)  # polls a condition; nothing depends on how long
        broker.kill()
        caller.join()
        broker.start()
        events = [each for each in broker.audit() if each.get("tool_id") == "fs:write" and each["event"].startswith("call")]
        self.assertEqual([each["event"] for each in events], ["call_started"])
        self.assertRegex(events[0]["trace_id"], "^[0-9a-f]{24}$")


if __name__ == "__main__":
    unittest.main(verbosity=0, warnings="ignore")
