#!/usr/bin/env python3
"""A gate under load and faults, on a whole appliance: gate_faults_test.py PROGRAMS

Whatever breaks, an answer is a decision that the signer signed, or it is none: nobody is told allow otherwise."""
import concurrent.futures
import json
import os
import pathlib
import resource
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
import serving_gate  # noqa: E402
from countersign import Gate, NotAllowed  # noqa: E402

PROGRAMS = pathlib.Path(sys.argv.pop(1)).resolve()
PROGRAM = str(PROGRAMS / "countersign")
POLICY = """\
schema_id: gait.gate.policy
schema_version: 1.0.0
default_verdict: block
rules:
  - {name: reads, effect: allow, match: {tool_names: [kb.read]}}
  - {name: saves, effect: require_approval, match: {tool_names: [db.save, "db.it's $HOME; touch x", "db.a,tool:db.b", "db.'c, $HOME"]}}
  - {name: frozen, effect: allow, match: {tool_names: [db.frozen]}, freeze_window: {timezone: Europe/Berlin, effect: require_approval,
     windows: [{name: long, start: "2020-01-01T00:00:00", end: "2036-01-01T00:00:00"}]}}
  - {name: delegated, effect: allow, match: {tool_names: [db.read], require_delegation: true}}
  - {name: delegated_saves, effect: require_approval, match: {tool_names: [db.keep], require_delegation: true}}
  - {name: counted, effect: allow, match: {tool_names: [kb.count]}, rate_limit: {requests: 3, window: hour, scope: tool}}
"""
CONTEXT = {"identity": "agent@company.example", "workspace": "/srv", "risk_class": "low"}


def intent(tool="kb.read", **args):
    return {"tool_name": tool, "args": args, "targets": [], "context": CONTEXT}


