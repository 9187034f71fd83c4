#!/usr/bin/env python3
"""The key runbooks, executed as they are written: each block of shell in order, on a whole appliance.

  runbooks_test.py PROGRAMS
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from appliance import ROLES, Appliance  # noqa: E402
from ceremony import PEOPLE, Ceremony, Quorum  # noqa: E402
from custodians import RootCustodians  # noqa: E402


def blocks(page):
    found = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "docs" / "runbooks" / page).read_text(), re.MULTILINE | re.DOTALL)
    assert len(found) >= 2, f"{page} has {len(found)} blocks"
    return found


def execute(page, folder, environment):
    script = "set -euo pipefail\n" + "\n".join(blocks(page))
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{page} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"


class MixedCustodians(Quorum):
    """alice and erin have SSH keys, bob a root key: on a trial, whose root stays the trial's."""

    def __init__(self, folder):
        super().__init__(folder, ("alice", "erin", "bob"))
        self.root = RootCustodians(folder / "root", {"bob": "ed25519"})

    def document(self):
        listed = super().document()
        listed["custodians"][-1] = self.root.document()["custodians"][0]
        return listed

    def sign(self, ceremony):
        ceremony.approve("alice")
        self.root.approve(ceremony, "bob")


def held_ceremony(appliance):
    """A ceremony that is over, and the file with its custodians."""
    people = MixedCustodians(appliance.folder / "people")
    ceremony = Ceremony(appliance, "first", people)
    ceremony.plan("custodians-first", quorum=people)
    ceremony.bind()
    people.sign(ceremony)
    assert ceremony.run()[1]["error"]["code"] == "under_signed"
    people.sign(ceremony)
    ceremony.must("resume", ceremony.dir, "--initials", PEOPLE)
    return ceremony.dir, people.file()


def main():
    with tempfile.TemporaryDirectory(prefix="countersign-runbooks-") as folder:
        appliance = Appliance(sys.argv[1], folder, publication=", roster: roster.yaml", roles=ROLES + ("publication",),
                              standby={"trace": "trace2"})
        appliance.make_key("gate-1")
        ssh = (appliance.folder / "keys" / "gate-1.pub").read_text().strip()
        (appliance.folder / "roster.yaml").write_text(
            f'verifiers: [{{name: gate-1, ssh_key: "{ssh}"}}]\nclosed: [trace]\n')
        appliance.init()
        appliance.start()
        work = appliance.folder / "work"
        work.mkdir()
        ceremony, pinned = held_ceremony(appliance)
        environment = dict(os.environ, PATH=f"{appliance.bin.resolve()}:{os.environ['PATH']}", COUNTERSIGN_SIGNER=str(appliance.socket),
                           CONFIG=str(appliance.config), PUBLISHED=str(appliance.folder / "published"), ROLE="trace",
                           CEREMONY=str(ceremony), PINNED=str(pinned),
                           VERIFIER="gate-1", VERIFIER_KEY=str(appliance.folder / "keys" / "gate-1"))
        execute("rotation.md", work, environment)
        execute("compromise.md", work, environment)
        appliance.stop()


if __name__ == "__main__":
    main()
