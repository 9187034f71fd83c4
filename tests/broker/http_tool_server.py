"""A tool server that others run, over Streamable HTTP, for tests: it answers as `behaviour` says and remembers what it was
asked. Of itself it has one tool, `note`, which writes down its text."""
import http.server
import json
import ssl
import threading

TOOL = {"name": "note", "description": "Writes a text down.", "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}}
META = "io.modelcontextprotocol/protocolVersion"


class ToolServer:
    def __init__(self, era="handshake", events=False, certificate=None):
        self.era = era
        self.events = events
        self.tools = [TOOL]
        self.resources, self.prompts = [], []
        self.contents = {"contents": []}  # of every resource
        self.behaviour = "good"
        self.session = 1
        self.notes = []  # what was done
        self.requests = []  # (method of JSON-RPC or HTTP, head)
        self.answers = []  # what the client answered to our own requests
        self.released = threading.Event()
        self.together = None  # a barrier that calls meet at
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # clients that leave are what is tried here
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.port}/mcp"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def capabilities(self):
        return {"tools": {}, **({"resources": {}} if self.resources else {}), **({"prompts": {}} if self.prompts else {})}

    def asked(self, method):
        return [head for name, head in self.requests if name == method]

    def handler(tools):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def send(self, status, body=b"", kind="application/json", **headers):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(body)

            def reply(self, message, result=None, error=None, **headers):
                answer = {"jsonrpc": "2.0", "id": message["id"], **({"error": error} if error else {"result": result})}
                if not tools.events:
                    return self.send(200, json.dumps(answer).encode(), **headers)
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                text = json.dumps(answer, indent=1)  # of several lines
                self.wfile.write(b": hello\r\n\r\nevent: other\ndata: {}\n\n")
                if tools.behaviour == "asks" and message["method"] == "tools/call":
                    for number, method in enumerate(("ping", "sampling/createMessage", "notifications/progress")):
                        asked = {"jsonrpc": "2.0", "method": method, **({"id": f"s{number}"} if "/c" in method or method == "ping" else {})}
                        self.wfile.write(f"data: {json.dumps(asked)}\n\n".encode())
                self.wfile.write(("event: message\nid: 1\n" + "".join(f"data: {line}\n" for line in text.split("\n")) + "\n").encode())
                self.close_connection = True

            def do_GET(self):
                tools.requests.append(("GET", dict(self.headers)))
                self.send(405)

            def do_POST(self):
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                method = message.get("method", "answer")
                tools.requests.append((method, dict(self.headers)))
                if method == "answer":
                    tools.answers.append(message)
                if "id" not in message or method == "answer":
                    return self.send(202)
                if tools.era == "stateless":
                    if message["params"].get("_meta", {}).get(META) != "2026-07-28":
                        return self.send(400, json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32602, "message": "no _meta"}}).encode())
                    if self.headers["Mcp-Method"] != method or self.headers["MCP-Protocol-Version"] != "2026-07-28":
                        return self.send(400)
                    if method == "server/discover":
                        return self.reply(message, {"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": tools.capabilities()})
                elif method == "initialize":
                    return self.reply(message, {"protocolVersion": "2025-06-18", "capabilities": tools.capabilities(), "serverInfo": {"name": "t", "version": "1"}},
                                      Mcp_Session_Id=f"session-{tools.session}")
                elif self.headers["Mcp-Session-Id"] != f"session-{tools.session}":
                    return self.send(404)
                if method == "tools/list":
                    return self.list(message)
                if method == "tools/call":
                    return self.call(message)
                complete = {"resultType": "input_required" if tools.behaviour == "asks" else "complete"} if tools.era == "stateless" else {}
                if method in ("resources/list", "prompts/list"):
                    member = method.removesuffix("/list")
                    return self.reply(message, {member: getattr(tools, member), **complete})
                if method == "resources/read":
                    tools.notes.append(message["params"]["uri"])
                    return self.reply(message, {**tools.contents, **complete})
                if method == "prompts/get":
                    tools.notes.append(message["params"]["name"])
                    text = {"type": "text", "text": f"Look at {message['params']['arguments']}."}
                    return self.reply(message, {"messages": [{"role": "user", "content": text}], **complete})
                self.reply(message, error={"code": -32601, "message": "unknown method"})

            def list(self, message):
                if tools.behaviour == "list-redirect":
                    return self.send(307, Location=tools.elsewhere)
                if tools.behaviour == "list-garbage":
                    return self.send(200, b"<html>")
                complete = {"resultType": "complete"} if tools.era == "stateless" else {}
                if message["params"].get("cursor") == "2":
                    return self.reply(message, {"tools": tools.tools[1:], **complete})
                self.reply(message, {"tools": tools.tools[:1], **({"nextCursor": "2"} if len(tools.tools) > 1 else {}), **complete})

            def call(self, message):
                behaviour, params = tools.behaviour, message["params"]
                if behaviour == "redirect":
                    return self.send(307, Location=tools.elsewhere)
                if behaviour == "refuse":
                    return self.send(429)
                tools.notes.append(params["arguments"]["text"])
                if tools.together:
                    tools.together.wait(30)
                if behaviour == "die":
                    self.close_connection = True
                    return self.connection.close()
                if behaviour == "hang":
                    tools.released.wait(60)
                if behaviour == "fail":
                    return self.send(500)
                if behaviour == "garbage":
                    return self.send(200, b"{")
                if behaviour == "no-result":
                    return self.send(200, json.dumps({"jsonrpc": "2.0", "id": message["id"]}).encode())
                if behaviour == "other-id":
                    return self.send(200, json.dumps({"jsonrpc": "2.0", "id": -1, "result": {"content": []}}).encode())
                if behaviour == "huge":
                    return self.send(200, b'{"x":"' + b"x" * (17 << 20))
                if behaviour == "cut":
                    self.send_response(200)
                    self.send_header("Content-Type", "text/event-stream")
                    self.send_header("Connection", "close")
                    self.end_headers()
                    self.wfile.write(b'data: {"jsonrpc":"2.0"')
                    self.close_connection = True
                    return None
                if behaviour == "error":
                    return self.reply(message, error={"code": -32000, "message": "out of ink"})
                result = {"content": [{"type": "text", "text": "noted " + params["arguments"]["text"]}], "isError": False}
                if tools.era == "stateless":
                    result["resultType"] = "input_required" if behaviour == "asks" else "complete"
                self.reply(message, result)

        return Handler
