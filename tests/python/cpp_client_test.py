#!/usr/bin/env python3
"""The installed C++ client library, and the example that builds against it: cpp_client_test.py BUILD COMPILER

Installs the library into a folder, builds examples/cpp with nothing else of the product in sight, and runs it on a whole
appliance."""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / "python"), str(SOURCE / "tests" / "support")]
from appliance import Appliance  # noqa: E402
from countersign import Gate  # noqa: E402

BUILD, COMPILER = pathlib.Path(sys.argv.pop(1)).resolve(), sys.argv.pop(1)
PROGRAMS = BUILD / "bin"
PROGRAM = str(PROGRAMS / "countersign")
POLICY = """\
schema_id: gait.gate.policy
schema_version: 1.0.0
default_verdict: block
rules:
  - {name: reads, effect: allow, match: {tool_names: [kb.read, sh.echo]}}
  - {name: saves, effect: require_approval, match: {tool_names: [db.save]}}
"""
CONTEXT = {"identity": "ops-agent@company.example", "workspace": "/srv", "risk_class": "low"}
# One call in each shape that gait's `mcp proxy` accepts.
CALLS = {"mcp": {"name": "kb.read", "args": {"q": 1}},
         "openai": {"type": "function", "function": {"name": "kb.read", "arguments": "{\"q\": 2}"}},
         "anthropic": {"type": "tool_use", "name": "kb.read", "input": {"q": 3}},
         "langchain": {"tool": "kb.read", "tool_input": {"q": 4}},
         "claude_code": {"tool_name": "kb.read", "tool_input": {"q": 5}}}


