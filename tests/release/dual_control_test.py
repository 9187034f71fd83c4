#!/usr/bin/env python3
"""Releases under dual control: two approvers for exactly these digests, each token once, or nothing is signed.

  dual_control_test.py PROGRAMS
"""
import json
import pathlib
import re
import sys
import tempfile

from released import MANIFEST, SIGNED, Appliance, answered, command


def asked_for(answer):
    """The digests that approvers are told."""
    assert answer["error"]["code"] == "release_approval_required", answer
    hint = answer["error"]["hint"]
    return {"intent_digest": re.search("--intent-digest ([0-9a-f]{64})", hint)[1],
            "policy_digest": re.search("--policy-digest ([0-9a-f]{64})", hint)[1]}


def main():
    with tempfile.TemporaryDirectory(prefix="countersign-release-") as name:
        folder = pathlib.Path(name)
        appliance = Appliance(sys.argv[1], folder / "appliance", approvers=("alice", "bob"),
                              more="releases: {approvals: 2}").init()
        appliance.start()
        (folder / "tool").write_bytes(b"tool")
        (folder / "other").write_bytes(b"other")
        sign = ("release", "sign", folder / "tool", *SIGNED, "--out-dir", folder / "out")
        code, answer = command(appliance, *sign)
        assert code == 4, answer
        asked = asked_for(answer)

        def token(approver, decision):
            path = folder / f"{approver}-{decision['intent_digest'][:8]}.json"
            path.write_text(json.dumps(appliance.approve(approver, decision, ["tool:release.sign"])))
            return path

        alice = token("alice", asked)
        code, answer = command(appliance, *sign, "--approval-token", alice)
        assert code != 0 and not (folder / "out" / MANIFEST).exists(), "one approval is not two"
        again = token("alice", asked)
        code, answer = command(appliance, *sign, "--approval-token-chain", f"{alice},{again}")
        assert code != 0, "one approver is not two"
        bob = token("bob", asked)
        # Approvals are for these digests: another file, or another version, needs others.
        other = ("release", "sign", folder / "other", *SIGNED, "--out-dir", folder / "out")
        code, answer = command(appliance, *other, "--approval-token-chain", f"{alice},{bob}")
        assert code != 0 and not (folder / "out" / MANIFEST).exists(), answer
        answer = answered(appliance, *sign, "--approval-token-chain", f"{alice},{bob}")
        assert len(answer["redeemed"]) == 2 and (folder / "out" / MANIFEST).exists()
        code, answer = command(appliance, *sign, "--approval-token-chain", f"{alice},{bob}")
        assert code != 0, "an approval counts once"
        assert appliance.stop() == 0


if __name__ == "__main__":
    main()
