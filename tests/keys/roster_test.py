#!/usr/bin/env python3
"""The roster of verifiers is what the custodians agreed to: with another one nobody's acknowledgement counts, whoever is left out or
added, and a cut-over waits for its gate.

  roster_test.py PROGRAMS
"""
import json
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from appliance import ROLES, Appliance  # noqa: E402
from ceremony import Ceremony, Quorum  # noqa: E402


def run(appliance, program, *words):
    done = subprocess.run([str(appliance.bin / program), *words, "--json"], capture_output=True, text=True, timeout=60)
    return done.returncode, json.loads(done.stdout) if done.stdout.strip() else {"stderr": done.stderr}


def countersign(appliance, *words):
    return run(appliance, "countersign", *words)


def write_roster(appliance, *names):
    lines = [f'  - {{name: {name}, roles: [trace], ssh_key: "{(appliance.folder / "keys" / name).with_suffix(".pub").read_text().strip()}"}}'
             for name in names]
    (appliance.folder / "roster.yaml").write_text("verifiers:\n" + "\n".join(lines) + "\nclosed: [trace]\n")


def ack(appliance, name):
    trust = appliance.folder / "trust"
    code, answer = countersign(appliance, "keys", "sync", "--from", str(appliance.folder / "published"), "--trust", str(trust),
                               "--root", str(appliance.folder / "published" / "1.root.json"))
    assert code == 0, answer
    return countersign(appliance, "keys", "ack", "--trust", str(trust), "--verifier", name, "--ssh-key",
                       str(appliance.folder / "keys" / name), "--signer", str(appliance.socket))


def agree(appliance, quorum, name):
    return Ceremony(appliance, name, quorum).hold("roster", config=appliance.config, of="verifiers")


def disagrees(appliance):
    return any("verifiers" in finding["what"] for finding in appliance.status()["findings"])


def main():
    with tempfile.TemporaryDirectory(prefix="countersign-roster-") as place:
        folder = pathlib.Path(place)
        appliance = Appliance(sys.argv[1], folder / "a", publication=", roster: roster.yaml", roles=ROLES + ("publication",))
        for name in ("gate-1", "gate-2"):
            appliance.make_key(name)
        write_roster(appliance, "gate-1", "gate-2")
        appliance.init()
        appliance.start()
        quorum = Quorum(folder / "custodians")
        Ceremony(appliance, "first", quorum).hold("custodians-first", quorum=quorum)
        code, answer = ack(appliance, "gate-1")  # nobody agreed to any roster: the configured one counts
        assert code == 0, answer
        agree(appliance, quorum, "both")
        assert not disagrees(appliance)
        code, answer = ack(appliance, "gate-1")
        assert code == 0, answer

        # Somebody with the configuration in hand leaves the slow gate out: nothing opens early.
        write_roster(appliance, "gate-1")
        appliance.stop()
        appliance.start()
        assert disagrees(appliance), appliance.status()["findings"]
        code, answer = run(appliance, "countersignd", "stage", "trace", "--config", str(appliance.config))
        assert code == 0, answer
        kid = answer["staged"][0]["kid"]
        code, answer = ack(appliance, "gate-1")
        assert code == 3 and answer["error"]["code"] == "roster_not_agreed" and "roster.yaml" in answer["error"]["hint"], answer
        code, answer = countersign(appliance, "keys", "activate", kid, "--signer", str(appliance.socket))
        assert code == 3 and answer["error"]["code"] == "cutover_too_early", answer

        # The custodians agree to it: from that moment it counts, without a restart.
        agree(appliance, quorum, "one")
        assert not disagrees(appliance)
        code, answer = ack(appliance, "gate-1")
        assert code == 0 and answer["acknowledged"] == [kid], answer
        appliance.stop()


if __name__ == "__main__":
    main()
