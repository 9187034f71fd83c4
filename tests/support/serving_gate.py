"""`countersign gate serve` as a process, and requests to it."""
import json
import pathlib
import resource
import shutil
import subprocess
import tempfile

from appliance import UnixConnection


class ServingGate:
    """`gate serve` in a folder of its own; `flags` come after its own. `files`: how many descriptors it may have; `words`
    are the command's."""

    def __init__(self, program, policy, signer, *flags, files=None, words=("gate", "serve")):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="countersign-gate-"))
        self.policy = self.folder / "policy.yaml"
        self.policy.write_text(policy)
        self.socket = str(self.folder / "gate.sock")
        limits = (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))) if files else None
        self.process = subprocess.Popen(
            [program, *words, "--socket", self.socket, "--policy", str(self.policy), "--signer", str(signer),
             "--rate-limit-state", str(self.folder / "limits.json"), "--requests-per-second", "60000", "--in-flight", "4096",
             "--json", *flags], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, preexec_fn=limits)
        self.started = json.loads(self.process.stdout.readline())

    def ask(self, body, path="/v1/evaluate", method="POST", timeout=60):
        return self.ask_whole(body, path, method, timeout)[:2]

    def ask_whole(self, body, path="/v1/evaluate", method="POST", timeout=60):
        """Status, body, and headers by their names in lower case."""
        connection = UnixConnection(self.socket, timeout)
        try:
            text = body if isinstance(body, str) or body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"} if text is not None else {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()

    def verdict(self, body):
        status, text = self.ask(body)
        return json.loads(text)["verdict"] if status == 200 else status

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)
