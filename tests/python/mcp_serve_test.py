#!/usr/bin/env python3
"""`mcp serve` on a whole appliance: mcp_serve_test.py PROGRAMS"""
import http.client
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / "tests" / "support"), str(SOURCE / "tests" / "gait")]
import recorded  # noqa: E402
from appliance import Appliance  # noqa: E402
from serving_gate import ServingGate  # noqa: E402

PROGRAMS = pathlib.Path(sys.argv.pop(1)).resolve()
PROGRAM = str(PROGRAMS / "countersign")
POLICY = """\
default_verdict: block
rules:
  - {name: reads, effect: allow, match: {tool_names: [kb.read]}}
  - {name: saves, effect: require_approval, match: {tool_names: [db.save]}}
  - {name: counted, effect: allow, match: {tool_names: [kb.count]}, rate_limit: {requests: 1, window: hour, scope: tool}}
  - {name: delegated, effect: allow, match: {tool_names: [db.read], require_delegation: true}}
"""
CONTEXT = {"identity": "agent@company.example", "workspace": "/srv", "risk_class": "low"}
# Of one run alone.
VOLATILE = {"trace_path", "decision_latency_ms", "correlation_id"}
SHAPES = {
    "mcp": {"name": "kb.read", "args": {"q": 1}},
    "openai": {"function": {"name": "kb.read", "arguments": '{"q": 1}'}},
    "anthropic": {"name": "kb.read", "input": {"q": 1}},
    "langchain": {"tool": "kb.read", "tool_input": {"q": 1}},
    "claude_code": {"tool_name": "kb.read", "tool_input": {"q": 1}, "session_id": "s-1", "hook_event_name": "PreToolUse"},
}


def call(tool="kb.read", **members):
    return {"name": tool, "args": {}, "context": CONTEXT, **members}


def settled(answer, members):
    """Those members of an answer that are the same each time: the digest of a trace's own member is not, it counts traces."""
    kept = {name: answer.get(name) for name in members if name not in VOLATILE}
    relationship = kept.get("relationship")
    if relationship:
        ids = [each for each in relationship.get("related_entity_ids", []) if not each.startswith("countersign:")]
        kept["relationship"] = {**relationship, "related_entity_ids": ids}
    return kept


