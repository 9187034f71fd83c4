"""Receivers of notices for tests: an HTTP server that does what it is told, a mail server, and a clock that steps."""
import base64
import hashlib
import hmac
import http.server
import mmap
import queue
import socketserver
import struct
import threading


class Receiver:
    """An HTTP server on 127.0.0.1. `script` holds what it answers in turn, the last one again and again: a status, or a
    function of the handler. Requests stand in `requests` as they come: {"path","headers","body"}."""

    def __init__(self, *script, context=None):
        receiver = self
        self.requests = queue.Queue()
        self.all = []  # every one, whoever took it from `requests`
        self.release = threading.Event()  # what `hang` waits for
        self.script = list(script or [200])

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.told = {"path": self.path, "headers": self.headers, "body": body}
                receiver.all.append(self.told)
                receiver.requests.put(self.told)
                step = receiver.script.pop(0) if len(receiver.script) > 1 else receiver.script[0]
                if callable(step):
                    return step(self)
                self.send_response(step)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # the other side may have died on purpose

        self.server = Server(("127.0.0.1", 0), Handler)
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self, within=60):
        return self.requests.get(timeout=within)

    def close(self):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()

    # Answers that are none.
    def hang(self, _handler):
        self.release.wait(120)

    @staticmethod
    def redirect(handler):
        handler.send_response(307)
        handler.send_header("Location", "http://127.0.0.1:1/elsewhere")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    @staticmethod
    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 65536)
        except OSError:
            pass


def signed_well(request, secret, now, tolerance=300):
    """Standard Webhooks 1.0, as a receiver checks it; nothing of the product takes part."""
    headers, body = request["headers"], request["body"]
    if abs(now - int(headers["webhook-timestamp"])) > tolerance:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(expected, each) for each in headers["webhook-signature"].split(" "))


class MailServer:
    """SMTP as far as a client needs it. Mails stand in `mails`: {"from","to","data"}. With `context` it speaks TLS from the start, with
    `login` ("user", "password") it takes mail of that user alone."""

    def __init__(self, refuse=0, context=None, login=None):
        mails = self.mails = queue.Queue()
        proof = base64.b64encode(f"\0{login[0]}\0{login[1]}".encode()).decode() if login else None
        state = {"refuse": refuse}

        class Handler(socketserver.StreamRequestHandler):
            def say(self, line):
                self.wfile.write(line.encode() + b"\r\n")

            def handle(self):
                mail = {"from": None, "to": []}
                known = login is None
                self.say("220 test ESMTP")
                for line in self.rfile:
                    command = line.decode().strip()
                    verb = command.split(" ")[0].split(":")[0].upper()
                    if verb in ("EHLO", "HELO"):
                        self.wfile.write(b"250-test\r\n250 AUTH PLAIN\r\n" if login else b"250 test\r\n")
                    elif verb == "AUTH":
                        words = command.split(" ")
                        if len(words) == 2:
                            self.say("334 ")
                            words.append(self.rfile.readline().decode().strip())
                        known = words[1:] == ["PLAIN", proof]
                        self.say("235 welcome" if known else "535 no")
                    elif verb == "MAIL":
                        mail["from"] = command
                        if not known:
                            self.say("530 who are you")
                        elif state["refuse"] > 0:
                            state["refuse"] -= 1
                            self.say("451 later")
                        else:
                            self.say("250 ok")
                    elif verb == "RCPT":
                        mail["to"].append(command)
                        self.say("250 ok")
                    elif verb == "DATA":
                        self.say("354 go on")
                        data = b""
                        for part in self.rfile:
                            if part == b".\r\n":
                                break
                            data += part[1:] if part.startswith(b"..") else part
                        mails.put({**mail, "data": data})
                        self.say("250 taken")
                    elif verb == "QUIT":
                        self.say("221 bye")
                        return
                    else:
                        self.say("500 what")

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class SteppedClock:
    """The wall clock of a program that is started with `environment`, moved on by hand (tests/support/clock_shim)."""

    def __init__(self, programs, path):
        path.write_bytes(struct.pack("q", 0))
        self.file = open(path, "r+b")
        self.map = mmap.mmap(self.file.fileno(), 8)
        self.seconds = 0
        self.environment = {"LD_PRELOAD": str(programs.parent / "lib" / "clock_shim.so"), "CLOCK_SHIM_FILE": str(path),
                            "ASAN_OPTIONS": "verify_asan_link_order=0"}

    def advance(self, seconds):
        self.seconds += seconds
        self.map[:8] = struct.pack("q", int(self.seconds * 1_000_000_000))

    def close(self):
        self.map.close()
        self.file.close()
