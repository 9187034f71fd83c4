"""A broker beside an appliance, for tests that look at it from outside."""
import copy
import json
import os
import pathlib
import signal
import subprocess
import time

from appliance import Signer

FILE_SERVER = pathlib.Path(__file__).resolve().parents[1] / "broker" / "file_server.py"
# One user runs the tests: agent and person are told apart by the trial's word.
CONFIGURATION = """\
state: broker-state
socket: run/broker.sock
signer: {signer}
trial: true
{more}
agents:
  web: {{uid: {uid}{lists}}}
{agents}
servers:
  fs: {{command: [/usr/bin/python3, {server}, {files}], environment: {{COUNTERSIGN_TEST_SERVER: "{wrong}"}},
        read_only: [{server}], read_write: [{files}], unvetted: true}}
"""


class Broker:
    def __init__(self, appliance, lists="", more="", agents="", wrong="", server=FILE_SERVER, environment=None):
        self.appliance = appliance
        self.files = appliance.folder / "files"
        self.files.mkdir(exist_ok=True)
        self.config = appliance.folder / "broker.yaml"
        self.socket = appliance.folder / "run" / "broker.sock"
        self.process = None
        self.environment = {**os.environ, **(environment or {})}
        self.config.write_text(CONFIGURATION.format(signer=appliance.socket, uid=os.getuid(), server=server, files=self.files,
                                                    lists=", " + lists if lists else "", more=more, agents=agents, wrong=wrong))

    def beside(self, name, more):
        """Another broker of the same configuration with `more` behind it; its state and its socket are its own."""
        other = copy.copy(self)
        other.config, other.socket = self.config.with_name(f"{name}.yaml"), self.socket.with_name(f"{name}.sock")
        text = self.config.read_text().replace("state: broker-state", f"state: {name}-state").replace("run/broker.sock", f"run/{name}.sock")
        other.config.write_text(text + more)
        return other

    def start(self, within=60):
        with open(self.appliance.folder / "broker.log", "ab") as log:
            self.process = subprocess.Popen([str(self.appliance.bin / "countersign"), "broker", "serve", "--config", str(self.config)],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment)
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            try:
                self.connection().call("GET", "/healthz")
                return self
            except OSError:
                if self.process.poll() is not None:
                    break
            time.sleep(0.005)  # polls a condition; nothing depends on how long
        raise RuntimeError("the broker does not answer:\n" + (self.appliance.folder / "broker.log").read_text()[-2000:])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def connection(self):
        return Signer(self.socket)

    def run(self, *words, **environment):
        """Exit code and what was printed, as JSON where it is."""
        done = subprocess.run([str(self.appliance.bin / "countersign"), "broker", *words, "--broker", str(self.socket), "--json"],
                              capture_output=True, text=True, timeout=120, env={**os.environ, **environment})
        try:
            return done.returncode, json.loads(done.stdout)
        except json.JSONDecodeError:
            return done.returncode, done.stdout + done.stderr

    def call(self, tool, args, *words):
        return self.run("call", "--tool-id", tool, "--args", json.dumps(args), *words)

    def approve(self, request, approver, *words):
        """Of a request, or of a proposed server."""
        return self.run("approve", "--request-id", request, "--approver", f"{approver}@company.example", "--ssh-key",
                        str(self.appliance.folder / "keys" / approver), "--signer", str(self.appliance.socket), *words)

    def audit(self):
        records, first = [], 0
        while True:
            page = self.connection().call("GET", f"/v1/audit?first={first}")["records"]
            records += page
            first += len(page)
            if len(page) < 1000:
                return records
