"""A whole appliance in a folder of its own, for tests and measurements that look at it from outside: real programs, real
SoftHSM tokens, real sockets. Nothing here knows the product's insides beyond its configuration and its HTTP interface."""
import atexit
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time

ROLES = ("approval", "trace", "release")
POLICY = "482a34a80e02e7cbe523d30aa8d5024c9aeaf008263cb76964e2f99881cbc473"

# Paths are relative, as a reader of the examples writes them: the configuration's folder is where they begin.
CONFIGURATION = """\
state: {state}
sockets: {{sign: run/sign.sock, admin: run/admin.sock, public: run/public.sock, mode: "0600"}}
tokens:
{tokens}
roles:
{roles}
peers:
  - uid: {uid}
    may: [sign:approval, sign:trace, sign:release, verify, nonce, decisions, requests, executed, evidence, log, metrics, admin:status, admin:halt, admin:ceremonies, admin:publish, admin:acks]
{approvers}
security_owner: {{notify: [{{file: security.jsonl}}]}}
publication: {{directory: published{publication}}}
trial: true
{more}
"""
TOKEN = ("  {name}: {{module: {module}, environment: {{SOFTHSM2_CONF: tokens/{name}/softhsm2.conf}}, label: test-{name}, "
         "pin: {{file: tokens/{name}/pin}}{user}}}")
ROLE = "  {role}: {{token: {token}, algorithm: {algorithm}, holders: {holders}{standby}}}"
APPROVER = "  - {{identity: {name}@company.example, proof: {{ssh_key: keys/{name}.pub}}, scopes: {scopes}}}"


def softhsm():
    """SoftHSM's module, where this system keeps it."""
    usual = pathlib.Path("/usr/lib/softhsm/libsofthsm2.so")
    if usual.exists():
        return usual
    listed = subprocess.run(["dpkg", "-L", "libsofthsm2"], capture_output=True, text=True, check=True).stdout
    return pathlib.Path(next(line for line in listed.splitlines() if line.endswith("/libsofthsm2.so")))


def programs_for_others(programs, folder):
    """Where another user can start them: `programs` itself, or a copy in `folder`, which the caller opens to all, where the
    checkout stands behind a folder that only its owner may enter."""
    programs = pathlib.Path(programs)
    if subprocess.run(["/usr/bin/test", "-x", programs / "countersign"], user=65534).returncode == 0:
        return programs
    copies = pathlib.Path(folder) / "programs"
    copies.mkdir()
    for name in ("countersign", "countersignd", "countersign-holder"):
        shutil.copy(programs / name, copies / name)
        (copies / name).chmod(0o755)
    copies.chmod(0o755)
    return copies