class McpServe(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="countersign-mcp-"))
        cls.appliance = Appliance(PROGRAMS, cls.folder / "appliance", approvers=["alice"], scopes=("tool:*", "delegate:write"))
        cls.appliance.init()
        cls.appliance.launch()
        cls.environment = {**os.environ, "COUNTERSIGN_SIGNER": str(cls.appliance.socket)}
        subprocess.run([PROGRAM, "status", "--wait", "60s"], env=cls.environment, check=True, capture_output=True)

    @classmethod
    def tearDownClass(cls):
        cls.appliance.stop()
        shutil.rmtree(cls.folder)

    def serving(self, *flags, policy=POLICY, signer=None):
        gate = ServingGate(PROGRAM, policy, signer or self.appliance.socket, *flags, words=("mcp", "serve"))
        self.addCleanup(gate.end)
        return gate

    def answer(self, gate, **request):
        status, text = gate.ask(request)
        return status, json.loads(text)

    def proxy(self, gate, document, adapter, *flags):
        """What `mcp proxy` says of a call under the served policy, and its exit code."""
        path = gate.folder / "call.json"
        path.write_text(json.dumps(document))
        done = subprocess.run([PROGRAM, "mcp", "proxy", "--policy", str(gate.policy), "--call", str(path), "--adapter", adapter,
                               "--trace-out", str(gate.folder / "trace.json"), "--rate-limit-state", str(gate.folder / "other.json"),
                               "--json", *flags], env=self.environment, capture_output=True, text=True)
        return json.loads(done.stdout), done.returncode

    def assert_same(self, gate, document, adapter):
        said, code = self.proxy(gate, document, adapter)
        status, answer = self.answer(gate, adapter=adapter, call=document)
        if "error" in said:
            self.assertEqual((status, answer["error"]["message"]), (400, said["error"]))
            return False
        self.assertEqual((status, answer["exit_code"], answer["executed"]), (200, code, False))
        self.assertEqual(settled(answer, said), settled(said, said))
        self.assertEqual((answer["trace"]["verdict"], answer["trace"]["intent_digest"]), (said["verdict"], said["intent_digest"]))
        return True

    def test_answers_every_shape_as_the_command_does(self):
        gate = self.serving()
        for adapter, document in SHAPES.items():
            with self.subTest(adapter):
                self.assertTrue(self.assert_same(gate, document, adapter))
                self.assertTrue(self.assert_same(gate, {**document, "context": CONTEXT}, adapter))
                self.assertFalse(self.assert_same(gate, {}, adapter))

    def test_answers_the_recorded_calls_as_the_command_does(self):
        cases, _ = recorded.from_pack(SOURCE / "tests" / "vectors" / "gait_commands.json")
        judged = 0
        for case in cases:
            for step in case["steps"]:
                words = step["argv"]
                if words[1:3] != ["mcp", "proxy"] or "--call" not in words:
                    continue
                files = [case["files"].get(words[words.index(flag) + 1]) for flag in ("--policy", "--call")]
                if None in files:
                    continue
                adapter = words[words.index("--adapter") + 1] if "--adapter" in words else "mcp"
                with self.subTest(case["name"]):
                    judged += self.assert_same(self.serving(policy=files[0].decode()), json.loads(files[1]), adapter)
        self.assertGreater(judged, 0)

    def test_what_is_no_question_is_refused(self):
        gate = self.serving()
        for request in ({}, {"call": []}, {"call": call(), "adapter": "telnet"}, {"call": call(), "adapter": 7}, {"call": call(), "more": 1},
                        {"call": call(), "policy": "0" * 64}, {"call": {"name": ""}}, {"call": call(), "approval_tokens": {}},
                        {"call": call(), "approval_tokens": [{}] * 65}, {"call": call(context={**CONTEXT, "identity": 7})},
                        {"call": call(targets=[{"kind": "path"}])}):
            self.assertEqual(gate.ask(request)[0], 400, request)
        self.assertEqual(json.loads(gate.ask({"call": call(targets=[{"kind": "path"}])})[1])["error"]["field"], "targets[0].value")
        self.assertEqual(gate.ask('{"call":{},"call":{}}')[0], 400)
        self.assertEqual(gate.ask(None, "/v1/evaluate", "GET")[0], 404)

    def test_names_given_for_the_answer_change_no_digest(self):
        gate = self.serving()
        plain = self.answer(gate, call=call())[1]
        named = self.answer(gate, call=call(), run_id="run-7", session_id="s-7")[1]
        self.assertEqual((named["run_id"], named["session_id"]), ("run_run-7", "s-7"))
        self.assertEqual(named["intent_digest"], plain["intent_digest"])
        self.assertTrue(plain["run_id"].startswith("run_mcp_"))

    def test_strict_statuses_tell_what_may_not_run(self):
        for flags, statuses in (((), (200, 200, 200)), (("--http-verdict-status", "strict"), (200, 409, 403))):
            gate = self.serving(*flags)
            given = [self.answer(gate, call=call(tool)) for tool in ("kb.read", "db.save", "other")]
            self.assertEqual(tuple(status for status, _ in given), statuses)
            self.assertEqual([answer["verdict"] for _, answer in given], ["allow", "require_approval", "block"])
        done = subprocess.run([PROGRAM, "mcp", "serve", "--socket", str(self.folder / "no.sock"), "--policy", str(gate.policy),
                               "--http-verdict-status", "maybe"], env=self.environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 6)
        self.assertIn("expected compat or strict", done.stderr)

    def test_approvals_and_limits_count_here_too(self):
        gate = self.serving()
        needed = self.answer(gate, call=call("db.save", args={"n": 1}))[1]
        self.assertEqual((needed["verdict"], needed["exit_code"]), ("require_approval", 4))
        done = subprocess.run([PROGRAM, "approve", "--intent-digest", needed["intent_digest"], "--policy-digest", needed["policy_digest"],
                               "--scope", "tool:db.save", "--approver", "alice@company.example", "--reason-code", "CHG-1", "--ssh-key",
                               str(self.appliance.folder / "keys" / "alice"), "--out", str(gate.folder / "token.json")],
                              env=self.environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        token = json.loads((gate.folder / "token.json").read_text())
        asked = {"call": call("db.save", args={"n": 1}), "approval_tokens": [token]}
        self.assertEqual([gate.verdict(asked) for _ in range(2)], ["allow", "require_approval"])
        self.assertEqual(gate.verdict({**asked, "call": call("db.save", args={"n": 2})}), "require_approval")
        self.assertEqual([gate.verdict({"call": call("kb.count")}) for _ in range(2)], ["allow", "block"])

    def test_delegations_count_here_too(self):
        gate = self.serving()
        asked = call("db.read", delegation={"requester_identity": "agent-1", "scope_class": "write", "chain": [
            {"delegator_identity": "alice@company.example", "delegate_identity": "agent-1", "scope_class": "write"}]})
        done = subprocess.run([PROGRAM, "delegate", "mint", "--delegator", "alice@company.example", "--delegate", "agent-1", "--scope", "write",
                               "--ttl", "10m", "--ssh-key", str(self.appliance.folder / "keys" / "alice"), "--out",
                               str(gate.folder / "delegation.json")], env=self.environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        token = json.loads((gate.folder / "delegation.json").read_text())
        self.assertEqual(gate.verdict({"call": asked}), "block")
        self.assertEqual(gate.verdict({"call": asked, "delegation_tokens": [token]}), "allow")

    def test_a_profile_takes_no_made_context(self):
        gate = self.serving("--profile", "oss-prod", policy=POLICY)
        self.assertEqual(gate.ask({"call": {"name": "kb.read"}})[0], 400)
        self.assertEqual(gate.ask({"call": call()})[0], 400)
        whole = {**CONTEXT, "session_id": "s-1"}
        self.assertEqual(gate.verdict({"call": call(context=whole)}), "allow")
        # A login by OAuth needs its evidence here, all of it.
        evidence = {"issuer": "i", "audience": ["a"], "subject": "s", "client_id": "c", "token_type": "bearer", "scopes": ["x"],
                    "redirect_uri": "u", "evidence_ref": "receipt:1", "auth_time": "2026-01-01T00:00:00Z"}
        self.assertEqual(gate.verdict({"call": call(context={**whole, "auth_mode": "oauth", "oauth_evidence": evidence})}), "allow")
        for lacking in ({**whole, "auth_mode": "oauth"}, {**whole, "oauth_evidence": {**evidence, "subject": " "}},
                        {**whole, "auth_mode": "oauth_dcr", "oauth_evidence": evidence},
                        {**whole, "oauth_evidence": {**evidence, "auth_time": "noon"}}):
            self.assertEqual(gate.ask({"call": call(context=lacking)})[0], 400, lacking)

    def on_port(self, token, *flags):
        """The process and the port of one that listens on loopback."""
        policy = self.folder / "port.yaml"
        policy.write_text(POLICY)
        process = subprocess.Popen([PROGRAM, "mcp", "serve", "--listen", "127.0.0.1:0", "--policy", str(policy), "--rate-limit-state",
                                    str(self.folder / "port_limits.json"), "--json", *flags], env={**self.environment, "TOKEN": token},
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (process.kill(), process.wait(), process.stdout.close(), process.stderr.close()))
        line = process.stdout.readline()
        return process, int(json.loads(line)["socket"].rpartition(":")[2]) if json.loads(line)["ok"] else None

    def test_a_port_asks_for_the_token(self):
        token = "a token of 16 and more"
        _, port = self.on_port(token, "--token-env", "TOKEN")
        body = json.dumps({"call": call()})

        def asked(path="/v1/evaluate", method="POST", host=f"127.0.0.1:{port}", **headers):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                connection.putrequest(method, path, skip_host=True)
                for name, value in {"Host": host, "Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
                    connection.putheader(name, value)
                connection.endheaders(body.encode())
                answer = connection.getresponse()
                return answer.status, json.loads(answer.read()).get("error", {}).get("code")
            finally:
                connection.close()

        good = {"Authorization": f"Bearer {token}"}
        self.assertEqual(asked(**good), (200, None))
        for headers in ({}, {"Authorization": "Bearer " + token[:-1]}, {"Authorization": token}, {"Authorization": "Bearer "},
                        {"Authorization": "Basic " + token}):
            self.assertEqual(asked(**headers), (401, "bearer_token"), headers)
            self.assertEqual(asked("/healthz", "GET", **headers), (401, "bearer_token"), headers)
        self.assertEqual(asked(**good, Origin="https://elsewhere.example"), (403, "foreign_page"))
        self.assertEqual(asked(host="elsewhere.example", **good), (403, "foreign_page"))
        self.assertEqual(asked("/v1/reload", **good), (403, "peer_not_permitted"))

    def test_a_port_without_a_token_is_not_served(self):
        _, port = self.on_port("a token of 16 and more", "--auth-mode", "token", "--auth-token-env", "TOKEN")
        self.assertIsNotNone(port)
        for token, flags in (("", ("--token-env", "TOKEN")), ("a token of 16 and more", ("--token-env", "TOKEN", "--auth-mode", "off")), ("short", ("--token-env", "TOKEN")), ("a token of 16 and more", ()),
                             ("a token of 16 and more", ("--token-env", "TOKEN", "--listen", "0.0.0.0:0")),
                             ("a token of 16 and more", ("--token-env", "TOKEN", "--socket", str(self.folder / "no.sock")))):
            process, port = self.on_port(token, *flags)
            self.assertIsNone(port)
            self.assertEqual(process.wait(60), 6)
        done = subprocess.run([PROGRAM, "mcp", "serve", "--socket", str(self.folder / "no.sock"), "--policy", str(self.folder / "port.yaml"),
                               "--peer-uid", "4294967295"], env=self.environment, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 6)

    def test_without_a_signer_nothing_is_decided(self):
        gate = self.serving(signer=self.folder / "nobody.sock")
        self.assertEqual(gate.ask({"call": call()})[0], 503)
        self.assertEqual(gate.ask(None, "/healthz", "GET")[0], 200)

    def test_answers_as_an_event_and_as_a_line(self):
        gate = self.serving("--http-verdict-status", "strict")
        for tool, status in (("kb.read", 200), ("db.save", 409), ("other", 403)):
            given, plain = self.answer(gate, call=call(tool))
            self.assertEqual(given, status)
            for route, head, before, after in (("/v1/evaluate/sse", "text/event-stream", "event: evaluate\ndata: ", "\n\n"),
                                               ("/v1/evaluate/stream", "application/x-ndjson", "", "\n")):
                given, text, headers = gate.ask_whole({"call": call(tool)}, route)
                self.assertEqual((given, headers["content-type"]), (status, head))
                self.assertTrue(text.startswith(before) and text.endswith(after), text)
                said = json.loads(text[len(before):-len(after)])
                self.assertEqual((said["verdict"], said["intent_digest"]), (plain["verdict"], plain["intent_digest"]))
                self.assertNotIn("\n", text[len(before):-len(after)])
            self.assertEqual(gate.ask_whole({"call": call(tool)}, "/v1/evaluate/sse")[2]["cache-control"], "no-cache")
        for route in ("/v1/evaluate/sse", "/v1/evaluate/stream"):
            status, text, headers = gate.ask_whole({"call": 5}, route)
            self.assertEqual((status, headers["content-type"], "error" in json.loads(text)), (400, "application/json", True))
            self.assertEqual(gate.ask(None, route, "GET")[0], 404)

    def test_a_gate_for_intents_has_no_event_routes(self):
        gate = ServingGate(PROGRAM, POLICY, self.appliance.socket)
        self.addCleanup(gate.end)
        self.assertEqual(gate.ask({}, "/v1/evaluate/sse")[0], 404)

    def test_the_usual_shape_of_calls_is_a_setting(self):
        gate = self.serving("--adapter", "langchain")
        self.assertEqual(gate.verdict({"call": SHAPES["langchain"]}), "allow")
        self.assertEqual(gate.ask({"call": SHAPES["mcp"]})[0], 400)
        self.assertEqual(gate.verdict({"call": SHAPES["mcp"], "adapter": "mcp"}), "allow")

    def test_trust_in_servers_is_judged_for_each_call(self):
        snapshot = self.folder / "snapshot.json"
        gate = self.serving(policy=f"mcp_trust: {{snapshot: {snapshot}, required_risk_classes: [low]}}\n" + POLICY)
        asked = {"call": call(server={"server_id": "github"})}
        status, answer = self.answer(gate, **asked)
        self.assertEqual((status, answer["verdict"], answer["mcp_trust"]["status"]), (200, "block", "missing"))
        snapshot.write_text(json.dumps({"entries": [{"server_id": "github", "status": "trusted"}]}))
        answer = self.answer(gate, **asked)[1]
        self.assertEqual((answer["verdict"], answer["trace"]["mcp_trust"]["status"]), ("allow", "trusted"))
        self.assertEqual(gate.verdict({"call": call(server={"server_id": "other"})}), "block")
        self.assertEqual(gate.verdict({"call": call()}), "block")

    def test_one_policy_is_served(self):
        both = [self.folder / name for name in ("a.yaml", "b.yaml")]
        for path, text in zip(both, (POLICY, "default_verdict: allow\n")):
            path.write_text(text)
        done = subprocess.run([PROGRAM, "mcp", "serve", "--socket", str(self.folder / "no.sock"), "--policy", ",".join(map(str, both))],
                              env=self.environment, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 6)


if __name__ == "__main__":
    unittest.main()
