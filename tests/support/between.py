"""Somebody between a program and a socket of the signer, who hands on what both say, changed as `change` says."""
import http.server
import os
import socketserver
import threading

from appliance import UnixConnection


class Between(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Listens on `path` for `socket`; `change(method, target, body)` gives the body of an answer. A context: gone at its end."""
    daemon_threads = True

    def __init__(self, path, socket, change):
        super().__init__(str(path), Handler)
        self.socket_of_signer, self.change = socket, change

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
        os.unlink(self.server_address)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def hand_on(self):
        length = int(self.headers.get("Content-Length", 0))
        headers = {name: self.headers[name] for name in ("Content-Type",) if name in self.headers}
        connection = UnixConnection(self.server.socket_of_signer)
        connection.request(self.command, self.path, self.rfile.read(length) if length else None, headers)
        answer = connection.getresponse()
        body = self.server.change(self.command, self.path, answer.read())
        connection.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = hand_on

    def log_message(self, *_):
        pass