class Refused(Exception):
    """An answer that is an error: `status`, and the error's members."""

    def __init__(self, status, error):
        super().__init__(f"{status} {error}")
        self.status = status
        self.error = error
        self.code = error.get("code", "")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=30):
        super().__init__("signer", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Signer:
    """One kept-alive connection to a socket of the signer. Not for several threads at once."""

    def __init__(self, path, timeout=30):
        self.connection = UnixConnection(path, timeout)

    def call(self, method, target, body=None):
        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            self.connection.request(method, target, json.dumps(body) if body is not None else None, headers)
            answer = self.connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            raise
        parsed = json.loads(text) if text[:1] in (b"{", b"[") else text.decode()
        if answer.status != 200:
            error = parsed.get("error", parsed) if isinstance(parsed, dict) else {"message": parsed}
            raise Refused(answer.status, error)
        return parsed

    def sign(self, request):
        return self.call("POST", "/v1/sign", request)


class Appliance:
    """countersignd on tokens of its own: `init` makes them, it is up between `start` and `stop`. `algorithm` is that of every
    role, `holders` are those of the trace role; `one_token` puts every role in one; `approvers` are names, who may approve
    `scopes`; `more` is added to the configuration, `publication` to that section of it. `standby` maps a role to the token
    of its standby key: its own, or one of that name that is made for it. `roles`: those it has, each with a token of its name. `users` maps "front",
    "notifier" and tokens to the uids that they run as."""

    def __init__(self, programs, folder, algorithm="ed25519", holders=1, one_token=False, state="state", approvers=(),
                 scopes=("tool:*", "phase:apply", "destructive:apply"), more="", standby=(), publication="", roles=ROLES,
                 users=None):
        self.bin = pathlib.Path(programs)
        self.folder = pathlib.Path(folder)
        self.algorithm = algorithm
        self.process = None
        atexit.register(self.stop)  # a test that failed leaves nothing running
        (self.folder / "run").mkdir(parents=True)
        self.state = self.folder / state
        for name in approvers:
            self.make_key(name)
        listed = "\n".join(APPROVER.format(name=name, scopes=json.dumps(scopes)) for name in approvers)
        self.config = self.folder / "countersign.yaml"
        self.config.write_text(CONFIGURATION.format(
            state=self.state if pathlib.Path(state).is_absolute() else state,
            tokens="\n".join(TOKEN.format(name=name, module=softhsm(), user=f", user: '{users[name]}'" if users else "") for name in
                             dict.fromkeys((("all",) if one_token else roles) + tuple(dict(standby).values()))),
            publication=publication,
            roles="\n".join(ROLE.format(role=role, token="all" if one_token else role, algorithm=algorithm,
                                        holders=holders if role == "trace" else 1,
                                        standby=f", standby_token: {standby[role]}" if role in standby else "")
                            for role in roles),
            uid=os.getuid(), approvers="approvers:\n" + listed if listed else "",
            more=more + (f"\nusers: {{front: '{users['front']}', notifier: '{users['notifier']}'}}" if users else "")))

    @property
    def socket(self):
        return self.folder / "run" / "sign.sock"

    def token(self, name):
        """The folder of a token: softhsm2.conf, its PIN, and what SoftHSM keeps."""
        return self.folder / "tokens" / name

    def blank_token(self, role):
        """Makes a token for that role with nothing in it, and its PIN."""
        place = self.token(role)
        (place / "tokens").mkdir(parents=True)
        (place / "softhsm2.conf").write_text(f"directories.tokendir = {place}/tokens\nobjectstore.backend = file\n")
        (place / "pin").write_text("test-only-pin\n")
        (place / "pin").chmod(0o400)
        subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", f"test-{role}", "--so-pin", "test-only-so",
                        "--pin", "test-only-pin"], env={"SOFTHSM2_CONF": str(place / "softhsm2.conf"),
                                                        "PATH": "/usr/bin:/bin"}, check=True, capture_output=True)

    def make_key(self, name):
        """An SSH key for a person, test-only: keys/NAME and keys/NAME.pub. It counts for nothing by itself."""
        keys = self.folder / "keys"
        keys.mkdir(exist_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{name} (test-only)", "-f", str(keys / name)],
                       check=True)

    def init(self):
        done = subprocess.run([self.bin / "countersignd", "init", "--config", self.config], capture_output=True, text=True,
                              timeout=60)
        if done.returncode != 0:
            raise RuntimeError(f"init exited with {done.returncode}:\n{done.stdout}{done.stderr}")
        return self

    def log(self):
        path = self.folder / "countersignd.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def launch(self, **how):
        """`how`: further arguments of Popen, where a test needs another environment or a terminal."""
        with open(self.folder / "countersignd.log", "ab") as log:
            self.process = subprocess.Popen([self.bin / "countersignd", "--config", self.config],
                                            **{"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log,
                                               "start_new_session": True, **how})

    def start(self, within=30):
        """Starts it and returns the milliseconds until every role could sign."""
        begin = time.monotonic()
        self.launch()
        self.wait_ready(within)
        return (time.monotonic() - begin) * 1000

    def wait_ready(self, within=30):
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"countersignd ended with {self.process.returncode}:\n" + self.log()[-3000:])
            if self.ready():
                return
            time.sleep(0.002)  # polls a condition; nothing depends on how long
        raise RuntimeError(f"countersignd is not ready after {within} s:\n" + self.log()[-3000:])

    def ready(self):
        try:
            self.signer(timeout=10).call("GET", "/readyz")
            return True
        except (OSError, http.client.HTTPException, Refused):
            return False

    def wait_answers(self, within=30):
        """Until it listens, whether or not every role can sign."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            try:
                self.custodian().call("GET", "/v1/status")
                return
            except (OSError, http.client.HTTPException):
                time.sleep(0.002)  # polls a condition; nothing depends on how long
        raise RuntimeError(f"countersignd does not answer after {within} s:\n" + self.log()[-3000:])

    def open_to_all(self):
        """Lets every local user reach the sockets; what they may do is still for the configuration to say."""
        for place in (self.folder.parent, self.folder, self.folder / "run"):
            place.chmod(0o755)
        for path in (self.folder / "run").iterdir():
            path.chmod(0o666)

    def signer(self, timeout=30):
        return Signer(self.socket, timeout)

    def custodian(self):
        """What custodians ask on their own socket."""
        return Signer(self.folder / "run" / "admin.sock")

    def status(self):
        """What `countersign status` shows."""
        return self.custodian().call("GET", "/v1/status")

    def sign_after_kill(self, request, within=60):
        """Signs although a process was just killed: until the supervisor has noticed, readiness is the dead one's."""
        deadline = time.monotonic() + within
        while True:
            try:
                return self.signer().sign(request)
            except (OSError, http.client.HTTPException, Refused) as failure:
                unavailable = not isinstance(failure, Refused) or failure.code in ("role_unavailable", "holder_lost")
                if not unavailable or time.monotonic() > deadline:
                    raise
            time.sleep(0.01)  # polls a condition; nothing depends on how long

    def stop(self):
        """Ends it as systemd does: its exit code, None where none was started. What does not end in time is killed, and said."""
        if self.process is None:
            return None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
            self.process = None

    def recorded(self):
        """log index → digest of what was recorded there, read from the ledger of a stopped appliance."""
        ledger = sqlite3.connect(f"file:{self.state}/ledger.db?mode=ro", uri=True)
        try:
            return {index: digest.hex() for index, digest in ledger.execute("SELECT idx, body_digest FROM records")}
        finally:
            ledger.close()

    def executions(self):
        """log index → signed digest of the permit whose use was recorded there, of a stopped appliance."""
        ledger = sqlite3.connect(f"file:{self.state}/ledger.db?mode=ro", uri=True)
        try:
            rows = ledger.execute("SELECT idx, body FROM records WHERE kind = 'executed'")
            return {index: json.loads(body)["trace"] for index, body in rows}
        finally:
            ledger.close()

    def children(self):
        """pid → command line of the supervisor's children."""
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                words = (entry / "cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
            if parent == self.process.pid:
                found[int(entry.name)] = " ".join(words)
        return found

    def front(self):
        return next(pid for pid, words in self.children().items() if "--front" in words)

    def holders(self):
        return [pid for pid, words in self.children().items() if "countersign-holder" in words]

    def cpu(self):
        """CPU seconds used so far by front, holders and notifier, from the scheduler's own nanoseconds."""
        total = 0
        for pid in self.children():
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def approve(self, approver, decision, scopes, ttl="10m"):
        """Mints a token with the real command, as the approver of that name does. Returns the token's document."""
        arguments = [self.bin / "countersign", "approve", "--signer", self.socket, "--intent-digest",
                     decision["intent_digest"], "--policy-digest", decision["policy_digest"], "--ttl", ttl, "--scope",
                     ",".join(scopes), "--approver", f"{approver}@company.example", "--reason-code", "test", "--ssh-key",
                     self.folder / "keys" / approver, "--out", self.folder / f"token-{os.urandom(6).hex()}.json", "--json"]
        done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError("approve failed: " + done.stdout + done.stderr)
        return json.loads(pathlib.Path(json.loads(done.stdout)["token_path"]).read_text())


def trace_request(intent_digest, verdict="allow", required=0, scopes=("tool:db.save",), redeem=(), destructive=False, policy=POLICY):
    """A trace as gate services ask for it thousands of times a second: about 2 KB signed."""
    entities = [{"kind": "agent", "id": "deployer@team.example"}, {"kind": "policy", "id": policy},
                {"kind": "tool", "id": "db.save"}]
    request = {
        "type": "trace",
        "statement": {
            "created_at": "2026-06-08T21:14:00Z", "correlation_id": "e58cf08920e32788c8eafd16", "tool_name": "db.save",
            "args_digest": "d5518115205754eb42bf52a8debd17f67081de19e4d65ccf0b4b38c247988d5b", "intent_digest": intent_digest,
            "policy_digest": policy, "policy_id": "gait.gate.policy", "policy_version": "1.0.0", "verdict": verdict,
            "relationship": {
                "entity_refs": entities,
                "policy_ref": {"policy_id": "gait.gate.policy", "policy_version": "1.0.0", "policy_digest": policy},
                "agent_chain": [{"identity": "deployer@team.example", "role": "requester"}],
                "edges": [{"kind": "calls", "from": entities[0], "to": entities[2]},
                          {"kind": "governed_by", "from": entities[2], "to": entities[1]}],
                "related_entity_ids": [policy, "db.save", "deployer@team.example"]},
            "countersign": {"requester": "deployer@team.example", "reason_codes": ["matched_rule_writes"],
                            "matched_rule": "writes", "required_approvals": required, "distinct_approvers": required > 1,
                            "required_scopes": list(scopes), "destructive": destructive}},
    }
    if redeem:
        request["redeem"] = list(redeem)
    return request


class Load:
    """Threads that ask for signatures until told to stop; keeps every acknowledged answer and every coded refusal."""

    def __init__(self, appliance, threads=3, members=None):
        self.appliance = appliance
        self.members = members or {}  # more of each request
        self.acknowledged = []  # (log_index, signed_digest)
        self.refusals = {}      # code → how often
        self.broken = 0         # the connection went away: the front was killed
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _run(self):
        signer = self.appliance.signer(timeout=20)
        while not self._stop.is_set():
            try:
                answer = signer.sign({**trace_request(os.urandom(32).hex()), **self.members})
                with self._lock:
                    self.acknowledged.append((answer["log_index"], answer["statement"]["signature"]["signed_digest"]))
            except Refused as refusal:
                with self._lock:
                    self.refusals[refusal.code] = self.refusals.get(refusal.code, 0) + 1
            except (OSError, http.client.HTTPException):
                self.broken += 1
                signer = self.appliance.signer(timeout=20)
                self._stop.wait(0.005)  # does not spin while nobody listens

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            if thread.is_alive():
                raise RuntimeError("a request was never answered")
