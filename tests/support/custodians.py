"""Custodians with root keys of their own, as people have them: PEM files with a passphrase, and keys on a token; and the appliance
that they bring up. Test-only."""
import json
import os
import subprocess

from appliance import Appliance, softhsm
from ceremony import Quorum

ROLES = ("approval", "trace", "release", "publication")
PASSPHRASE = "test-only-passphrase"
PIN = "test-only-pin"


class RootCustodians(Quorum):
    """`names` maps people to the kind of their root key: "ed25519" or "p256" in a PEM, "token" for P-256 on a SoftHSM of
    theirs. They sign everything with it."""

    def __init__(self, folder, names, threshold=2):
        self.kinds = dict(names)
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.names = list(names)
        self.threshold = threshold
        self.secrets = {}
        for name, kind in self.kinds.items():
            if not (folder / f"{name}.pub").exists():
                self.make(name, kind)

    def make(self, name, kind):
        pem = self.folder / f"{name}.pem"
        bare = self.folder / f"{name}.bare.pem"
        algorithm = ["-algorithm", "ed25519"] if kind == "ed25519" else ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        run("openssl", "genpkey", *algorithm, "-out", bare)
        run("openssl", "pkey", "-in", bare, "-pubout", "-out", self.folder / f"{name}.pub")
        if kind == "token":
            place = self.folder / f"{name}.token"
            (place / "tokens").mkdir(parents=True)
            (place / "softhsm2.conf").write_text(f"directories.tokendir = {place}/tokens\nobjectstore.backend = file\n")
            run("softhsm2-util", "--init-token", "--free", "--label", f"{name}-card", "--so-pin", "test-only-so", "--pin", PIN,
                env=self.environment(name))
            run("softhsm2-util", "--import", bare, "--token", f"{name}-card", "--label", "root", "--id", "01", "--pin", PIN,
                env=self.environment(name))
        else:
            run("openssl", "pkcs8", "-topk8", "-v2", "aes-256-cbc", "-in", bare, "-out", pem, "-passout", f"pass:{PASSPHRASE}")
            pem.chmod(0o600)
        bare.unlink()
        secret = self.folder / f"{name}.secret"
        secret.write_text((PIN if kind == "token" else PASSPHRASE) + "\n")
        secret.chmod(0o600)

    def environment(self, name):
        environment = dict(os.environ)
        if self.kinds.get(name) == "token":
            environment["SOFTHSM2_CONF"] = str(self.folder / f"{name}.token" / "softhsm2.conf")
        return environment

    def root_key(self, name):
        if self.kinds[name] == "token":
            return f"pkcs11:token={name}-card;object=root;id=%01?module-path={softhsm()}"
        return str(self.folder / f"{name}.pem")

    def document(self):
        return {"threshold": self.threshold,
                "custodians": [{"name": name, "root_key": (self.folder / f"{name}.pub").read_text()} for name in self.names]}

    def words(self, name, key=None):
        """The options of `ceremony approve` for that person."""
        return ["--custodian", name, "--root-key", self.root_key(key or name), "--pin", f"file:{self.folder / (key or name)}.secret"]

    def approve(self, ceremony, *names):
        for name in names:
            ceremony.must("approve", ceremony.dir, *self.words(name), env=self.environment(name))


def production(programs, folder, publication):
    """Tokens that hold nothing, measured, and a configuration without `trial`."""
    appliance = Appliance(programs, folder, publication=publication, roles=ROLES, standby={"trace": "trace"})
    text = appliance.config.read_text().replace("trial: true\n", "").replace("sign:approval, ", "")
    appliance.config.write_text(text)
    for role in ROLES:
        appliance.blank_token(role)
        subprocess.run([appliance.bin / "countersignd", "probe", role, "--config", appliance.config], check=True,
                       capture_output=True)
    return appliance


def run(*words, env=None):
    subprocess.run([str(word) for word in words], check=True, capture_output=True, env=env)
