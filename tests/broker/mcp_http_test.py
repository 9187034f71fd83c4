#!/usr/bin/env python3
"""`broker mcp --listen`: MCP over Streamable HTTP as clients see it, on loopback and on a Unix socket. Each refusal beside the acceptance."""
import hashlib
import http.client
import importlib.util
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from appliance import Appliance  # noqa: E402
from broker import Broker  # noqa: E402

PROGRAMS = sys.argv.pop(1)
BOTH = "application/json, text/event-stream"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", CAPABILITIES: {}}
SECRETS = {"robot": "made-up-secret-of-robot", "other": "made-up-secret-of-other"}  # test-only
NOBODY = 65534


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Front:
    """A running `broker mcp --listen`."""

    def __init__(self, broker, listen, *words):
        self.process = subprocess.Popen([str(broker.appliance.bin / "countersign"), "broker", "mcp", "--listen", listen, "--json",
                                         "--broker", str(broker.socket), *words], stdout=subprocess.PIPE, text=True)
        self.where = json.loads(self.process.stdout.readline())["listening"]

    def connection(self):
        if self.where.startswith("/"):
            return UnixConnection(self.where)
        host, port = self.where.rsplit(":", 1)
        return http.client.HTTPConnection(host.strip("[]"), int(port), timeout=60)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        self.process.stdout.close()
        return code


class Client:
    """One client: its secret, and its session once it said hello."""

    def __init__(self, front, secret=None):
        self.front = front
        self.headers = {"Accept": BOTH, "Content-Type": "application/json"}
        if secret:
            self.headers["Authorization"] = f"Bearer {secret}"
        self.number = 0

    def send(self, method, body=None, path="/mcp", **headers):
        """Status, headers and body of the answer; a header of value None is left out."""
        whole = {name: value for name, value in {**self.headers, **{n.replace("_", "-"): v for n, v in headers.items()}}.items() if value is not None}
        connection = self.front.connection()
        connection.putrequest(method, path, skip_host="Host" in {n.replace("_", "-") for n in headers})
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        for name, value in whole.items():
            for each in value if isinstance(value, list) else [value]:
                connection.putheader(name, each)
        connection.putheader("Content-Length", str(len(data)))
        connection.endheaders(data)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, answer.headers, json.loads(text) if text else None

    def message(self, method, params=None):
        self.number += 1
        return {"jsonrpc": "2.0", "id": self.number, "method": method, "params": params or {}}

    def ask(self, method, params=None, **headers):
        status, _, body = self.send("POST", self.message(method, params), **headers)
        return status, body

    def hello(self, version="2025-11-25"):
        status, headers, body = self.send("POST", self.message("initialize", {"protocolVersion": version, "capabilities": {},
                                                                              "clientInfo": {"name": "test", "version": "1"}}))
        assert status == 200, (status, body)
        self.headers["Mcp-Session-Id"] = headers["Mcp-Session-Id"]
        self.headers["MCP-Protocol-Version"] = body["result"]["protocolVersion"]
        status, _, nothing = self.send("POST", {"jsonrpc": "2.0", "method": "notifications/initialized"})
        assert (status, nothing) == (202, None)
        return body["result"]

    def call(self, name, arguments, **headers):
        status, body = self.ask("tools/call", {"name": name, "arguments": arguments}, **headers)
        assert status == 200, (status, body)
        return body["result"]

    def stateless(self, method, params=None, meta=META, **headers):
        params = {**(params or {}), "_meta": meta}
        told = {"MCP-Protocol-Version": meta.get("io.modelcontextprotocol/protocolVersion"), "Mcp-Method": method, "Mcp-Name": params.get("name")}
        told.update({name.replace("_", "-"): value for name, value in headers.items()})
        return self.ask(method, params, **told)

    def stream(self, message):
        """A POST that is kept open: its connection and the answer whose lines are read as they come."""
        connection = self.front.connection()
        connection.request("POST", "/mcp", json.dumps(message), self.headers)
        return connection, connection.getresponse()


