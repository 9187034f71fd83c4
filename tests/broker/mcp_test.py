#!/usr/bin/env python3
"""`broker mcp` as a client of the Model Context Protocol sees it: both eras, what is asked for, held and refused."""
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from appliance import Appliance  # noqa: E402
from broker import Broker  # noqa: E402

PROGRAMS = sys.argv.pop(1)
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}


class Client:
    def __init__(self, broker, *words):
        self.process = subprocess.Popen([str(broker.appliance.bin / "countersign"), "broker", "mcp", "--broker", str(broker.socket), *words],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.number = 0
        self.news = []

    def raw(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def read(self):
        while True:
            message = json.loads(self.process.stdout.readline())
            if "id" in message:
                return message
            self.news.append(message)

    def ask(self, method, params=None):
        self.number += 1
        self.raw(json.dumps({"jsonrpc": "2.0", "id": self.number, "method": method, "params": params or {}}))
        answer = self.read()
        assert answer["id"] == self.number, answer
        return answer

    def hello(self, version="2025-06-18"):
        answer = self.ask("initialize", {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}})
        self.raw('{"jsonrpc":"2.0","method":"notifications/initialized"}')
        return answer["result"]

    def call(self, name, arguments, meta=None):
        params = {"name": name, "arguments": arguments}
        if meta:
            params["_meta"] = meta
        return self.ask("tools/call", params)["result"]

    def close(self):
        self.process.stdin.close()
        code = self.process.wait(30)
        self.process.stdout.close()
        return code


class Mcp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.room = tempfile.TemporaryDirectory(prefix="countersign-mcp-")
        cls.appliance = Appliance(PROGRAMS, pathlib.Path(cls.room.name) / "appliance", approvers=("alice",)).init()
        cls.appliance.start()
        cls.broker = Broker(cls.appliance, lists='allow: ["fs:list"], deny: ["fs:secrets"]').start()

    @classmethod
    def tearDownClass(cls):
        assert cls.broker.stop() == 0
        cls.appliance.stop()
        cls.room.cleanup()

    def client(self, *words):
        client = Client(self.broker, *words)
        self.addCleanup(client.close)
        return client

    def test_handshake(self):
        for asked, given in (("2024-11-05", "2024-11-05"), ("2025-11-25", "2025-11-25"), ("1999-01-01", "2025-11-25")):
            self.assertEqual(self.client().hello(asked)["protocolVersion"], given)
        client = self.client()
        self.assertEqual(client.ask("tools/list")["error"]["code"], -32600)  # nobody said hello
        self.assertEqual(client.ask("ping")["result"], {})

    def test_lists_what_may_be_asked_for(self):
        client = self.client()
        client.hello()
        self.assertEqual([tool["name"] for tool in client.ask("tools/list")["result"]["tools"]], ["fs__list", "fs__read", "fs__write"])

    def test_calls_asks_and_refuses(self):
        client = self.client()
        client.hello()
        done = client.call("fs__list", {})
        self.assertFalse(done["isError"], done)
        self.assertEqual(done["_meta"]["countersign/decision"]["verdict"], "allow")
        asked = client.call("fs__write", {"path": "mcp.txt", "text": "x"})
        self.assertEqual((asked["isError"], asked["structuredContent"]["error"]), (True, "approval_required"), asked)
        self.assertEqual(self.broker.approve(asked["structuredContent"]["request_id"], "alice", "--once")[0], 0)
        self.assertFalse(client.call("fs__write", {"text": "x", "path": "mcp.txt"})["isError"])
        self.assertTrue(client.call("fs__write", {"text": "x", "path": "mcp.txt"})["isError"])
        denied = client.call("fs__secrets", {})
        self.assertEqual(denied["structuredContent"]["error"], "tool_not_found")

    def test_holds_until_approved(self):
        client = self.client("--hold", "60")
        client.hello()
        params = {"path": "held.txt", "text": "y"}
        results = []
        waiting = threading.Thread(target=lambda: results.append(client.call("fs__write", params, {"progressToken": 7})))
        waiting.start()
        request = None
        while request is None:  # polls a condition; the deadline is the call's
            request = next((each["id"] for each in self.broker.run("pending")[1] if each["args"] == params), None)
            self.assertTrue(waiting.is_alive(), results)
        self.assertEqual(self.broker.approve(request, "alice", "--once")[0], 0)
        waiting.join(60)
        self.assertFalse(results[0]["isError"], results)
        self.assertEqual((self.broker.files / "held.txt").read_text(), "y")
        self.assertTrue(all(news["params"]["progressToken"] == 7 for news in client.news))

    def test_without_handshake(self):
        client = self.client()
        self.assertEqual(client.ask("server/discover", {"_meta": META})["result"]["supportedVersions"], ["2026-07-28"])
        listed = client.ask("tools/list", {"_meta": META})["result"]
        self.assertEqual((listed["resultType"], len(listed["tools"])), ("complete", 3))
        self.assertEqual(client.call("fs__list", {}, META)["resultType"], "complete")
        bad = {**META, "io.modelcontextprotocol/protocolVersion": "2027-01-01"}
        error = client.ask("tools/list", {"_meta": bad})["error"]
        self.assertEqual((error["code"], error["data"]["supported"]), (-32022, ["2026-07-28"]))
        alone = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
        self.assertEqual(client.ask("tools/list", {"_meta": alone})["error"]["code"], -32602)
        self.assertEqual(client.ask("ping", {"_meta": META})["error"]["code"], -32601)

    def test_what_is_no_request(self):
        client = self.client()
        client.hello()
        for line, code in (("nonsense", -32700), ("[]", -32600), ('{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600),
                           ('{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', -32700), ('{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600),
                           ('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}', -32602)):
            client.raw(line)
            self.assertEqual(client.read()["error"]["code"], code, line)
        client.raw('{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":"' + "x" * (1 << 20) + '"}}')
        self.assertEqual(client.read()["error"]["code"], -32700)
        for method in ("resources/read", "prompts/get", "sampling/createMessage", "completion/complete", "tasks/get"):
            self.assertEqual(client.ask(method)["error"]["code"], -32601, method)
        self.assertEqual(client.ask("tools/call", {})["error"]["code"], -32602)
        self.assertFalse(client.call("fs__list", {})["isError"])  # still served

    def test_no_broker(self):
        client = Client(self.broker, "--broker", "/nowhere/broker.sock")
        client.hello()
        self.assertEqual(client.ask("tools/list")["error"]["code"], -32603)
        self.assertEqual(client.close(), 0)

    @unittest.skipUnless(importlib.util.find_spec("mcp"), "the Python SDK of the protocol (PyPI: mcp) is not installed")
    def test_with_the_python_sdk(self):
        import asyncio

        from mcp import ClientSession, StdioServerParameters
        from mcp.client.stdio import stdio_client

        async def talk():
            server = StdioServerParameters(command=str(self.appliance.bin / "countersign"), env=dict(os.environ),
                                           args=["broker", "mcp", "--broker", str(self.broker.socket)])
            async with stdio_client(server) as (reading, writing), ClientSession(reading, writing) as session:
                await session.initialize()
                names = [tool.name for tool in (await session.list_tools()).tools]
                return names, await session.call_tool("fs__list", {})

        names, done = asyncio.run(talk())
        self.assertEqual(names, ["fs__list", "fs__read", "fs__write"])
        self.assertFalse(done.is_error if hasattr(done, "is_error") else done.isError)  # SDK 2 and 1


if __name__ == "__main__":
    unittest.main(verbosity=0, warnings="ignore")
