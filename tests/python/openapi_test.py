#!/usr/bin/env python3
"""docs/openapi.yaml against the programs: openapi_test.py PROGRAMS

Its paths and methods are those of the two tables of routes; of the gate also every status is asked for, from a gate that
runs: one that is written and not answered, or answered and not written, fails."""
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests" / "support"))
from appliance import Appliance  # noqa: E402
from serving_gate import ServingGate  # noqa: E402

PROGRAMS = pathlib.Path(sys.argv.pop(1)).resolve()
TEXT = (SOURCE / "docs" / "openapi.yaml").read_text()
POLICY = """\
default_verdict: block
rules:
  - {name: reads, effect: allow, match: {tool_names: [kb.read]}}
  - {name: counted, effect: allow, match: {tool_names: [kb.count]}, rate_limit: {requests: 3, window: hour, scope: tool}}
"""
CONTEXT = {"identity": "agent@company.example", "workspace": "/srv", "risk_class": "low"}
STRANGER, PEER = 65533, 65534


def documented(text):
    """{(path, method): (sockets, statuses)} of the file, which is written in the one form this reads."""
    found = {}
    paths = text.partition("\npaths:\n")[2].partition("\ncomponents:\n")[0]
    for path, operations in re.findall(r"^  (/.*):\n((?:    .*\n?)+)", paths, re.MULTILINE):
        for method, body in re.findall(r"^    ([a-z]+):\n((?:      .*\n?)+)", operations, re.MULTILINE):
            sockets = re.search(r"^      x-sockets: \[(.*)\]$", body, re.MULTILINE)[1].split(", ")
            responses = body.partition("\n      responses:")[2]
            found[path, method.upper()] = sockets, {int(status) for status in re.findall(r'"(\d{3})":', responses)}
    return found


def of_tool_calls(text):
    """The routes that `mcp serve` alone has."""
    return {path for (path, _), (sockets, _) in documented(text).items() if sockets == ["tool calls"]}


def of_gate(text):
    return {key: statuses for key, (sockets, statuses) in documented(text).items() if "gate" in sockets}


def routes(file):
    """(path, method, what follows it) of the table of routes in a source file."""
    return re.findall(r'\{Method::(\w+), "([^"]+)", (\w+)', (SOURCE / file).read_text())


def question(tool="kb.read", **members):
    return {"intent": {"tool_name": tool, "args": {}, "targets": [], "context": CONTEXT}, **members}


def at_once(path, data):
    """A connection on which these bytes were sent."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(60)
    connection.connect(path)
    connection.sendall(data)
    return connection


def status_of(connection):
    with connection:
        return int(connection.recv(1 << 16).split()[1])


def raw(method="GET", path="/healthz", headers="", version="1.1"):
    return f"{method} {path} HTTP/{version}\r\nHost: g\r\n{headers}\r\n".encode()


class Routes(unittest.TestCase):
    def test_the_gates_routes_are_those_of_the_file(self):
        self.assertEqual({(path, method.upper()) for method, path, _ in routes("command/gate/gate_http.cc")}, set(of_gate(TEXT)))

    def test_the_routes_of_tool_calls_are_those_of_the_file(self):
        source = (SOURCE / "command/gate/gate_http.cc").read_text()
        self.assertEqual(set(re.findall(r'constexpr std::string_view k\w+Route = "([^"]+)";', source)), of_tool_calls(TEXT))

    def test_the_signers_routes_are_those_of_the_file(self):
        """A route of a prefix serves what begins so; the publication's files are a route of their own."""
        written = {(re.sub(r"\{.*", "", path), method) for (path, method), (sockets, _) in documented(TEXT).items()
                   if sockets not in (["gate"], ["tool calls"])}
        served = {(path, method.upper()) for method, path, _ in routes("signer/daemon/router.cc")}
        self.assertEqual(written, served)

    def test_a_file_that_lacks_a_route_or_status_is_noticed(self):
        self.assertNotEqual(of_gate(TEXT.replace("\n  /v1/reload:", "\n  /v1/reloads:")), of_gate(TEXT))
        self.assertNotEqual(of_gate(TEXT.replace('"500"', '"501"')), of_gate(TEXT))
        self.assertEqual(of_gate(TEXT)["/v1/reload", "POST"], {200, 400, 403, 429})


