#!/usr/bin/env python3
"""Hands what one person answers by WhatsApp to the broker: whatsapp_replies.py --phone-number-id ID --to NUMBER --token-file FILE
  --app-secret-file FILE --verify-token-file FILE [--port N] [--broker SOCKET] [--countersign PROGRAM]

Listens on this machine alone; a web server with a certificate stands before it. It runs as a user of its own that `notify.replies` of
broker.yaml names, and can approve nothing: "no 123456" rejects, "yes 123456" is answered with the line by which the person approves.
"""
import collections
import hashlib
import hmac
import http.server
import json
import pathlib
import subprocess
import sys
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import hook  # noqa: E402
import whatsapp  # noqa: E402

LARGEST = 1 << 20
LONGEST_REPLY = 1000


def is_signed(body, header, secret):
    """Meta's X-Hub-Signature-256 over the body as it came."""
    expected = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, header or "")


def texts(payload, sender):
    """(id, text) of each text message of that number."""
    for entry in payload.get("entry", []):
        for change in entry.get("changes", []):
            for message in change.get("value", {}).get("messages", []):
                if message.get("type") == "text" and message.get("from", "").lstrip("+") == sender.lstrip("+"):
                    yield message["id"], message["text"]["body"]


def handed_in(arguments, text):
    """What to tell the person."""
    words = [arguments.countersign, "broker", "reply", "--text", text[:LONGEST_REPLY], "--json"]
    words += ["--broker", arguments.broker] if arguments.broker else []
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    said = json.loads(done.stdout)
    if "error" in said:
        return said["error"]["message"]
    if said["answer"] == "no":
        return f"rejected: {said['summary']}"
    return f"nothing is approved yet; you approve it with\n{said['how_to_approve']}"


class Handler(http.server.BaseHTTPRequestHandler):
    arguments = None
    seen = collections.OrderedDict()  # ids of messages, since Meta delivers at least once

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        token = hook.secret(self.arguments.verify_token_file)
        if query.get("hub.mode") == "subscribe" and hmac.compare_digest(query.get("hub.verify_token", "").encode(), token.encode()):
            return self.answer(200, query.get("hub.challenge", "").encode())
        return self.answer(403)

    def do_POST(self):
        length = int(self.headers.get("Content-Length", "0"))
        if not 0 < length <= LARGEST:
            return self.answer(413)
        body = self.rfile.read(length)
        if not is_signed(body, self.headers.get("X-Hub-Signature-256"), hook.secret(self.arguments.app_secret_file)):
            return self.answer(403)
        self.answer(200)
        for message, text in texts(json.loads(body), self.arguments.to):
            if message in self.seen:
                continue
            self.seen[message] = True
            while len(self.seen) > 1000:
                self.seen.popitem(last=False)
            whatsapp.send(self.arguments, {"type": "text", "text": {"preview_url": False, "body": handed_in(self.arguments, text)}})
        return None

    def log_message(self, *_):
        pass  # what people write is not for the log


def main():
    parser = whatsapp.flags(__doc__.splitlines()[0])
    parser.add_argument("--app-secret-file", required=True)
    parser.add_argument("--verify-token-file", required=True)
    parser.add_argument("--port", type=int, default=8078)
    parser.add_argument("--broker")
    parser.add_argument("--countersign", default="countersign")
    Handler.arguments = parser.parse_args()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", Handler.arguments.port), Handler)
    print(f"listening on 127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
