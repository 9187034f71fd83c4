#!/usr/bin/env python3
"""The broker between programs of others: client and servers of the protocol from npm. An optional lane:

    npm install --ignore-scripts @modelcontextprotocol/sdk @modelcontextprotocol/server-everything @modelcontextprotocol/server-filesystem
    COUNTERSIGN_MCP_NODE_MODULES=$PWD/node_modules mcp_npm_test.py PROGRAMS"""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from appliance import Appliance  # noqa: E402
from broker import Broker  # noqa: E402

PROGRAMS = sys.argv.pop(1)
MODULES = os.environ.get("COUNTERSIGN_MCP_NODE_MODULES", "")
NODE = shutil.which("node")
WHY = "COUNTERSIGN_MCP_NODE_MODULES names no folder with the packages of @modelcontextprotocol, or there is no node"
SECRET = "made-up-secret-of-the-robot"  # test-only
CLIENT = """
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
const [url, secret, path] = process.argv.slice(2);
const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: { Authorization: `Bearer ${secret}` } } });
const client = new Client({ name: "test", version: "1" });
await client.connect(transport);
const names = (await client.listTools()).tools.map((tool) => tool.name);
const text = await client.callTool({ name: "files__list_directory", arguments: { path } });
const sum = await client.callTool({ name: "everything__get-sum", arguments: { a: 2, b: 3 } });
const asked = await client.callTool({ name: "files__write_file", arguments: { path: path + "/x", content: "x" } });
const resources = (await client.listResources()).resources.map((each) => each.uri);
const templates = (await client.listResourceTemplates()).resourceTemplates.map((each) => each.uriTemplate);
const prompts = (await client.listPrompts()).prompts.map((each) => each.name);
const read = await client.readResource({ uri: resources.find((uri) => uri.startsWith("countersign:everything/")) });
const prompt = await client.getPrompt({ name: "everything__simple-prompt" });
const refused = await client.getPrompt({ name: "everything__args-prompt", arguments: { city: "Bern" } }).catch((error) => ({ code: error.code, data: error.data }));
await transport.terminateSession();
await client.close();
console.log(JSON.stringify({ names, text, sum, asked, resources, templates, prompts, read, prompt, refused }));
"""


def available():
    packages = ("sdk", "server-everything", "server-filesystem")
    return bool(NODE and MODULES) and all((pathlib.Path(MODULES) / "@modelcontextprotocol" / name).is_dir() for name in packages)


@unittest.skipUnless(available(), WHY)
class Npm(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.room = tempfile.TemporaryDirectory(prefix="countersign-npm-")
        cls.appliance = Appliance(PROGRAMS, pathlib.Path(cls.room.name) / "appliance", approvers=("alice",)).init()
        cls.appliance.start()
        secret = cls.appliance.folder / "robot.secret"
        secret.write_text(SECRET)
        secret.chmod(0o400)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            cls.port = free.getsockname()[1]
        servers = pathlib.Path(MODULES).resolve() / "@modelcontextprotocol"
        cls.everything = subprocess.Popen([NODE, servers / "server-everything" / "dist" / "index.js", "streamableHttp"], env={**os.environ, "PORT": str(cls.port)},
                                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while "listening" not in cls.everything.stderr.readline():
            assert cls.everything.poll() is None
        cls.broker = Broker(cls.appliance, agents='  robot: {secret: robot.secret, allow: ["files:list*", "files:read*", "everything:get-sum", "everything:resources/*", "everything:prompts/simple-prompt"]}')
        node = pathlib.Path(NODE).resolve()
        with cls.broker.config.open("a") as config:
            config.write(f"  files: {{command: [{node}, {servers}/server-filesystem/dist/index.js, {cls.broker.files}], "
                         f"read_only: [{node.parents[1]}, {pathlib.Path(MODULES).resolve()}], read_write: [{cls.broker.files}], unvetted: true}}\n"
                         f"  everything: {{url: \"http://127.0.0.1:{cls.port}/mcp\"}}\n")
        cls.broker.start()
        cls.front = subprocess.Popen([str(cls.appliance.bin / "countersign"), "broker", "mcp", "--listen", "127.0.0.1:0", "--json", "--broker", str(cls.broker.socket)],
                                     stdout=subprocess.PIPE, text=True)
        cls.where = json.loads(cls.front.stdout.readline())["listening"]

    @classmethod
    def tearDownClass(cls):
        cls.front.terminate()
        assert cls.front.wait(30) == 0
        cls.front.stdout.close()
        assert cls.broker.stop() == 0
        cls.everything.kill()
        cls.everything.wait()
        cls.everything.stderr.close()
        cls.appliance.stop()
        cls.room.cleanup()

    def test_a_client_of_npm_reaches_servers_of_npm(self):
        code, proposal = self.broker.run("propose", "--server-name", "everything", "--source", "url", "--source-id", f"http://127.0.0.1:{self.port}/mcp")
        self.assertEqual((code, proposal["vetting_status"]), (0, "definitions"), proposal)
        self.assertEqual(self.broker.approve(proposal["id"], "alice", "--reason", "a test")[0], 0)
        (self.broker.files / "seen.txt").write_text("x")
        script = pathlib.Path(MODULES).resolve().parent / "countersign-client.mjs"  # beside its packages
        script.write_text(CLIENT)
        self.addCleanup(script.unlink)
        done = subprocess.run([NODE, str(script), f"http://{self.where}/mcp", SECRET, str(self.broker.files)], capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        said = json.loads(done.stdout)
        self.assertIn("files__list_directory", said["names"])
        self.assertIn("everything__get-sum", said["names"])
        self.assertIn("seen.txt", said["text"]["content"][0]["text"])
        self.assertIn("5", said["sum"]["content"][0]["text"])
        self.assertEqual(said["asked"]["structuredContent"]["error"], "approval_required")
        self.assertFalse((self.broker.files / "x").exists())
        self.assertTrue(said["resources"] and said["templates"], said)
        self.assertTrue(all(each.startswith("countersign:") for each in said["resources"] + said["templates"]), said)
        self.assertTrue(said["read"]["contents"][0]["uri"] in said["resources"] and said["read"]["contents"][0].get("text"), said["read"])
        self.assertIn("everything__simple-prompt", said["prompts"])
        self.assertEqual(said["prompt"]["messages"][0]["role"], "user")
        self.assertEqual((said["refused"]["code"], said["refused"]["data"]["error"]), (-32000, "approval_required"), said["refused"])


if __name__ == "__main__":
    if not available():
        print(f"skipped: {WHY}")
        sys.exit(77)
    unittest.main(verbosity=0, warnings="ignore")
