#!/usr/bin/env python3
"""The gate as a service and the fail-closed wrapper, on a whole appliance: gate_test.py PROGRAMS"""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / "python"), str(SOURCE / "tests" / "support")]
from appliance import Appliance  # noqa: E402
from countersign import Gate, NotAllowed, intent_of_call  # noqa: E402

PROGRAMS = pathlib.Path(sys.argv.pop(1)).resolve()
POLICY = """\
schema_id: gait.gate.policy
schema_version: 1.0.0
default_verdict: block
rules:
  - {name: reads, effect: allow, match: {tool_names: [kb.read, sh.echo]}}
  - {name: writes, effect: require_approval, match: {tool_names: [db.save]}}
"""
CONTEXT = {"identity": "agent@company.example", "workspace": "/srv", "risk_class": "low"}


class Service(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="countersign-gate-"))
        cls.appliance = Appliance(PROGRAMS, cls.folder / "appliance", approvers=["alice"], scopes=("tool:db.save", "phase:apply"))
        cls.appliance.init()
        cls.environment = {**os.environ, "COUNTERSIGN_SIGNER": str(cls.appliance.socket)}
        cls.program = str(PROGRAMS / "countersign")
        cls.start_appliance()
        cls.policy = cls.folder / "policy.yaml"
        cls.policy.write_text(POLICY)
        cls.socket = str(cls.folder / "gate.sock")
        cls.server = subprocess.Popen(
            [cls.program, "gate", "serve", "--socket", cls.socket, "--policy", str(cls.policy), "--kill-switch-state",
             str(cls.folder / "kill.json"), "--json"], env=cls.environment, stdout=subprocess.PIPE, text=True)
        (cls.folder / "kill.json").write_text('{"schema_id":"gait.gate.kill_switch_state","schema_version":"1.0.0","entries":[]}')
        cls.started = json.loads(cls.server.stdout.readline())
        cls.gate = Gate(cls.socket, signer=str(cls.appliance.socket), trust=cls.appliance.folder / "published",
                        program=cls.program, timeout=30)
        cls.ran = []

    @classmethod
    def start_appliance(cls):
        cls.appliance.launch()
        subprocess.run([cls.program, "status", "--wait", "60s"], env=cls.environment, check=True, capture_output=True)

    @classmethod
    def tearDownClass(cls):
        cls.server.send_signal(signal.SIGTERM)
        cls.server.wait(20)
        cls.server.stdout.close()
        cls.appliance.stop()
        shutil.rmtree(cls.folder)

    def setUp(self):
        self.ran.clear()

    def intent(self, tool="kb.read", **args):
        return {"tool_name": tool, "args": args, "targets": [], "context": CONTEXT}

    def asks(self, method, path, body=None):
        """Status and JSON of one plain request."""
        import countersign.gate as client
        connection = client._UnixConnection(self.socket, client.time.monotonic() + 30)
        connection.request(method, path, body, {"Content-Type": "application/json"} if body is not None else {})
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, text

    def refused(self, code, function, *args, **named):
        with self.assertRaises(NotAllowed) as caught:
            function(*args, **named)
        self.assertEqual(caught.exception.code, code)
        self.assertEqual(self.ran, [])
        return caught.exception

    def test_answers_as_the_command_does(self):
        answer = self.gate.decide(self.intent(q="x"))
        (self.folder / "i.json").write_text(json.dumps(self.intent(q="x")))
        said = subprocess.run([self.program, "gate", "eval", "--policy", str(self.policy), "--intent", str(self.folder / "i.json"),
                               "--trace-out", str(self.folder / "t.json"), "--json"], env=self.environment, capture_output=True, text=True)
        command = json.loads(said.stdout)
        for member in ("trace_path", "correlation_id"):
            command.pop(member, None)
        self.assertEqual({k: answer[k] for k in command}, command)
        self.assertEqual(answer["trace"]["verdict"], "allow")
        self.assertEqual(answer["policy_digest"], self.started["policies"][0]["digest"])

    def test_a_batch_answers_each_by_itself(self):
        requests = [{"intent": self.intent()}, {"intent": {}}, {"intent": self.intent("other.tool")}]
        status, text = self.asks("POST", "/v1/evaluate-batch", json.dumps({"requests": requests}))
        self.assertEqual(status, 200)
        rows = json.loads(text)["results"]
        self.assertEqual([row.get("verdict") for row in rows], ["allow", None, "block"])
        self.assertEqual(rows[1]["ok"], False)

    def test_bad_requests_are_refused(self):
        for body in ("", "[]", "{}", '{"intent":[]}', '{"intent":{},"intent":{}}', '{"intent":{},"Policy":1}',
                     json.dumps({"intent": self.intent(), "more": 1}), json.dumps({"intent": self.intent(), "approval_tokens": {}})):
            self.assertEqual(self.asks("POST", "/v1/evaluate", body)[0], 400, body)
        self.assertEqual(self.asks("POST", "/v1/evaluate", json.dumps({"intent": self.intent(), "policy": "0" * 64}))[0], 404)
        self.assertEqual(self.asks("GET", "/v1/nothing")[0], 404)
        self.assertEqual(self.asks("POST", "/v1/evaluate", '{"intent":"' + "x" * (1 << 20) + '"}')[0], 413)

    def test_health_and_metrics(self):
        self.assertEqual(self.asks("GET", "/healthz")[0], 200)
        self.assertEqual(self.asks("GET", "/readyz")[0], 200)
        self.gate.decide(self.intent())
        self.assertIn('countersign_gate_verdicts_total{verdict="allow"}', self.asks("GET", "/metrics")[1])

    def test_policies_are_read_again_only_on_request(self):
        before = self.gate.decide(self.intent())["policy_digest"]
        try:
            self.policy.write_text(POLICY.replace("kb.read, ", ""))
            self.assertEqual(self.gate.decide(self.intent())["policy_digest"], before)
            status, text = self.asks("POST", "/v1/reload", "{}")
            self.assertEqual(status, 200)
            answer = self.gate.decide(self.intent())
            self.assertEqual(answer["policy_digest"], json.loads(text)["policies"][0]["digest"])
            self.assertEqual(answer["verdict"], "block")
            self.policy.write_text("rules: [")
            self.assertEqual(self.asks("POST", "/v1/reload", "{}")[0], 400)
            self.assertEqual(self.gate.decide(self.intent())["policy_digest"], answer["policy_digest"])
        finally:
            self.policy.write_text(POLICY)
            self.assertEqual(self.asks("POST", "/v1/reload", "{}")[0], 200)

    def test_a_kill_switch_that_cannot_be_read_stops_everything(self):
        (self.folder / "kill.json").rename(self.folder / "away.json")
        try:
            # As the command: what is risky is blocked, for the rest there is no decision.
            risky = {**self.intent(), "context": {**CONTEXT, "risk_class": "high"}}
            self.assertEqual(self.gate.decide(risky)["verdict"], "block")
            self.refused("invalid", self.gate.decide, self.intent())
        finally:
            (self.folder / "away.json").rename(self.folder / "kill.json")

    def test_a_function_runs_once_for_each_permit(self):
        @self.gate.guarded("kb.read", context=CONTEXT)
        def read(key, times=1):
            self.ran.append((key, times))
            return key.upper()

        self.assertEqual(read("a"), "A")
        self.assertEqual(read(key="b", times=2), "B")
        self.assertEqual(self.ran, [("a", 1), ("b", 2)])

    def test_a_permit_is_spent_once_and_for_its_intent(self):
        intent = self.intent(q="once")
        answer = self.gate.decide(intent)
        paths = {}
        for name, document in (("trace", answer["trace"]), ("intent", intent), ("other", self.intent(q="twice"))):
            paths[name] = str(self.folder / f"{name}.json")
            pathlib.Path(paths[name]).write_text(json.dumps(document))
        spend = [self.program, "permit", "--trace", paths["trace"], "--trust", str(self.appliance.folder / "published"), "--json"]
        codes = [subprocess.run([*spend, "--intent", paths[i]], env=self.environment, capture_output=True).returncode
                 for i in ("other", "intent", "intent")]
        self.assertEqual(codes, [3, 0, 3])

    def test_what_is_not_allowed_does_not_run(self):
        self.refused("block", self.gate.call, self.ran.append, 1, intent=self.intent("other.tool"))
        needed = self.refused("require_approval", self.gate.call, self.ran.append, 1, intent=self.intent("db.save", n=1))
        self.assertIn("tool:db.save", needed.answer["required_scopes"])
        self.refused("invalid", self.gate.call, self.ran.append, 1, intent={"tool_name": ""})

    def test_an_approved_call_runs(self):
        intent = intent_of_call("openai", {"function": {"name": "db.save", "arguments": '{"n": 2}'}}, context=CONTEXT)
        needed = self.refused("require_approval", self.gate.call, self.ran.append, 1, intent=intent).answer
        done = subprocess.run([self.program, "approve", "--intent-digest", needed["intent_digest"], "--policy-digest", needed["policy_digest"],
                               "--ttl", "10m", "--scope", ",".join(needed["required_scopes"]), "--approver", "alice@company.example",
                               "--reason-code", "CHG-1", "--ssh-key", str(self.appliance.folder / "keys" / "alice"), "--out",
                               str(self.folder / "token.json"), "--json"], env=self.environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        token = json.loads((self.folder / "token.json").read_text())
        self.gate.call(self.ran.append, "saved", intent=intent, approvals=[token])
        self.assertEqual(self.ran, ["saved"])
        self.ran.clear()
        self.refused("require_approval", self.gate.call, self.ran.append, 1, intent=intent, approvals=[token])

    def test_a_command_runs_as_it_was_allowed(self):
        done = self.gate.run(["echo", "hello"], tool_name="sh.echo", context=CONTEXT, capture_output=True, text=True)
        self.assertEqual(done.stdout, "hello\n")
        self.refused("not_found", self.gate.run, ["no-such-program-here"], tool_name="sh.echo", context=CONTEXT)
        with self.assertRaises(ValueError):
            self.gate.run(["echo"], tool_name="sh.echo", context=CONTEXT, shell=True)

    def example(self, name, *words):
        words = [self.socket, str(self.appliance.socket), str(self.appliance.folder / "published"), self.program, *words]
        return subprocess.run([sys.executable, "-B", str(SOURCE / "examples" / name), *words], capture_output=True, text=True)

    def test_the_examples_do_what_they_say(self):
        done = self.example("shell_command.py", "--", "echo", "hello")
        self.assertEqual((done.returncode, done.stdout), (0, "hello\n"), done.stderr)
        self.assertEqual(self.example("python_tool.py").stdout, "article password reset\nnot run: block\n")

    def liar(self, answer):
        """A gate that answers `answer` to everything, or nothing where that is None; its path."""
        path = str(self.folder / f"liar{len(list(self.folder.glob('liar*')))}.sock")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        self.addCleanup(listener.close)

        def serve():
            connection, _ = listener.accept()
            with connection:
                # To the end of the request: closing with bytes unread would take the answer back.
                asked = b""
                while b"\r\n\r\n" not in asked:
                    asked += connection.recv(1 << 16)
                head, _, body = asked.partition(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split()[0])
                while len(body) < length:
                    body += connection.recv(1 << 16)
                if answer is None:
                    threading.Event().wait(2)
                    return
                body = json.dumps(answer).encode()
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

        threading.Thread(target=serve, daemon=True).start()
        return Gate(path, signer=self.gate.signer, trust=self.gate.trust, program=self.program, timeout=30)

    def test_a_gate_that_lies_or_is_silent_allows_nothing(self):
        intent = self.intent("db.save", n=9)
        blocked = self.gate.decide(intent)["trace"]
        self.refused("signed_digest_mismatch", self.liar({"verdict": "allow", "trace": {**blocked, "verdict": "allow"}}).call, self.ran.append, 1, intent=intent)
        self.refused("verdict_not_allow", self.liar({"verdict": "allow", "trace": blocked}).call, self.ran.append, 1, intent=intent)
        other = self.gate.decide(self.intent(q="other"))["trace"]
        self.refused("intent_mismatch", self.liar({"verdict": "allow", "trace": other}).call, self.ran.append, 1, intent=intent)
        self.refused("allow", self.liar({"verdict": "allow"}).call, self.ran.append, 1, intent=intent)
        silent = self.liar(None)
        silent.timeout = 0.3
        self.refused("no_answer", silent.call, self.ran.append, 1, intent=intent)
        self.refused("no_answer", Gate(str(self.folder / "nobody.sock")).call, self.ran.append, 1, intent=intent)

    def test_z_without_the_signer_nothing_is_allowed(self):
        self.appliance.stop()
        try:
            self.assertEqual(self.asks("GET", "/healthz")[0], 200)
            self.assertEqual(self.asks("GET", "/readyz")[0], 503)
            status, _ = self.asks("POST", "/v1/evaluate", json.dumps({"intent": self.intent()}))
            self.assertEqual(status, 503)
            with self.assertRaises(NotAllowed):
                self.gate.call(self.ran.append, 1, intent=self.intent())
            self.assertEqual(self.ran, [])
        finally:
            self.start_appliance()


if __name__ == "__main__":
    unittest.main()