@unittest.skipUnless(os.geteuid() == 0, "other users are needed, which only root can be")
class Statuses(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="countersign-openapi-"))
        cls.appliance = Appliance(PROGRAMS, cls.folder / "appliance")
        cls.appliance.init()
        cls.appliance.launch()
        subprocess.run([PROGRAMS / "countersign", "status", "--wait", "60s"], check=True, capture_output=True,
                       env={**os.environ, "COUNTERSIGN_SIGNER": str(cls.appliance.socket)})

    @classmethod
    def tearDownClass(cls):
        cls.appliance.stop()
        subprocess.run(["rm", "-rf", cls.folder], check=True)

    def setUp(self):
        self.seen = {}

    def serving(self, *flags, signer=None):
        gate = ServingGate(PROGRAMS / "countersign", POLICY, signer or self.appliance.socket, *flags)
        self.addCleanup(gate.end)
        gate.folder.chmod(0o755)  # for other users
        return gate

    def silent_signer(self):
        """A signer's listener that answers nobody."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.folder / f"{self.id()}.sock"))
        listener.listen()
        listener.settimeout(60)
        self.addCleanup(listener.close)
        return listener

    def ask(self, gate, method, path, body=None):
        status = gate.ask(body, path, method)[0]
        self.seen.setdefault((path, method), set()).add(status)
        return status

    def ask_everything(self, gate):
        for path, method in of_gate(TEXT):
            body = {"/v1/evaluate": question(), "/v1/evaluate-batch": {"requests": [question()]}}.get(path, {})
            self.ask(gate, method, path, body if method == "POST" else None)

    def as_user(self, uid, function):
        os.seteuid(uid)
        try:
            return function()
        finally:
            os.seteuid(0)

    def test_every_status_of_every_route(self):
        gate = self.serving("--peer-uid", str(PEER))
        self.ask_everything(gate)
        self.as_user(STRANGER, lambda: self.ask_everything(gate))
        self.assertEqual(self.as_user(PEER, lambda: self.ask(gate, "POST", "/v1/reload", {})), 403)
        self.assertEqual(self.as_user(PEER, lambda: self.ask(gate, "POST", "/v1/evaluate", question())), 200)
        self.ask(gate, "POST", "/v1/evaluate", {})
        self.ask(gate, "POST", "/v1/evaluate", question(policy="0" * 64))
        self.ask(gate, "POST", "/v1/evaluate", question(idempotency_key="k"))
        self.ask(gate, "POST", "/v1/evaluate", question("other", idempotency_key="k"))
        self.ask(gate, "POST", "/v1/evaluate-batch", [])
        self.ask(gate, "POST", "/v1/evaluate-batch", {"requests": [question()] * 65})
        gate.policy.write_text("rules: [")
        self.ask(gate, "POST", "/v1/reload", {})
        self.ask(self.serving("--rate-limit-state", "/dev/null/limits"), "POST", "/v1/evaluate", question("kb.count"))
        self.ask_too_much()
        self.ask_without_a_signer()
        self.assertEqual(self.seen, of_gate(TEXT))

    def ask_too_much(self):
        gate = self.serving("--requests-per-second", "1")
        limited = [key for key in of_gate(TEXT) if key[0] not in ("/healthz", "/readyz")]
        for path, method in limited:
            body = "{}" if method == "POST" else None
            self.assertTrue(any(self.ask_uncounted(gate, method, path, body) == 429 for _ in range(50)), path)
            self.seen.setdefault((path, method), set()).add(429)
        self.assertEqual({self.ask(gate, "GET", "/healthz") for _ in range(10)}, {200})

    def ask_uncounted(self, gate, method, path, body):
        return gate.ask(body, path, method)[0]

    def ask_without_a_signer(self):
        """One worker, kept busy by what comes before on the same connection: what waits too long is refused undecided."""
        gate = self.serving("--workers", "1", "--answer-within", "1", signer=self.silent_signer().getsockname())
        asked = [("/v1/evaluate", question())] * 3 + [("/v1/evaluate-batch", {"requests": [question()]})]
        bodies = [(path, json.dumps(body).encode()) for path, body in asked]
        connection = at_once(gate.socket, b"".join(raw("POST", path, f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n") + body
                                                   for path, body in bodies))
        with connection, connection.makefile("rb") as answers:
            for path, _ in asked:
                status = int(answers.readline().split()[1])
                self.seen[path, "POST"].add(status)
                self.assertEqual(status, 503)
                length = 0
                while (line := answers.readline().strip().lower()):
                    length = int(line.partition(b":")[2]) if line.startswith(b"content-length:") else length
                answers.read(length)
        self.assertEqual(self.ask(gate, "GET", "/readyz"), 503)

    def test_what_no_route_answers(self):
        written = {int(s) for s in re.findall(r'^  "(\d{3})":', TEXT.partition("\nx-any-path:")[2].partition("\npaths:")[0], re.MULTILINE)}
        gate = self.serving("--peer-uid", str(PEER))
        slow = at_once(gate.socket, b"GET /heal")
        seen = {status_of(at_once(gate.socket, data)) for data in (
            b"\0\1\2 \r\n\r\n", raw(path="/v1/nothing"), raw("GET", "/v1/evaluate"), raw("GET", "/" + "x" * 9000),
            raw("POST", "/v1/evaluate", "Content-Length: 2\r\n") + b"{}",
            raw("POST", "/v1/evaluate", "Content-Type: application/json\r\nContent-Length: 99999999\r\n"),
            raw("POST", "/v1/evaluate", "Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 2\r\n"))}
        seen.add(self.as_user(STRANGER, lambda: gate.ask(None, "/v1/nothing", "GET")[0]))
        signer = self.silent_signer()
        full = self.serving("--connections", "1", signer=signer.getsockname())
        body = json.dumps(question()).encode()
        with at_once(full.socket, raw("POST", "/v1/evaluate", f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n") + body):
            with signer.accept()[0]:  # the question has arrived: its connection is not idle
                seen.add(status_of(at_once(full.socket, raw())))
        # The signer alone has paths that take another method.
        seen.add(status_of(at_once(str(self.appliance.socket), raw("GET", "/v1/sign"))))
        seen.add(status_of(slow))
        self.assertEqual(seen, written)


if __name__ == "__main__":
    unittest.main()
