"""Ceremonies as custodians run them: with the real command, from a directory. Test-only keys throughout."""
import json
import os
import pathlib
import subprocess

SHIPPED = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "ceremonies"
PEOPLE = "carol=CA,dave=DV"


class Quorum:
    """People with SSH keys of their own in `folder`; `threshold` of them must sign."""

    def __init__(self, folder, names=("alice", "bob", "erin"), threshold=2):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.names = list(names)
        self.threshold = threshold
        for name in names:
            if not (self.folder / name).exists():
                subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{name} (test-only)", "-f",
                                str(self.folder / name)], check=True)

    def document(self):
        return {"threshold": self.threshold,
                "custodians": [{"name": name, "ssh_keys": [(self.folder / f"{name}.pub").read_text().strip()]}
                               for name in self.names]}

    def file(self):
        path = self.folder / ("quorum-" + "-".join(self.names) + ".json")
        path.write_text(json.dumps(self.document()))
        return path


class Ceremony:
    """A directory of `appliance` in which one plan is made, signed and run."""

    def __init__(self, appliance, name, quorum):
        self.appliance = appliance
        self.quorum = quorum
        self.dir = appliance.folder / "ceremonies" / name
        self.dir.mkdir(parents=True)
        self.admin = str(appliance.folder / "run" / "admin.sock")

    def words(self, *words):
        return [str(word) for word in (self.appliance.bin / "countersign", "ceremony", *words, "--json")]

    def call(self, *words, timeout=300, **how):
        """Exit code, the answer, and what it said to people."""
        done = subprocess.run(self.words(*words), capture_output=True, text=True, timeout=timeout,
                              stdin=subprocess.DEVNULL, **how)
        answer = json.loads(done.stdout) if done.stdout.strip() else {}
        return done.returncode, answer, done.stderr

    def must(self, *words, **how):
        code, answer, said = self.call(*words, **how)
        assert code == 0, (words, code, answer, said[-3000:])
        return answer

    def refused(self, code, *words, exit_code=None, **how):
        """The refusal's hint: it must say what to do."""
        got, answer, said = self.call(*words, **how)
        error = answer.get("error", {})
        assert got != 0 and error.get("code") == code, (words, got, answer, said[-2000:])
        assert exit_code is None or got == exit_code, (words, got, answer)
        return error

    def plan(self, shipped, quorum=None, new_quorum=None, config=None, **places):
        places = {"administrator": "carol", "witness": "dave", "rehearsal": "optional", **places}
        words = ["plan", SHIPPED / f"{shipped}.yaml", "--dir", self.dir, "--admin", self.admin, "--set",
                 ",".join(f"{name.replace('_', '-')}={value}" for name, value in places.items())]
        if quorum:
            words += ["--quorum", quorum.file()]
        if new_quorum:
            words += ["--new-quorum", new_quorum.file()]
        if config:
            words += ["--config", config]
        return self.must(*words)

    def bind(self, serials=None, pins=None):
        """binding.yaml for every token of the appliance, as it is or with other serial numbers and PIN sources."""
        tokens = {}
        for folder in sorted((self.appliance.folder / "tokens").iterdir()):
            token = folder.name
            serial = (serials or {}).get(token) or serial_of(folder)
            tokens[token] = {"serial": serial, "pin": (pins or {}).get(token, {"file": str(folder / "pin")})}
        (self.dir / "binding.yaml").write_text(json.dumps(
            {"binding": 1, "configuration": str(self.appliance.config), "tokens": tokens}))
        return self

    def approve(self, *names, quorum=None):
        for name in names or self.quorum.names[:self.quorum.threshold]:
            key = (quorum or self.quorum).folder / name
            self.must("approve", self.dir, "--custodian", name, "--ssh-key", key)
        return self

    def rehearse(self):
        return self.must("rehearse", self.dir, "--config", self.appliance.config)

    def run(self, *words, **how):
        return self.call("run", self.dir, "--initials", PEOPLE, "--wait", *words, **how)

    def resume(self, *words, **how):
        return self.call("resume", self.dir, "--initials", PEOPLE, "--wait", *words, **how)

    def close(self, by=None):
        """Signs the finished transcript, has it closed, and verifies it as a stranger does."""
        self.approve(quorum=by)
        code, answer, said = self.resume()
        assert code == 0, (code, answer, said[-2000:])
        return self.verify()

    def verify(self, quorum=None):
        return self.must("verify", self.dir, "--custodians", (quorum or self.quorum).file())

    def hold(self, shipped, rehearse=False, approvers=None, **how):
        """The whole of it, as those present see it."""
        self.plan(shipped, **how)
        self.bind()
        if rehearse:
            self.rehearse()
        self.approve(*(approvers or ()))
        code, answer, said = self.run()
        # The steps are done; the transcript is not signed yet.
        assert answer.get("error", {}).get("code") == "under_signed", (shipped, code, answer, said[-3000:])
        return self.close()

    def transcript(self):
        path = self.dir / "transcript.jsonl"
        text = path.read_text() if path.exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]


def serial_of(folder):
    """SoftHSM's serial number is the end of the one token folder's name."""
    (directory,) = [entry for entry in (folder / "tokens").iterdir() if entry.is_dir()]
    return directory.name.replace("-", "")[-16:]


def keys_of(appliance, role=None):
    return {key["kid"]: key for key in appliance.signer().call("GET", "/v1/keys")["keys"]
            if role in (None, key["role"])}


def active(appliance, role):
    (kid,) = [kid for kid, key in keys_of(appliance, role).items() if key["state"] == "active"]
    return kid
