"""A real appliance on SoftHSM in a folder of its own, for one scenario: tokens, two demo approvers, countersignd.

Everything in it is test-only. Standard library only.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
ROLES = ("approval", "trace", "release")

CONFIGURATION = """\
state: state
sockets: {{sign: run/sign.sock, admin: run/admin.sock, public: run/public.sock, mode: "0600"}}
tokens:
{tokens}
roles:
  approval: {{token: approval}}
  trace: {{token: trace}}
  release: {{token: release}}
peers:
  - uid: {uid}
    may: [sign:approval, sign:trace, sign:release, verify, nonce, decisions, requests, executed, log, metrics, admin:status]
approvers:
{approvers}
security_owner: {{notify: [{{file: security.jsonl}}]}}
publication: {{directory: published}}
confinement: {{mandatory: false}}
trial: true
{more}
"""

TOKEN = (
    "  {role}: {{module: {module}, environment: {{SOFTHSM2_CONF: tokens/{role}/softhsm2.conf}}, "
    "label: countersign-{role}, pin: {{file: tokens/{role}/pin}}}}"
)

APPROVER = (
    '  - {{identity: {name}@company.example, proof: {{ssh_key: keys/{name}.pub}}, '
    'scopes: ["tool:tenant.retire", "tool:tool.write", "phase:apply", "destructive:apply"]}}'
)


def module_path():
    usual = pathlib.Path("/usr/lib/softhsm/libsofthsm2.so")
    if usual.exists():
        return usual
    listed = subprocess.run(["dpkg", "-L", "libsofthsm2"], capture_output=True, text=True, check=True).stdout
    return next(line for line in listed.splitlines() if line.endswith("/libsofthsm2.so"))


class Appliance:
    """Made by `prepare`, up between `start` and `stop`."""

    def __init__(self, programs, folder, more_configuration=""):
        self.programs = pathlib.Path(programs)
        self.folder = pathlib.Path(folder)
        self.more = more_configuration
        self.process = None

    @property
    def socket(self):
        return self.folder / "run" / "sign.sock"

    def prepare(self):
        (self.folder / "run").mkdir()
        keys = self.folder / "keys"
        keys.mkdir()
        for name in ("alice", "bob", "mallory"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{name} (test-only)", "-f", str(keys / name)],
                check=True,
            )
        module = module_path()
        (self.folder / "countersign.yaml").write_text(
            CONFIGURATION.format(
                tokens="\n".join(TOKEN.format(role=role, module=module) for role in ROLES),
                approvers="\n".join(APPROVER.format(name=name) for name in ("alice", "bob")),
                uid=os.getuid(),
                more=self.more,
            )
        )
        self.run_daemon_tool("init", "--config", str(self.folder / "countersign.yaml"))

    def run_daemon_tool(self, *words):
        done = subprocess.run([self.programs / "countersignd", *words], capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(f"countersignd {' '.join(words)} exited with {done.returncode}:\n{done.stdout}{done.stderr}")

    def start(self):
        with open(self.folder / "countersignd.log", "ab") as log:
            self.process = subprocess.Popen(
                [self.programs / "countersignd", "--config", str(self.folder / "countersign.yaml")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        waited = subprocess.run(
            [self.programs / "countersign", "status", "--wait", "60s", "--signer", str(self.socket)],
            capture_output=True,
            text=True,
        )
        if waited.returncode != 0:
            log = (self.folder / "countersignd.log").read_text(errors="replace")
            self.stop()
            raise RuntimeError(f"the appliance is not ready: {waited.stderr}\n{log}")

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=30)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
            self.process = None


def copy_examples(to):
    """The shipped example under short names; its context envelope carries the current time."""
    examples = SOURCE / "deploy" / "examples"
    shutil.copy(examples / "production-change.policy.yaml", to / "policy.yaml")
    shutil.copy(examples / "production-change.intent.json", to / "intent.json")
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    text = (examples / "production-change.context.json").read_text()
    for old in ("2026-06-01T08:58:00Z", "2026-06-01T08:57:30Z", "2026-06-01T08:57:40Z"):
        text = text.replace(old, now)
    (to / "context.json").write_text(text)
    shutil.copytree(examples, to / "deploy" / "examples")
    (to / "var" / "demo" / "tenants" / "tenant-4711").mkdir(parents=True)
