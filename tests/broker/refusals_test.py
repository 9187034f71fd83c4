#!/usr/bin/env python3
"""What the broker refuses of people and agents who ask wrongly, each beside what it lets: refusals_test.py PROGRAMS"""
import json
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from broker_test import BrokerCase  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from appliance import Refused  # noqa: E402

ONCE = "approvals: {default: once}"
CALL = {"path": "a.txt", "text": "x"}
NOBODYS = "0123456789abcdef"


class Refusals(BrokerCase):
    def refused(self, answer, exit_code, reason):
        code, said = answer
        self.assertEqual((code, said["error"]["code"]), (exit_code, reason), said)
        self.assertTrue(said["error"]["message"], said)

    def asked(self, path, body, status, reason, method="POST"):
        with self.assertRaises(Refused) as caught:
            self.broker.connection().call(method, path, body)
        self.assertEqual((caught.exception.status, caught.exception.code), (status, reason), caught.exception.error)

    def test_calls(self):
        broker = self.start(more=ONCE + "\nlimits: {pending_per_agent: 2}")
        self.refused(broker.run("call", "--tool-id", "fs:write", "--args", "{"), 6, "bad_arguments")
        self.refused(broker.run("call", "--tool-id", "fs:write", "--args", "[]"), 6, "bad_arguments")
        self.asked("/v1/call", {"tool_id": "fs:write", "args": {"text": "x" * 300_000}}, 413, "bad_arguments")
        self.refused(broker.call("../etc", {}), 6, "bad_tool_id")
        self.refused(broker.run("approve", "--request-id", "abc", "--approver", "alice@company.example"), 6, "bad_request_id")
        self.refused(broker.approve(NOBODYS, "alice"), 5, "unknown_proposal")  # a server is proposed under such an id, too
        self.assertEqual([broker.call("fs:write", {**CALL, "path": name})[0] for name in ("a", "b")], [4, 4])
        self.refused(broker.call("fs:write", {**CALL, "path": "c"}), 7, "too_many_pending")
        self.assertEqual(broker.call("fs:write", {**CALL, "path": "a"})[0], 4)  # which waits already

    def test_servers_that_an_agent_proposes(self):
        broker = self.start(more=ONCE + "\nlimits: {pending_per_agent: 2}")
        propose = ("propose", "--source", "npm_package", "--source-id", "some-server", "--agent-id", "web", "--server-name")
        first = broker.run(*propose, "a")[1]["id"]
        self.assertEqual(broker.run(*propose, "b")[0], 0)
        self.refused(broker.run(*propose, "c"), 7, "too_many_pending")
        self.assertEqual(broker.run(*propose, "b")[1]["version"], 2)  # which waits already
        self.assertEqual(broker.run("reject", "--request-id", first, "--reason", "no need")[0], 0)
        self.assertEqual(broker.run(*propose, "c")[0], 0)

    def test_agents_with_one_secret(self):
        secrets = [self.appliance.folder / f"{name}.secret" for name in ("first", "second")]
        for secret in secrets:
            secret.unlink(missing_ok=True)
            secret.write_text(f"test-only secret {secret.name}\n")
            secret.chmod(0o400)
        broker = self.start(agents=f"  first: {{secret: {secrets[0]}}}\n  second: {{secret: {secrets[1]}}}")
        broker.stop()
        text = broker.config.read_text()
        broker.config.write_text(text.replace(str(secrets[1]), str(secrets[0])))
        done = subprocess.run([str(self.appliance.bin / "countersign"), "broker", "serve", "--config", str(broker.config), "--json"],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, json.loads(done.stdout)["error"]["code"]), (6, "bad_configuration"), done)
        self.assertIn("agents.second has the secret of another agent", done.stdout)

    def test_an_agent_is_not_whom_it_names(self):
        secret = self.appliance.folder / "other.secret"
        secret.write_text("test-only secret of another agent\n")
        secret.chmod(0o400)
        broker = self.start(agents=f"  other: {{uid: 4242, secret: {secret}}}", more=ONCE)
        text = broker.config.read_text()
        broker.stop()
        broker.config.write_text(text.replace("trial: true", "trial: false\npeople: []"))
        broker.start()
        self.asked("/v1/call", {"tool_id": "fs:list", "args": {}, "agent_id": "other"}, 403, "agent_not_yours")
        self.asked("/v1/call", {"tool_id": "fs:list", "args": {}, "agent_id": "other", "agent_secret": secret.read_text().strip()},
                   403, "agent_not_yours")
        asks = broker.connection().call("POST", "/v1/call", {"tool_id": "fs:list", "args": {}, "agent_id": "web"})
        self.assertEqual(asks["error"], "approval_required", asks)  # it is whom the kernel knows it to be

    def test_what_is_not_there_is_not_revoked_or_accepted(self):
        broker = self.start()
        self.refused(broker.run("revoke", "--agent-id", "web", "--tool-id", "fs:write", "--reason", "over"), 5, "unknown_entry")
        self.asked(f"/v1/proposals/{NOBODYS}", None, 404, "unknown_proposal", method="GET")
        self.asked("/v1/quarantine", {"tool_id": "fs:write", "reason": "seen"}, 404, "unknown_definition")
        self.asked("/v1/deliveries?status=lost", None, 400, "bad_status", method="GET")
        self.refused(broker.run("deliveries", "--status", "LOST!"), 6, "bad_status")
        self.refused(broker.run("deliveries", "--status", "lost"), 6, "bad_status")
        self.assertEqual(broker.run("deliveries", "--status", "waiting")[0], 0)

    def test_what_was_denied_since_is_not_approved(self):
        broker = self.start(more=ONCE)
        request = broker.call("fs:write", CALL)[1]["request_id"]
        broker.stop()
        text = broker.config.read_text()
        broker.config.write_text(text.replace("web: {uid: ", "web: {deny: [\"fs:write\"], uid: "))
        broker.start()
        self.refused(broker.approve(request, "alice"), 3, "tool_denied")
        broker.stop()
        broker.config.write_text(text)
        broker.start()
        self.assertEqual(broker.approve(request, "alice")[0], 0)

    def test_another_policy_asks_anew(self):
        """What waits or was approved under a policy that is replaced: nobody approves it, it does not run, it bars no new one."""
        policy = self.appliance.folder / "operators.yaml"
        rules = ("schema_id: gait.gate.policy\nschema_version: 1.0.0\ndefault_verdict: block\nrules:\n"
                 "  - {{name: {}, effect: {}, match: {{tool_names: [\"fs:write\"]}}}}\n")
        policy.write_text(rules.format("first", "require_approval"))
        broker = self.start(more=f"policy: {policy}\n{ONCE}")

        def replaced(name, effect):
            broker.stop()
            policy.write_text(rules.format(name, effect))
            broker.start()

        first = broker.call("fs:write", CALL)[1]["request_id"]
        replaced("second", "require_approval")
        self.refused(broker.approve(first, "alice"), 3, "policy_changed")
        second = broker.call("fs:write", CALL)[1]["request_id"]
        self.assertNotEqual(second, first)
        self.refused(broker.approve(first, "alice"), 3, "request_closed")
        self.assertEqual(broker.approve(second, "alice")[0], 0)
        replaced("third", "allow")  # the lists alone ask
        third = broker.call("fs:write", CALL)[1]["request_id"]
        self.assertNotEqual(third, second, "approved under another policy")
        self.assertEqual(broker.approve(third, "alice")[0], 0)
        replaced("fourth", "block")
        code, said = broker.call("fs:write", CALL)
        self.assertEqual((code, said["error"]), (3, "denied"), said)
        self.assertIsNone(self.written())
        replaced("third", "allow")
        self.assertEqual(broker.call("fs:write", CALL)[0], 0)
        self.assertEqual(self.written(), "x")

    def test_more_people_are_asked_anew(self):
        broker = self.start(more=ONCE)
        text = broker.config.read_text()
        first = broker.call("fs:write", CALL)[1]["request_id"]
        broker.stop()
        broker.config.write_text(text.replace(ONCE, 'approvals: {default: once, rules: [{tools: ["fs:write"], min: 2}]}'))
        broker.start()
        self.refused(broker.approve(first, "alice"), 3, "policy_changed")
        second = broker.call("fs:write", CALL)[1]["request_id"]
        self.assertEqual([broker.approve(second, who)[1]["status"] for who in ("alice", "bob")], ["pending", "approved"])
        self.assertEqual(broker.call("fs:write", CALL)[0], 0)

    def test_what_the_policy_shuts_is_not_approved(self):
        policy = self.appliance.folder / "operators.yaml"
        policy.write_text("schema_id: gait.gate.policy\nschema_version: 1.0.0\ndefault_verdict: require_approval\nrules:\n"
                          "  - {name: grants, effect: block, match: {tool_names: [\"fs:write\"], workspace_prefixes: [broker/grants]}}\n")
        broker = self.start(more=f"policy: {policy}\n{ONCE}")
        request = broker.call("fs:write", CALL)[1]["request_id"]
        self.refused(broker.approve(request, "alice", "--uses", "3"), 3, "nothing_to_approve")
        self.assertEqual(broker.approve(request, "alice")[0], 0)

    def test_a_state_that_others_can_enter(self):
        broker = self.start()
        broker.stop()
        state = self.appliance.folder / "broker-state"
        state.chmod(0o750)
        done = subprocess.run([str(self.appliance.bin / "countersign"), "broker", "serve", "--config", str(broker.config), "--json"],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, json.loads(done.stdout)["error"]["code"]), (3, "state_not_private"), done)
        state.chmod(0o700)
        broker.start()

    def test_patterns_of_the_configuration(self):
        broker = self.start(lists='allow: ["fs:l*"]')
        self.assertEqual(broker.call("fs:list", {})[0], 0)
        for pattern in ("fs:a b", "fs:" + "a" * 200, "fs:[a]"):
            other = broker.beside("refused", "")
            other.config.write_text(other.config.read_text().replace("fs:l*", pattern))
            done = subprocess.run([str(self.appliance.bin / "countersign"), "broker", "serve", "--config", str(other.config), "--json"],
                                  capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 6, done)
            self.assertEqual(json.loads(done.stdout)["error"]["code"], "bad_configuration", done.stdout)

    def test_files_of_the_workflow(self):
        broker = self.start()
        state = self.appliance.folder / "events.json"
        state.write_text('{"last": 1}')
        self.refused(broker.run("events", "--state", str(state)), 6, "bad_state")
        state.unlink()
        self.assertEqual(broker.run("events", "--state", str(state))[0], 0)
        seen = state.read_text()
        state.write_text('{"next": 99999}')  # of a broker.db that is not there any more
        self.refused(broker.run("events", "--state", str(state)), 3, "records_gone")
        self.assertEqual(json.loads(state.read_text())["next"], 99999)
        state.write_text(seen)
        self.assertEqual(broker.run("events", "--state", str(state))[0], 0)
        empty = self.appliance.folder / "empty"
        empty.mkdir()
        self.refused(broker.run("import", "--from", str(empty)), 5, "nothing_to_import")

    def test_events_that_nobody_gets_are_not_passed_over(self):
        broker = self.start()
        state = self.appliance.folder / "unread.json"
        with open("/dev/full", "w") as full:
            done = subprocess.run([str(self.appliance.bin / "countersign"), "broker", "events", "--broker", str(broker.socket), "--state",
                                   str(state)], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(done.returncode, 7, done)
        self.assertIn("nobody reads any more", done.stderr)
        # Who follows ends, too: only a broker that is away is asked again.
        with open("/dev/full", "w") as full:
            done = subprocess.run([str(self.appliance.bin / "countersign"), "broker", "events", "--follow", "--broker", str(broker.socket), "--state",
                                   str(state)], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(done.returncode, 7, done)
        done = subprocess.run([str(self.appliance.bin / "countersign"), "broker", "events", "--broker", str(broker.socket), "--state",
                               str(state)], capture_output=True, text=True, timeout=60)
        self.assertIn("started", done.stdout)  # told now


if __name__ == "__main__":
    unittest.main(verbosity=2)