class CppClient(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="countersign-cpp-"))
        built = cls.folder / "example"
        for words in (["cmake", "--install", BUILD, "--component", "client", "--prefix", cls.folder / "prefix"],
                      ["cmake", "-S", SOURCE / "examples" / "cpp", "-B", built, f"-DCMAKE_PREFIX_PATH={cls.folder / 'prefix'}",
                       f"-DCMAKE_CXX_COMPILER={COMPILER}", "-DCMAKE_CXX_FLAGS=-O0 -Wall -Wextra -Werror"],
                      ["cmake", "--build", built]):
            done = subprocess.run(words, capture_output=True, text=True)
            if done.returncode != 0:
                raise RuntimeError(done.stdout + done.stderr)
        cls.tool = str(built / "guarded_tool")
        cls.appliance = Appliance(PROGRAMS, cls.folder / "appliance", approvers=["alice"], scopes=("tool:db.save",))
        cls.appliance.init()
        cls.appliance.launch()
        cls.environment = {**os.environ, "COUNTERSIGN_SIGNER": str(cls.appliance.socket)}
        subprocess.run([PROGRAM, "status", "--wait", "60s"], env=cls.environment, check=True, capture_output=True)
        (cls.folder / "policy.yaml").write_text(POLICY)
        cls.socket = str(cls.folder / "gate.sock")
        cls.server = subprocess.Popen([PROGRAM, "gate", "serve", "--socket", cls.socket, "--policy", str(cls.folder / "policy.yaml"),
                                       "--json"], env=cls.environment, stdout=subprocess.PIPE, text=True)
        cls.server.stdout.readline()
        cls.trust = str(cls.appliance.folder / "published")

    @classmethod
    def tearDownClass(cls):
        cls.server.terminate()
        cls.server.wait(30)
        cls.server.stdout.close()
        cls.appliance.stop()
        shutil.rmtree(cls.folder)

    def run_tool(self, *words, gate=None, trust=None):
        return subprocess.run([self.tool, gate or self.socket, str(self.appliance.socket), trust or self.trust, *words],
                              capture_output=True, text=True, timeout=120)

    def call(self, adapter, call, *words, **named):
        (self.folder / "call.json").write_text(json.dumps(call))
        return self.run_tool(*words, "--call", adapter, str(self.folder / "call.json"), **named)

    def test_a_command_runs_as_it_was_allowed_and_passes_its_status_on(self):
        done = self.run_tool("--", "echo", "hello")
        self.assertEqual((done.returncode, done.stdout), (0, "hello\n"), done.stderr)
        self.assertEqual(self.run_tool("--", "sh", "-c", "exit 9").returncode, 9)
        absent = self.run_tool("--", "no-such-program-here")
        self.assertEqual((absent.returncode, absent.stdout), (3, ""))
        self.assertIn("program_not_found", absent.stderr)

    def test_every_shape_of_a_call_is_one_intent(self):
        for adapter, call in CALLS.items():
            done = self.call(adapter, call)
            self.assertEqual((done.returncode, done.stdout), (0, "the tool was called\n"), (adapter, done.stderr))
        for adapter, call in (("openai", CALLS["mcp"]), ("anthropic", {"name": "kb.read"}), ("unknown", CALLS["mcp"]),
                              ("openai", {"function": {"name": "kb.read", "arguments": "[1]"}}), ("mcp", {"name": " "})):
            done = self.call(adapter, call)
            self.assertEqual((done.returncode, done.stdout), (3, ""), (adapter, call))

    def test_what_is_not_allowed_does_not_run(self):
        done = self.call("mcp", {"name": "db.drop"})
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertIn("not run: block", done.stderr)

    def test_an_approved_call_runs_once(self):
        save = {"name": "db.save", "args": {"n": 1}}
        needed = self.call("mcp", save)
        self.assertEqual((needed.returncode, needed.stdout), (3, ""))
        line = next(each for each in needed.stderr.splitlines() if each.startswith("countersign approve"))
        environment = {**self.environment, "PATH": f"{PROGRAMS}:{os.environ['PATH']}", "APPROVER": "alice@company.example",
                       "TICKET": "CHG-1", "COUNTERSIGN_APPROVER_KEY": str(self.appliance.folder / "keys" / "alice")}
        done = subprocess.run(["sh", "-c", line], cwd=self.folder, env=environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        token = ("--approval", str(self.folder / "token.json"))
        self.assertEqual(self.call("mcp", save, *token).stdout, "the tool was called\n")
        again = self.call("mcp", save, *token)
        self.assertEqual((again.returncode, again.stdout), (3, ""))

    def test_foreign_keys_are_not_believed(self):
        foreign = self.folder / "foreign"
        foreign.mkdir()
        keys = json.loads((pathlib.Path(self.trust) / "keyset.json").read_text())
        keys["keys"] = [key for key in keys["keys"] if key["role"] != "trace"]
        (foreign / "keyset.json").write_text(json.dumps(keys))
        for trust in (str(foreign), str(self.folder / "nowhere")):
            done = self.run_tool("--", "echo", "hello", trust=trust)
            self.assertEqual((done.returncode, done.stdout), (3, ""), trust)

    def liar(self, answer):
        path = str(self.folder / f"liar{len(list(self.folder.glob('liar*')))}.sock")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        self.addCleanup(listener.close)

        def serve():
            connection, _ = listener.accept()
            with connection:
                asked = b""
                while b"\r\n\r\n" not in asked:
                    asked += connection.recv(1 << 16)
                head, _, body = asked.partition(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split()[0])
                while len(body) < length:
                    body += connection.recv(1 << 16)
                said = json.dumps(answer).encode()
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(said) + said)

        threading.Thread(target=serve, daemon=True).start()
        return path

    def test_a_gate_that_lies_allows_nothing(self):
        intent = {"schema_id": "gait.gate.intent_request", "schema_version": "1.0.0", "tool_name": "db.drop", "args": {},
                  "targets": [], "context": CONTEXT}
        gate = Gate(self.socket, signer=str(self.appliance.socket), trust=self.trust, program=PROGRAM, timeout=30)
        blocked = gate.decide(intent)
        allowed = gate.decide({**intent, "tool_name": "kb.read"})
        digests = {name: blocked[name] for name in ("intent_digest", "policy_digest")}
        lies = {"signed_digest_mismatch": {"verdict": "allow", **digests, "trace": {**blocked["trace"], "verdict": "allow"}},
                "bad_answer": {"verdict": "allow", **digests, "trace": blocked["trace"]},
                "intent_mismatch": allowed,
                "not run: bad_answer": {"verdict": "allow"}}
        for code, lie in lies.items():
            done = self.call("mcp", {"name": "db.drop"}, gate=self.liar(lie))
            self.assertEqual((done.returncode, done.stdout), (3, ""), code)
            self.assertIn(code, done.stderr)

    def test_a_gate_that_is_not_there_allows_nothing(self):
        done = self.run_tool("--", "echo", "hello", gate=str(self.folder / "nobody.sock"))
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertIn("no_connection", done.stderr)


if __name__ == "__main__":
    unittest.main()