def events(answer):
    """The messages of a stream as they come; None for a comment."""
    for line in answer:
        line = line.decode().rstrip("\n")
        if line.startswith("data: "):
            yield json.loads(line[6:])
        elif line.startswith(":"):
            yield None


class McpHttp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.room = tempfile.TemporaryDirectory(prefix="countersign-mcp-http-")
        cls.appliance = Appliance(PROGRAMS, pathlib.Path(cls.room.name) / "appliance", approvers=("alice",)).init()
        cls.appliance.start()
        agents = f'  nobody: {{uid: {NOBODY}, allow: ["fs:list"], deny: ["fs:write"]}}\n'
        for name, secret in SECRETS.items():
            file = cls.appliance.folder / f"{name}.secret"
            file.write_text(secret)
            file.chmod(0o400)
            agents += f'  {name}: {{secret: {name}.secret, allow: ["fs:list"], deny: ["fs:secrets"]}}\n'
        cls.broker = Broker(cls.appliance, lists='allow: ["fs:list"], deny: ["fs:secrets"]', agents=agents).start()
        cls.socket = str(cls.appliance.folder / "run" / "mcp.sock")
        cls.tcp = Front(cls.broker, "127.0.0.1:0", "--hold", "60")
        cls.unix = Front(cls.broker, f"unix:{cls.socket}", "--agent-id", "web")

    @classmethod
    def tearDownClass(cls):
        assert (cls.tcp.stop(), cls.unix.stop()) == (0, 0)
        assert cls.broker.stop() == 0
        cls.appliance.stop()
        cls.room.cleanup()

    def robot(self, name="robot"):
        return Client(self.tcp, SECRETS[name])

    def clients(self):
        return (("loopback", self.robot()), ("unix", Client(self.unix)))

    # Sessions.

    def test_a_session_from_hello_to_goodbye(self):
        for where, client in self.clients():
            with self.subTest(where):
                for asked, given in (("2024-11-05", "2024-11-05"), ("2025-03-26", "2025-03-26"), ("2025-11-25", "2025-11-25"), ("1999-01-01", "2025-11-25")):
                    client.headers.pop("Mcp-Session-Id", None)
                    client.headers.pop("MCP-Protocol-Version", None)
                    self.assertEqual(client.hello(asked)["protocolVersion"], given)
                self.assertRegex(client.headers["Mcp-Session-Id"], "^[0-9a-f]{64}$")
                self.assertEqual(client.ask("ping"), (200, {"jsonrpc": "2.0", "id": client.number, "result": {}}))
                names = [tool["name"] for tool in client.ask("tools/list")[1]["result"]["tools"]]
                self.assertEqual(names, ["fs__list", "fs__read", "fs__write"])
                done = client.call("fs__list", {})
                self.assertFalse(done["isError"], done)
                self.assertEqual(done["_meta"]["countersign/decision"]["verdict"], "allow")
                self.assertEqual(client.call("fs__secrets", {})["structuredContent"]["error"], "tool_not_found")
                status, _, body = client.send("DELETE")
                self.assertEqual((status, body), (204, None))
                self.assertEqual(client.send("DELETE")[0], 404)
                self.assertEqual(client.ask("tools/list")[0], 404)

    def test_a_session_is_its_callers_alone(self):
        owner = self.robot()
        owner.hello()
        session = owner.headers["Mcp-Session-Id"]
        thief = self.robot("other")
        self.assertEqual(thief.ask("tools/list", Mcp_Session_Id=session)[0], 404)
        self.assertEqual(thief.send("DELETE", Mcp_Session_Id=session)[0], 404)
        self.assertEqual(Client(self.unix).ask("tools/list", Mcp_Session_Id=session)[0], 404)
        for wrong, status in ((None, 400), ("", 404), ("0" * 64, 404), (session[:-1], 404), ([session, session], 400)):
            self.assertEqual(owner.ask("tools/list", Mcp_Session_Id=wrong)[0], status, wrong)
        self.assertEqual(owner.ask("tools/list")[0], 200)

    def test_the_version_is_the_one_agreed_upon(self):
        client = self.robot()
        client.hello("2025-06-18")
        for version, status in (("2025-06-18", 200), (None, 200), ("2025-11-25", 400), ("1999-01-01", 400), ("", 400), (["2025-06-18", "2025-06-18"], 400)):
            self.assertEqual(client.ask("tools/list", MCP_Protocol_Version=version)[0], status, version)

    def test_one_agent_has_so_many_sessions_and_no_more(self):
        first, client = self.robot("other"), self.robot("other")
        first.hello()
        for _ in range(64):
            client.headers.pop("Mcp-Session-Id", None)
            client.headers.pop("MCP-Protocol-Version", None)
            client.hello()
        self.assertEqual(first.ask("ping")[0], 404)  # the longest unused made room
        self.assertEqual(client.ask("ping")[0], 200)

    # Who asks.

    def test_loopback_wants_the_secret_of_an_agent(self):
        for value in (None, "", "Bearer", "Bearer ", "Bearer wrong-secret-of-nobody", f"Basic {SECRETS['robot']}", SECRETS["robot"],
                      "Bearer " + hashlib.sha256(SECRETS["robot"].encode()).hexdigest()):
            for method in ("initialize", "server/discover"):
                client = Client(self.tcp)
                if method == "initialize":
                    status, headers, body = client.send("POST", client.message("initialize", {"protocolVersion": "2025-11-25"}), Authorization=value)
                else:
                    status, body = client.stateless("server/discover", Authorization=value)
                    headers = {"WWW-Authenticate": "Bearer"}
                self.assertEqual((status, headers["WWW-Authenticate"]), (401, "Bearer"), (value, body))
                self.assertIn("error", body)
        robot = self.robot()
        robot.hello()
        twice = [robot.headers["Authorization"]] * 2
        self.assertEqual(robot.ask("ping", Authorization=twice)[0], 400)
        self.assertEqual(robot.ask("ping")[0], 200)

    def test_nobody_is_an_agent_by_saying_so(self):
        # `web` is known by its user, whom loopback does not tell; naming it changes nothing.
        front = Front(self.broker, "127.0.0.1:0", "--agent-id", "web")
        self.addCleanup(front.stop)
        status, body = Client(front, SECRETS["robot"]).stateless("tools/list")
        self.assertEqual(status, 401, body)
        front = Front(self.broker, "127.0.0.1:0", "--agent-id", "robot")
        self.addCleanup(front.stop)
        self.assertEqual(Client(front, SECRETS["robot"]).stateless("tools/list")[0], 200)
        self.assertEqual(Client(front, SECRETS["other"]).stateless("tools/list")[0], 401)

    @unittest.skipUnless(os.getuid() == 0, "only root can be several users")
    def test_on_a_unix_socket_the_kernel_says_who_asks(self):
        front = Front(self.broker, f"unix:{self.appliance.folder / 'run' / 'many.sock'}")
        self.addCleanup(front.stop)
        for folder in (pathlib.Path(self.room.name), self.appliance.folder, self.appliance.folder / "run"):
            folder.chmod(folder.stat().st_mode | 0o011)
        source = """
import json, socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); body = sys.argv[3].encode()
s.sendall(b"POST %s HTTP/1.1\\r\\nHost: localhost\\r\\n%sContent-Type: application/json\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n" % (
    sys.argv[2].encode(), sys.argv[4].encode(), len(body)) + body)
answer = b""
while part := s.recv(65536): answer += part
print(answer.decode())
"""

        def as_user(uid, path, target, body, headers=""):
            done = subprocess.run(["/usr/bin/python3", "-c", source, str(path), target, json.dumps(body), headers], user=uid, group=uid,
                                  extra_groups=[], cwd="/", capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            return int(done.stdout.split(" ", 2)[1]), json.loads(done.stdout.split("\n\n", 1)[1])

        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": META}}
        told = "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/list\r\n"
        status, body = as_user(NOBODY, front.where, "/mcp", call, told)
        self.assertEqual((status, [tool["name"] for tool in body["result"]["tools"]]), (200, ["fs__list", "fs__read", "fs__secrets"]))
        self.assertEqual(as_user(NOBODY - 1, front.where, "/mcp", call, told)[0], 401)
        # What the front may say, nobody else may.
        status, body = as_user(NOBODY, self.broker.socket, "/v1/agent", {"peer_uid": 0, "agent_id": "web"})
        self.assertEqual((status, body["error"]["code"]), (403, "not_a_front"))
        self.assertEqual(as_user(NOBODY, self.broker.socket, "/v1/agent", {"peer_uid": NOBODY}), (200, {"agent_id": "nobody"}))
        self.assertEqual(as_user(NOBODY, self.broker.socket, "/v1/agent", {"peer_uid": None})[1]["error"]["code"], "unknown_agent")
        for wrong in (-1, 4294967295, "0", 1.5, {}):
            self.assertEqual(as_user(NOBODY, self.broker.socket, "/v1/agent", {"peer_uid": wrong})[0], 400, wrong)

    def test_nobody_is_a_person_through_a_front(self):
        # This user may judge requests (trial), but not by way of a front.
        self.assertEqual(self.broker.run("pending")[0], 0)
        ask = self.broker.connection()
        with self.assertRaises(Exception) as refused:
            ask.call("POST", "/v1/quarantine", {"peer_uid": os.getuid(), "tool_id": "fs:list", "reason": "x"})
        self.assertIn("not_a_person", str(refused.exception))

    # What browsers send.

    def test_host_and_origin(self):
        client, port = self.robot(), self.tcp.where.rsplit(":", 1)[1]
        client.hello()
        for host, status in ((f"127.0.0.1:{port}", 200), (f"localhost:{port}", 200), (f"[::1]:{port}", 200), (f"evil.example:{port}", 403), ("127.0.0.1", 403),
                             (f"127.0.0.1:{port}0", 403), (f"127.0.0.1.evil.example:{port}", 403), ("", 403), (None, 403)):
            self.assertEqual(client.ask("ping", Host=host)[0], status, host)
        for origin, status in ((f"http://127.0.0.1:{port}", 200), (f"http://localhost:{port}", 200), ("http://evil.example", 403), (f"http://evil.example:{port}", 403),
                               ("null", 403), ("", 403), (f"https://127.0.0.1:{port}", 403), (f"http://127.0.0.1:{port}@evil.example", 403),
                               ([f"http://127.0.0.1:{port}"] * 2, 400)):
            self.assertEqual(client.ask("ping", Origin=origin)[0], status, origin)
        # Without a secret the place is looked at first, so that a page learns nothing.
        self.assertEqual(Client(self.tcp).ask("ping", Origin="http://evil.example")[0], 403)
        local = Client(self.unix)
        local.hello()
        self.assertEqual(local.ask("ping", Origin="http://evil.example")[0], 403)
        self.assertEqual(local.ask("ping", Host="whatever")[0], 200)

    # HTTP.

    def test_methods_types_and_sizes(self):
        client = self.robot()
        client.hello()
        status, headers, _ = client.send("GET", Accept="text/event-stream")
        self.assertEqual((status, headers["Allow"]), (405, "POST, DELETE"))
        for method in ("PUT", "PATCH", "OPTIONS"):
            self.assertEqual(client.send(method)[0], 405, method)
        self.assertEqual(client.send("POST", client.message("ping"), path="/")[0], 404)
        self.assertEqual(client.send("POST", client.message("ping"), path="/mcp?x=1")[0], 200)
        self.assertEqual(client.ask("ping", Content_Type="text/plain")[0], 415)
        for accept, status in ((BOTH, 200), ("*/*", 200), ("application/*;q=0.5", 200), (None, 200), ("application/json", 200), ("text/html", 406), ("text/event-stream", 406)):
            self.assertEqual(client.ask("ping", Accept=accept)[0], status, accept)
        self.assertEqual(client.send("POST", b"x" * ((1 << 20) + 1))[0], 413)
        self.assertEqual(client.send("DELETE", Mcp_Session_Id=None)[0], 400)

    def test_what_is_no_message(self):
        client = self.robot()
        client.hello()
        for body, status, code in ((b"nonsense", 400, -32700), (b"", 400, -32700), (b"[]", 400, -32600), (b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', 400, -32700),
                                   (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', 400, -32600), (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', 400, -32600),
                                   (b'{"jsonrpc":"1.0","method":"ping"}', 400, -32600), (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}', 200, -32602),
                                   (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', 400, -32600)):
            answer = client.send("POST", body)
            self.assertEqual((answer[0], answer[2]["error"]["code"]), (status, code), body)
        for method in ("resources/read", "prompts/get"):
            status, body = client.ask(method)
            self.assertEqual((status, body["error"]["code"]), (200, -32602), method)
        for method in ("resources/subscribe", "sampling/createMessage", "completion/complete", "tasks/get"):
            status, body = client.ask(method)
            self.assertEqual((status, body["error"]["code"]), (200, -32601), method)
        self.assertEqual(client.send("POST", {"jsonrpc": "2.0", "id": 7, "result": {}})[0], 202)  # the answer to nothing
        self.assertEqual(client.ask("ping")[0], 200)

    def test_a_silent_client_holds_nobody_up(self):
        host, port = self.tcp.where.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=60) as slow:
            slow.sendall(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\n")
            client = self.robot()
            client.hello()
            self.assertEqual(client.ask("ping")[0], 200)
            self.assertIn(b"408", slow.recv(4096))  # in its time

    def test_only_loopback_and_unix_sockets(self):
        for address in ("0.0.0.0:0", "[::]:0", "localhost:0", "127.0.0.2:0", "192.0.2.1:8000", ":8000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "", "unix:"):
            done = subprocess.run([str(self.appliance.bin / "countersign"), "broker", "mcp", "--listen", address, "--broker", str(self.broker.socket)],
                                  capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
            self.assertNotEqual(done.returncode, 0, address)
        taken = subprocess.run([str(self.appliance.bin / "countersign"), "broker", "mcp", "--listen", self.tcp.where], capture_output=True, text=True, timeout=30)
        self.assertNotEqual(taken.returncode, 0)
        lent = subprocess.run([str(self.appliance.bin / "countersign"), "broker", "mcp", "--listen", "127.0.0.1:0", "--agent-secret",
                               str(self.appliance.folder / "robot.secret")], capture_output=True, text=True, timeout=30)
        self.assertNotEqual(lent.returncode, 0)
        self.assertIn("Bearer", lent.stderr)
        six = Front(self.broker, "[::1]:0")
        self.addCleanup(six.stop)
        self.assertEqual(Client(six, SECRETS["robot"]).stateless("tools/list")[0], 200)

    def test_no_broker(self):
        front = Front(self.broker, "127.0.0.1:0", "--broker", "/nowhere/broker.sock")
        self.addCleanup(front.stop)
        self.assertEqual(Client(front, SECRETS["robot"]).stateless("tools/list")[0], 503)

    # The era without handshake.

    def test_without_handshake(self):
        for where, client in self.clients():
            with self.subTest(where):
                status, body = client.stateless("server/discover")
                self.assertEqual((status, body["result"]["supportedVersions"]), (200, ["2026-07-28"]))
                status, body = client.stateless("tools/list")
                self.assertEqual((status, body["result"]["resultType"], len(body["result"]["tools"])), (200, "complete", 3))
                status, body = client.stateless("tools/call", {"name": "fs__list", "arguments": {}})
                self.assertEqual((status, body["result"]["resultType"], body["result"]["isError"]), (200, "complete", False))
                encoded = "=?base64?ZnNfX2xpc3Q=?="
                self.assertEqual(client.stateless("tools/call", {"name": "fs__list", "arguments": {}}, Mcp_Name=encoded)[0], 200)
                for wrong in ({"Mcp_Method": "tools/list"}, {"Mcp_Method": None}, {"Mcp_Name": "fs__write"}, {"Mcp_Name": None}, {"Mcp_Name": "=?base64?%%?="},
                              {"MCP_Protocol_Version": "2025-11-25"}, {"MCP_Protocol_Version": None}, {"Mcp_Method": ["tools/call", "tools/call"]}):
                    status, body = client.stateless("tools/call", {"name": "fs__list", "arguments": {}}, **wrong)
                    self.assertEqual((status, body["error"]["code"]), (400, -32020), wrong)
                status, body = client.stateless("tools/list", meta={**META, "io.modelcontextprotocol/protocolVersion": "2027-01-01"})
                self.assertEqual((status, body["error"]["code"], body["error"]["data"]["supported"]), (400, -32022, ["2026-07-28"]))
                status, body = client.stateless("tools/list", meta={"io.modelcontextprotocol/protocolVersion": "2026-07-28"})
                self.assertEqual((status, body["error"]["code"]), (400, -32602))
                status, body = client.stateless("tools/list", meta={}, MCP_Protocol_Version="2026-07-28")
                self.assertEqual((status, body["error"]["code"]), (400, -32602))
                for method in ("ping", "initialize", "resources/subscribe"):
                    status, body = client.stateless(method)
                    self.assertEqual((status, body["error"]["code"]), (404, -32601), method)

    # Approval.

    def test_asks_and_runs_once_what_was_approved(self):
        for number, (where, client) in enumerate(self.clients()):
            with self.subTest(where):
                client.headers["Accept"] = "application/json"  # takes no stream: answered at once
                client.hello()
                arguments = {"path": f"http{number}.txt", "text": "x"}
                asked = client.call("fs__write", arguments)
                self.assertEqual((asked["isError"], asked["structuredContent"]["error"]), (True, "approval_required"), asked)
                self.assertEqual(asked["structuredContent"]["agent_id"], ("robot", "web")[number])
                request = asked["structuredContent"]["request_id"]
                self.assertEqual(client.call("fs__write", arguments)["structuredContent"]["request_id"], request)
                self.assertEqual(self.broker.approve(request, "alice", "--once")[0], 0)
                self.assertTrue(client.call("fs__write", {**arguments, "text": "y"})["isError"])  # another call
                self.assertFalse(client.call("fs__write", arguments)["isError"])
                self.assertTrue(client.call("fs__write", arguments)["isError"])
                self.assertEqual((self.broker.files / arguments["path"]).read_text(), "x")

    def waiting(self, path, meta=None):
        """A call that waits for people: client, connection, its events so far, and the request."""
        client = self.robot()
        client.hello()
        params = {"name": "fs__write", "arguments": {"path": path, "text": "z"}}
        message = client.message("tools/call", {**params, "_meta": meta} if meta else params)
        connection, answer = client.stream(message)
        self.addCleanup(connection.close)
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "text/event-stream"))
        told = events(answer)
        first = next(told)
        request = next(each["id"] for each in self.broker.run("pending")[1] if each["args"] == params["arguments"])
        return client, connection, told, first, request, message

    def test_holds_until_approved(self):
        for meta in (None, {"progressToken": "p1"}):
            path = "held-with.txt" if meta else "held.txt"
            _, _, told, first, request, message = self.waiting(path, meta)
            if meta:
                self.assertEqual((first["method"], first["params"]["progressToken"], first["params"]["progress"]), ("notifications/progress", "p1", 1))
            else:
                self.assertIsNone(first)  # a comment, so that a client who left is noticed
            self.assertEqual(self.broker.approve(request, "alice", "--once")[0], 0)
            *_, last = told
            self.assertEqual((last["id"], last["result"]["isError"]), (message["id"], False), last)
            self.assertEqual((self.broker.files / path).read_text(), "z")

    def test_holding_makes_no_calls(self):
        # Two calls a minute are allowed: one that asks, and one that runs.
        slow = self.broker.beside("slow", "limits: {calls_per_minute: 2}\n").start()
        self.addCleanup(slow.stop)
        front = Front(slow, "127.0.0.1:0", "--hold", "60")
        self.addCleanup(front.stop)
        client = Client(front, SECRETS["robot"])
        client.hello()
        arguments = {"path": "slow.txt", "text": "z"}
        connection, answer = client.stream(client.message("tools/call", {"name": "fs__write", "arguments": arguments}))
        self.addCleanup(connection.close)
        told = events(answer)
        self.assertEqual([next(told) for _ in range(4)], [None] * 4)
        request = slow.run("pending")[1][0]["id"]
        waiting = {"peer_uid": None, "agent_secret": SECRETS["robot"], "request_id": request}
        self.assertEqual(slow.connection().call("POST", "/v1/waiting", waiting), {"request_id": request, "waiting": True})
        for other in ({**waiting, "agent_secret": SECRETS["other"]}, {**waiting, "request_id": "0" * 16}):
            with self.assertRaises(Exception) as refused:
                slow.connection().call("POST", "/v1/waiting", other)
            self.assertIn("unknown_request", str(refused.exception))
        self.assertEqual(slow.approve(request, "alice", "--once")[0], 0)
        *_, last = told
        self.assertFalse(last["result"]["isError"], last)
        self.assertFalse(slow.connection().call("POST", "/v1/waiting", waiting)["waiting"])
        self.assertEqual(client.call("fs__list", {})["structuredContent"]["error"], "call_rate")

    def test_holds_without_handshake(self):
        client = self.robot()
        params = {"name": "fs__write", "arguments": {"path": "held-stateless.txt", "text": "s"}, "_meta": META}
        client.headers.update({"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "fs__write"})
        connection, answer = client.stream(client.message("tools/call", params))
        self.addCleanup(connection.close)
        told = events(answer)
        self.assertIsNone(next(told))
        request = next(each["id"] for each in self.broker.run("pending")[1] if each["args"] == params["arguments"])
        self.assertEqual(self.broker.approve(request, "alice", "--once")[0], 0)
        *_, last = told
        self.assertEqual((last["result"]["resultType"], last["result"]["isError"]), ("complete", False), last)

    def test_a_rejection_ends_the_wait(self):
        _, _, told, _, request, _ = self.waiting("rejected.txt")
        self.assertEqual(self.broker.run("reject", "--request-id", request, "--reason", "not today")[0], 0)
        *_, last = told
        self.assertEqual(last["result"]["structuredContent"]["error"], "rejected", last)

    def test_a_cancelled_call_does_not_run(self):
        client, _, told, _, request, message = self.waiting("cancelled.txt")
        note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": message["id"]}}
        thief = self.robot("other")
        thief.hello()
        self.assertEqual(thief.send("POST", note)[0], 202)  # of its own session: nothing there
        self.assertIsNone(next(told))
        self.assertEqual(client.send("POST", note)[0], 202)
        self.assertEqual([each for each in told if each], [])  # ends without an answer
        self.assertEqual(self.broker.approve(request, "alice", "--once")[0], 0)
        self.assertFalse((self.broker.files / "cancelled.txt").exists())
        self.assertFalse(client.call("fs__write", {"path": "cancelled.txt", "text": "z"})["isError"])
        self.assertEqual((self.broker.files / "cancelled.txt").read_text(), "z")

    def test_a_call_whose_session_ended_does_not_run(self):
        client, _, told, _, request, _ = self.waiting("ended.txt")
        self.assertEqual(client.send("DELETE")[0], 204)
        *_, last = told
        self.assertEqual(last["result"]["structuredContent"]["error"], "approval_required")
        self.assertEqual(self.broker.approve(request, "alice", "--once")[0], 0)
        self.assertFalse((self.broker.files / "ended.txt").exists())

    def test_a_call_whose_client_left_does_not_run(self):
        client, connection, _, _, request, _ = self.waiting("left.txt")
        connection.close()
        # The front looks once a second: others that wait are told twice more before anybody approves.
        _, _, told, _, _, _ = self.waiting("left-beside.txt")
        next(told), next(told)
        self.assertEqual(self.broker.approve(request, "alice", "--once")[0], 0)
        next(told), next(told)
        self.assertFalse((self.broker.files / "left.txt").exists())
        self.assertFalse(client.call("fs__write", {"path": "left.txt", "text": "z"})["isError"])

    def test_sigterm_answers_what_waits(self):
        front = Front(self.broker, "127.0.0.1:0", "--hold", "600")
        client = Client(front, SECRETS["robot"])
        client.hello()
        connection, answer = client.stream(client.message("tools/call", {"name": "fs__write", "arguments": {"path": "term.txt", "text": "t"}}))
        told = events(answer)
        self.assertIsNone(next(told))
        self.assertEqual(front.stop(), 0)
        *_, last = told
        self.assertEqual(last["result"]["structuredContent"]["error"], "approval_required")
        connection.close()

    def test_recorded_transcripts(self):
        recorded = json.loads((pathlib.Path(__file__).parent / "mcp_http_transcripts.json").read_text())
        self.assertEqual(len(recorded["transcripts"]), 4)
        for transcript in recorded["transcripts"]:
            session = None
            for exchange in transcript["exchanges"]:
                client = Client(self.unix)
                client.headers = {name: session if value == "SESSION" else value for name, value in exchange["headers"].items()}
                status, headers, answer = client.send(exchange["method"], exchange.get("body"))
                session = headers["Mcp-Session-Id"] or session
                for path, wanted in exchange["expect"].items():
                    found = {"status": status, **(answer or {})}
                    for part in path.split("."):
                        found = found[int(part) if part.isdigit() else part]
                    self.assertEqual(found, wanted, (transcript["name"], exchange, answer))

    @unittest.skipUnless(importlib.util.find_spec("mcp") and importlib.util.find_spec("mcp.client.client"), "the Python SDK of the protocol (PyPI: mcp, from 2.0) is not installed")
    def test_with_the_python_sdk(self):
        import asyncio

        from mcp import Client as SdkClient, MCPError
        from mcp.client.streamable_http import streamable_http_client
        from mcp.shared._httpx_utils import create_mcp_http_client

        async def talk(mode):
            http_client = create_mcp_http_client(headers={"Authorization": f"Bearer {SECRETS['robot']}"})
            async with http_client, SdkClient(streamable_http_client(f"http://{self.tcp.where}/mcp", http_client=http_client), mode=mode) as client:
                names = [tool.name for tool in (await client.list_tools()).tools]
                uris = [str(each.uri) for each in (await client.list_resources()).resources]
                self.assertEqual((uris, [each.name for each in (await client.list_prompts()).prompts]), (["countersign:fs/file:///docs/readme.txt"], ["fs__summary"]))
                with self.assertRaises(MCPError) as refused:
                    await client.read_resource(uris[0])
                self.assertEqual((refused.exception.error.code, refused.exception.error.data["error"]), (-32000, "approval_required"))
                return names, await client.call_tool("fs__list", {})

        for mode in ("legacy", "auto", "2026-07-28"):
            names, done = asyncio.run(talk(mode))
            self.assertEqual((names, done.is_error), (["fs__list", "fs__read", "fs__write"], False), mode)


if __name__ == "__main__":
    if not importlib.util.find_spec("mcp"):
        print("skipped: the lane with the Python SDK of the protocol (pip install mcp)", file=sys.stderr)
    unittest.main(verbosity=0, warnings="ignore")