class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="countersign-faults-"))
        cls.appliance = Appliance(PROGRAMS, cls.folder / "appliance", approvers=["alice"], scopes=("tool:*", "phase:apply", "destructive:apply", "delegate:write"))
        cls.appliance.init()
        cls.environment = {**os.environ, "COUNTERSIGN_SIGNER": str(cls.appliance.socket)}
        cls.start_appliance()

    @classmethod
    def start_appliance(cls):
        cls.appliance.launch()
        subprocess.run([PROGRAM, "status", "--wait", "60s"], env=cls.environment, check=True, capture_output=True)

    @classmethod
    def tearDownClass(cls):
        cls.appliance.stop()
        shutil.rmtree(cls.folder)

    def serving(self, *flags, signer=None, **named):
        gate = serving_gate.ServingGate(PROGRAM, POLICY, signer or self.appliance.socket, *flags, **named)
        self.addCleanup(gate.end)
        return gate

    def wrapped(self, gate):
        return Gate(gate.socket, signer=str(self.appliance.socket), trust=self.appliance.folder / "published",
                    program=PROGRAM, timeout=30)

    def test_a_killed_signer_means_no_decision_until_it_is_back(self):
        gate = self.serving()
        self.assertEqual(gate.verdict({"intent": intent()}), "allow")
        os.killpg(self.appliance.process.pid, signal.SIGKILL)
        self.appliance.process.wait()
        try:
            self.assertEqual(gate.verdict({"intent": intent()}), 503)
            self.assertEqual(gate.ask(None, "/readyz", "GET")[0], 503)
            self.assertEqual(gate.ask(None, "/healthz", "GET")[0], 200)
            ran = []
            with self.assertRaises(NotAllowed):
                self.wrapped(gate).call(ran.append, 1, intent=intent())
            self.assertEqual(ran, [])
        finally:
            self.start_appliance()
        self.assertEqual(gate.verdict({"intent": intent()}), "allow")

    def test_a_killed_gate_lets_nothing_run(self):
        gate = self.serving()
        wrapped = self.wrapped(gate)
        ran = []
        wrapped.call(ran.append, 1, intent=intent(n=1))
        gate.process.kill()
        gate.process.wait()
        with self.assertRaises(NotAllowed) as caught:
            wrapped.call(ran.append, 2, intent=intent(n=2))
        self.assertEqual(caught.exception.code, "no_answer")
        self.assertEqual(ran, [1])
        # Its socket file is stale now; the next one takes the place.
        again = subprocess.Popen([PROGRAM, "gate", "serve", "--socket", gate.socket, "--policy", str(gate.policy), "--signer",
                                  str(self.appliance.socket), "--json"], stdout=subprocess.PIPE, text=True)
        try:
            self.assertTrue(json.loads(again.stdout.readline())["ok"])
            wrapped.call(ran.append, 3, intent=intent(n=3))
            self.assertEqual(ran, [1, 3])
        finally:
            again.kill()
            again.wait()
            again.stdout.close()

    def refused(self, answer, status, code):
        self.assertEqual((answer[0], code_of(answer[1])), (status, code), answer)

    def silent_signer(self):
        """A socket where the kernel connects and nobody answers."""
        path = str(self.folder / f"silent-{self.id().rsplit('.', 1)[1]}.sock")[:107]
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        listener.listen(64)
        self.addCleanup(listener.close)
        return path, listener

    def test_a_slow_signer_means_no_decision_in_time(self):
        path, _ = self.silent_signer()
        gate = self.serving("--answer-within", "1", "--workers", "2", signer=path)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: gate.ask({"intent": intent()}), range(8)))
        self.assertEqual({status for status, _ in answers}, {503})
        self.assertEqual(gate.ask(None, "/healthz", "GET")[0], 200)
        self.assertNotIn("verdicts_total{", gate.ask(None, "/metrics", "GET")[1])

    def test_a_gate_that_dies_while_it_is_asked_decides_nothing_for_the_caller(self):
        path, listener = self.silent_signer()
        gate = self.serving("--answer-within", "60", signer=path)
        ran, codes = [], []

        def ask():
            try:
                self.wrapped(gate).call(ran.append, 1, intent=intent(n=9))
            except NotAllowed as refusal:
                codes.append(refusal.code)

        caller = threading.Thread(target=ask)
        caller.start()
        held, _ = listener.accept()  # a worker is about to have the decision signed
        self.addCleanup(held.close)
        gate.process.kill()
        caller.join(60)
        self.assertEqual((ran, codes), ([], ["no_answer"]))

    def test_more_work_than_it_takes_on_is_refused_not_kept(self):
        path, _ = self.silent_signer()
        gate = self.serving("--workers", "1", "--answer-within", "2", signer=path)
        with concurrent.futures.ThreadPoolExecutor(300) as pool:
            answers = list(pool.map(lambda i: gate.ask({"intent": intent(n=i)}), range(300)))
        self.assertEqual({status for status, _ in answers}, {503})
        self.assertIn("gate_busy", {code_of(text) for _, text in answers})
        self.assertGreaterEqual(sum("more evaluations wait" in text for _, text in answers), 300 - 256 - 1)
        self.assertIn("waited too long", " ".join(text for _, text in answers))

    def test_a_policy_that_is_replaced_counts_after_a_reload_and_never_half(self):
        gate = self.serving()
        digests, stop = set(), threading.Event()

        def ask():
            while not stop.is_set():
                status, text = gate.ask({"intent": intent()})
                answer = json.loads(text)
                digests.add((status, answer.get("verdict"), answer.get("policy_digest")))

        askers = [threading.Thread(target=ask) for _ in range(2)]
        for asker in askers:
            asker.start()
        known = {("allow", gate.started["policies"][0]["digest"])}
        try:
            for turn in range(6):
                text = POLICY if turn % 2 else POLICY.replace("kb.read]", "kb.read, kb.list]")
                gate.policy.write_text(text[:40])  # torn: what a copy in progress looks like
                self.assertEqual(gate.ask("{}", "/v1/reload")[0], 400)
                gate.policy.write_text(text)
                status, said = gate.ask("{}", "/v1/reload")
                self.assertEqual(status, 200)
                known.add(("allow", json.loads(said)["policies"][0]["digest"]))
        finally:
            stop.set()
            for asker in askers:
                asker.join()
        self.assertEqual({status for status, _, _ in digests}, {200})
        self.assertLessEqual({(verdict, digest) for _, verdict, digest in digests}, known)

    def test_a_thousand_connections_are_served(self):
        gate = self.serving()
        sockets = []
        self.addCleanup(lambda: [each.close() for each in sockets])
        need = 1400
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < need:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(need, hard), hard))
        for _ in range(1000):
            each = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            each.settimeout(60)
            each.connect(gate.socket)
            sockets.append(each)
        body = json.dumps({"intent": intent()}).encode()
        head = b"POST /v1/evaluate HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        for each in sockets[::10]:
            each.sendall(head % len(body) + body)
        statuses = [read_status(each) for each in sockets[::10]]
        self.assertEqual(set(statuses), {200})
        for each in sockets[1::10]:
            each.sendall(b"GET /healthz HTTP/1.1\r\nHost: g\r\n\r\n")
        self.assertEqual({read_status(each) for each in sockets[1::10]}, {200})

    def test_without_descriptors_it_refuses_and_recovers(self):
        gate = self.serving(files=48)
        self.assertEqual(gate.verdict({"intent": intent()}), "allow")
        sockets = []
        for _ in range(120):
            each = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            each.settimeout(5)
            try:
                each.connect(gate.socket)
                sockets.append(each)
            except OSError:
                each.close()
        self.assertIn(gate.verdict({"intent": intent()}), ("allow", 503))  # an idle one makes room
        for each in sockets:
            each.close()
        self.assertEqual(gate.verdict({"intent": intent()}), "allow")
        self.assertIsNone(gate.process.poll())

    def test_malformed_huge_and_silent_clients_cost_nobody_else(self):
        gate = self.serving()
        hostile = [b"\x00" * 64, b"GET " + b"/" * 9000, b"POST /v1/evaluate HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                   b"POST /v1/evaluate HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n",
                   b"POST /v1/evaluate HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", b""]
        sockets = []
        for bytes_sent in hostile * 5:
            each = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            each.connect(gate.socket)
            each.sendall(bytes_sent)
            sockets.append(each)
        deep = '{"intent":' + "[" * 200 + "]" * 200 + "}"
        for body in (deep, '{"intent":{"tool_name":"kb.read"}', '{"intent":{"a":1,"A":2}}', json.dumps({"intent": intent(), "check": 1}),
                     json.dumps({"intent": intent(), "policy": POLICY}), json.dumps({"intent": intent(), "approval_tokens": [{}] * 65})):
            self.assertIn(gate.ask(body)[0], (400, 403), body[:80])
        self.assertEqual(gate.verdict({"intent": intent()}), "allow")
        for each in sockets:
            each.close()

    def test_limits_are_counted_by_all_workers_together(self):
        gate = self.serving()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            verdicts = list(pool.map(lambda i: gate.verdict({"intent": intent("kb.count", n=i)}), range(8)))
        self.assertEqual(sorted(verdicts), ["allow"] * 3 + ["block"] * 5)

    def test_a_repeated_request_is_answered_again_and_counted_once(self):
        gate = self.serving()
        question = {"intent": intent("kb.count", n="again"), "idempotency_key": "k-1"}
        first = json.loads(gate.ask(question)[1])
        for _ in range(4):
            self.assertEqual(json.loads(gate.ask(question)[1]), first)
        self.refused(gate.ask({**question, "intent": intent("kb.count", n="other")}), 409, "idempotency_conflict")
        self.assertEqual(gate.verdict({"intent": intent("kb.count", n=2)}), "allow")

    def test_a_request_is_not_decided_twice_at_once(self):
        path, listener = self.silent_signer()
        gate = self.serving("--answer-within", "2", signer=path)
        question = {"intent": intent(), "idempotency_key": "k-2"}
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            first = pool.submit(gate.ask, question)
            held, _ = listener.accept()  # a worker is about to have it signed
            self.refused(gate.ask(question), 409, "idempotency_in_flight")
            held.close()
            self.assertEqual(first.result()[0], 503)
        # What was not decided leaves its key free.
        self.assertEqual(gate.ask(question)[0], 503)

    def test_a_policy_in_a_request_counts_only_where_configured(self):
        question = {"intent": intent("any.tool"), "policy": "default_verdict: allow\n"}
        gate = self.serving()
        self.refused(gate.ask(question), 403, "policy_in_request")
        self.refused(gate.ask({**question, "policy": "0" * 64}), 404, "policy_not_served")
        self.assertEqual(gate.verdict({**question, "policy": gate.started["policies"][0]["digest"]}), "block")
        gate = self.serving("--policy-in-request")
        self.assertEqual(gate.verdict(question), "allow")
        self.assertEqual(gate.ask({**question, "policy": "default_verdict: maybe\n"})[0], 400)
        self.assertEqual(gate.verdict({"intent": intent("any.tool")}), "block")

    def test_delegations_are_judged_here_too(self):
        gate = self.serving()
        question = {"tool_name": "db.read", "context": CONTEXT, "delegation": {
            "requester_identity": "agent-1", "scope_class": "write", "chain": [
                {"delegator_identity": "alice@company.example", "delegate_identity": "agent-1", "scope_class": "write"}]}}
        done = subprocess.run([PROGRAM, "delegate", "mint", "--delegator", "alice@company.example", "--delegate", "agent-1", "--scope",
                               "write", "--ttl", "10m", "--ssh-key", str(self.appliance.folder / "keys" / "alice"), "--out",
                               str(self.folder / "delegation.json"), "--json"], env=self.environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        token = json.loads((self.folder / "delegation.json").read_text())
        ran = []
        with self.assertRaises(NotAllowed) as caught:
            self.wrapped(gate).call(ran.append, 1, intent=question)
        self.assertEqual((caught.exception.code, ran), ("block", []))
        self.assertIn("delegation_token_missing", caught.exception.answer["reason_codes"])
        self.wrapped(gate).call(ran.append, 2, intent=question, delegations=[token])
        self.assertEqual(ran, [2])
        answer = json.loads(gate.ask({"intent": question, "delegation_tokens": [token]})[1])
        self.assertEqual(answer["delegation_audit"]["schema_id"], "gait.gate.delegation_audit_record")

    def test_the_approve_line_of_a_delegated_call(self):
        """An approval is bound to the delegation, too."""
        gate = self.serving()
        intent_of_it = {"tool_name": "db.keep", "context": CONTEXT, "delegation": {
            "requester_identity": "agent-1", "scope_class": "write", "chain": [
                {"delegator_identity": "alice@company.example", "delegate_identity": "agent-1", "scope_class": "write"}]}}
        key = str(self.appliance.folder / "keys" / "alice")
        room = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        minted = subprocess.run([PROGRAM, "delegate", "mint", "--delegator", "alice@company.example", "--delegate", "agent-1", "--scope",
                                 "write", "--ttl", "10m", "--ssh-key", key, "--out", str(room / "delegation.json")],
                                env=self.environment, capture_output=True, text=True)
        self.assertEqual(minted.returncode, 0, minted.stderr)
        question = {"intent": intent_of_it, "delegation_tokens": [json.loads((room / "delegation.json").read_text())]}
        needed = json.loads(gate.ask(question)[1])
        self.assertEqual(needed["verdict"], "require_approval", needed)
        environment = {**self.environment, "PATH": f"{PROGRAMS}:{os.environ['PATH']}", "APPROVER": "alice@company.example",
                       "TICKET": "CHG-8", "COUNTERSIGN_APPROVER_KEY": key}
        done = subprocess.run(["sh", "-c", needed["approve"]], cwd=room, env=environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        token = json.loads((room / "token.json").read_text())
        self.assertEqual(gate.verdict({**question, "approval_tokens": [token]}), "allow")

    def approved_as_printed(self, gate, question, needed):
        """Typed into a shell as it is printed: the token counts, once, for what was asked and nothing else."""
        room = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        environment = {**self.environment, "PATH": f"{PROGRAMS}:{os.environ['PATH']}", "APPROVER": "alice@company.example",
                       "TICKET": "CHG-7", "COUNTERSIGN_APPROVER_KEY": str(self.appliance.folder / "keys" / "alice")}
        done = subprocess.run(["sh", "-c", needed["approve"]], cwd=room, env=environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertFalse((room / "x").exists())
        token = json.loads((room / "token.json").read_text())
        self.assertEqual(sorted(token["scope"]), sorted(needed["required_scopes"]))
        self.assertEqual(gate.verdict({**question, "approval_tokens": [token]}), "allow")
        self.assertEqual(gate.verdict({**question, "approval_tokens": [token]}), "require_approval")

    def test_the_approve_line_of_scripts_and_freeze_windows(self):
        gate = self.serving()
        steps = [{"tool_name": "kb.read", "args": {}}, {"tool_name": "db.save", "args": {"n": 1}, "targets": [
            {"kind": "path", "value": "/srv/a", "operation": "delete"}]}]
        script = {"tool_name": "script", "args": {}, "script": {"steps": steps}, "context": CONTEXT}
        for name, asked, scopes, code in (
                ("a script", script, ["destructive:apply", "phase:apply", "tool:script"], "matched_rule_saves"),
                ("a script of a tool with a comma", {**script, "script": {"steps": [{"tool_name": "db.a,tool:db.b", "args": {}}]}},
                 ["tool:script"], "matched_rule_saves"),
                ("a freeze window", intent("db.frozen", n=1), ["tool:db.frozen"], "freeze_window_active_require_approval")):
            with self.subTest(name):
                needed = json.loads(gate.ask({"intent": asked})[1])
                self.assertEqual(needed["verdict"], "require_approval", needed)
                self.assertEqual(needed["required_scopes"], scopes)
                self.assertIn(code, needed["reason_codes"])
                self.approved_as_printed(gate, {"intent": asked}, needed)

    def test_the_approve_line_leads_to_allow(self):
        """For a plain tool, a destructive call, and names that a shell or a list of commas would act on."""
        gate = self.serving()
        write = {"kind": "path", "value": "/srv/a", "operation": "write"}
        destroy = {"kind": "path", "value": "/srv/a", "operation": "delete", "destructive": True}
        for tool, target, scopes in (("db.save", write, ["tool:db.save"]), ("db.save", destroy, ["destructive:apply", "tool:db.save"]),
                                     ("db.it's $HOME; touch x", write, ["tool:db.it's $home; touch x"]),
                                     ("db.a,tool:db.b", write, ["tool:db.a,tool:db.b"]),
                                     ("db.'c, $HOME", destroy, ["destructive:apply", "phase:apply", "tool:db.'c, $home"])):
            with self.subTest(tool=tool, target=target):
                question = {"intent": {**intent(tool, n=3), "targets": [target]}}
                needed = json.loads(gate.ask(question)[1])
                self.assertEqual(needed["verdict"], "require_approval", needed)
                self.assertEqual([(r["code"], r["rule"]) for r in needed["explanation"]["reasons"] if "rule" in r][0],
                                 ("matched_rule_saves", "saves"))
                self.assertEqual([scope for scope in needed["required_scopes"] if scope in scopes], scopes)
                self.approved_as_printed(gate, question, needed)


def code_of(text):
    return json.loads(text).get("error", {}).get("code")


def read_status(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return 0
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    while len(rest) < length:
        rest += connection.recv(65536)
    return int(head.split()[1])


if __name__ == "__main__":
    unittest.main()
