#!/usr/bin/env python3
"""Every shipped plan, executed on SoftHSM: planned, (rehearsed,) signed, run, its transcript signed, closed and verified.

  plans_test.py PROGRAMS
"""
import json
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from appliance import Appliance, Refused, softhsm  # noqa: E402
from between import Between  # noqa: E402
from ceremony import SHIPPED, Ceremony, Quorum, active, keys_of  # noqa: E402

# Sets live 1 s and clocks differ by at most 0.1 s: a gate opens 1.2 s after its key is staged.
PUBLICATION = ", lifetime: 1s, refresh: 500ms, clock_skew: 100ms"
HELD = set()  # shipped plans that were held


def hold(appliance, custodians, shipped, name=None, **how):
    HELD.add(shipped)
    return Ceremony(appliance, name or shipped, custodians).hold(shipped, **how)


def hold_unbelieved(appliance, custodians, shipped, code, change, **places):
    """As held, but first the signer's word that a step is done is not what its published key says: the ceremony stops there."""
    HELD.add(shipped)
    ceremony = Ceremony(appliance, shipped, custodians)
    ceremony.plan(shipped, **places)
    ceremony.bind().approve()
    path = appliance.folder / "run" / "between.sock"
    config = appliance.config.with_name("between.yaml")
    config.write_text(appliance.config.read_text().replace("admin: run/admin.sock", "admin: run/between.sock"))
    binding = ceremony.dir / "binding.yaml"
    binding.write_text(binding.read_text().replace(str(appliance.config), str(config)))
    with Between(path, appliance.folder / "run" / "admin.sock", change):
        got, answer, said = ceremony.run()
    assert got == 3 and answer["error"]["code"] == code, (got, answer, said[-2000:])
    ceremony.bind()
    got, answer, said = ceremony.resume()
    assert answer["error"]["code"] == "under_signed", (got, answer, said[-3000:])
    return ceremony.close()


def first_keys(programs, folder):
    """From nothing: tokens that hold nothing, and no ledger."""
    roles = ("approval", "trace", "release", "publication")
    appliance = Appliance(programs, folder, publication=PUBLICATION, roles=roles)
    quorum = Quorum(folder / "custodians")
    for role in roles:
        appliance.blank_token(role)
    HELD.add("first-keys")
    ceremony = Ceremony(appliance, "first-keys", quorum)
    ceremony.plan("first-keys", quorum=quorum, rehearsal="required")
    ceremony.bind()
    ceremony.refused("not_rehearsed", "run", ceremony.dir)
    ceremony.rehearse()
    ceremony.approve()
    # A token whose module was never measured makes no key.
    _, answer, _ = ceremony.run()
    assert answer["error"]["code"] == "profile_missing", answer
    nobody = subprocess.run([appliance.bin / "countersignd", "probe", "nobody", "--config", appliance.config, "--json"],
                            capture_output=True, text=True)
    assert nobody.returncode == 5 and json.loads(nobody.stdout)["error"]["code"] == "unknown_token", nobody
    for role in roles:
        measured = subprocess.run([appliance.bin / "countersignd", "probe", role, "--config", appliance.config, "--json"],
                                  capture_output=True, text=True)
        assert measured.returncode == 0 and '"trust":"binding"' in measured.stdout, measured
    code, answer, said = ceremony.resume()
    assert answer["error"]["code"] == "under_signed", (code, answer, said[-3000:])
    ceremony.approve()
    # The ledger and its keys are there; somebody starts the appliance, and the ceremony can be closed.
    code, answer, _ = ceremony.resume()
    assert code == 7, (code, answer)
    appliance.start()
    verified = ceremony.close()
    assert len(verified["keys"]) == 4 and sorted(verified["signed_by"]) == ["alice", "bob"], verified
    for role in roles:
        assert active(appliance, role) in [key["kid"] for key in verified["keys"]], role
    standing = appliance.custodian().call("GET", "/v1/ceremonies")["standing"]
    assert standing["quorum"]["threshold"] == 2, standing
    # Done again it changes nothing, and nobody begins a second ledger.
    assert ceremony.resume()[0] == 0
    again = Ceremony(appliance, "first-keys-again", quorum)
    again.plan("first-keys", quorum=quorum)
    again.bind().approve()
    _, answer, _ = again.run()
    assert answer["error"]["code"] in ("already_running", "ledger_there"), answer
    appliance.stop()


def with_all_roles(programs, folder):
    appliance = Appliance(programs, folder, publication=PUBLICATION, standby={"approval": "spare", "release": "vault",
                                                                             "trace": "trace"})
    text = appliance.config.read_text()
    for role in ("log", "publication"):
        if f"\n  {role}: {{token" in text:
            continue
        token = (f"  {role}: {{module: {softhsm()}, environment: {{SOFTHSM2_CONF: tokens/{role}/softhsm2.conf}}, "
                 f"label: test-{role}, pin: {{file: tokens/{role}/pin}}}}\n")
        text = text.replace("\nroles:\n", f"\n{token}roles:\n  {role}: {{token: {role}, algorithm: ed25519}}\n", 1)
    appliance.config.write_text(text)
    return appliance.init()


def main():
    programs = pathlib.Path(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="countersign-plans-") as place:
        folder = pathlib.Path(place)
        first_keys(programs, folder / "first")
        appliance = with_all_roles(programs, folder / "all")
        appliance.start()
        quorum = Quorum(folder / "custodians")
        hold(appliance, quorum, "custodians-first", quorum=quorum)

        # Rotation, rehearsed and compared; the others as they are.
        before = active(appliance, "trace")
        verified = hold(appliance, quorum, "rotate-trace", rehearse=True)
        assert active(appliance, "trace") == verified["keys"][0]["kid"] != before
        assert keys_of(appliance)[before]["state"] in ("retiring", "retired")
        for role in ("approval", "release", "log", "publication"):
            before = active(appliance, role)
            if role == "log":
                hold_unbelieved(appliance, quorum, "rotate-log", "not_active", lambda _, target, body: body.replace(
                    b'"state":"active"', b'"state":"retired"') if target.startswith("/v1/keys/") else body)
            else:
                hold(appliance, quorum, f"rotate-{role}")
            assert active(appliance, role) != before, role

        # To another HSM: the approval role is served from the token `spare` afterwards.
        before = active(appliance, "approval")
        verified = hold(appliance, quorum, "move-hsm", role="approval", token="spare")
        assert active(appliance, "approval") == verified["keys"][0]["kid"]
        appliance.wait_ready()

        # Compromise: the standby takes over at once. Loss of a token: the same, and the new key is made elsewhere.
        lost = active(appliance, "trace")
        hold_unbelieved(appliance, quorum, "compromise", "not_halted", lambda _, target, body: body.replace(
            b'"compromised_since"', b'"unknown"') if target.startswith("/v1/keys/") else body, role="trace")
        assert keys_of(appliance)[lost].get("compromised_since"), keys_of(appliance)[lost]
        assert active(appliance, "trace") != lost
        gone = active(appliance, "release")
        hold(appliance, quorum, "token-loss", role="release", token="vault")
        assert active(appliance, "release") != gone

        hold(appliance, quorum, "destruction", role="trace", token="trace", key=lost)
        assert keys_of(appliance).get(lost, {}).get("state", "destroyed") == "destroyed"

        # Who decides changes: by the old quorum and by the new one.
        five = Quorum(quorum.folder, ["alice", "bob", "erin", "frank"])
        hold(appliance, quorum, "custodian-add", new_quorum=five)
        Ceremony(appliance, "by-the-old", quorum).refused(
            "other_custodians", "run", _old_plan(appliance, quorum).dir, "--initials", "carol=CA,dave=DV")
        without = Quorum(quorum.folder, ["alice", "bob", "frank"])
        hold(appliance, five, "custodian-remove", new_quorum=without)
        roster(appliance, without)
        appliance.stop()
    shipped = {path.stem for path in SHIPPED.glob("*.yaml")}
    assert HELD == shipped, f"shipped and not held: {sorted(shipped - HELD)}"


def approval_refused_with(appliance):
    """Why no approval token is minted now; there is no request to approve, which is another reason."""
    try:
        appliance.signer().sign({"type": "approval_token", "proof": {"kind": "unix_user"}, "statement": {
            "intent_digest": "ab" * 32, "policy_digest": "cd" * 32, "approver_identity": "alice@approvers.example",
            "reason_code": "test", "scope": ["tool:db.save"], "ttl_seconds": 60}})
    except Refused as refusal:
        return refusal.code
    raise AssertionError("an approval of nothing was minted")


def roster(appliance, quorum):
    """Who may approve is agreed to; another list in the configuration approves nothing."""
    hold(appliance, quorum, "roster", config=appliance.config)
    assert approval_refused_with(appliance) != "roster_not_agreed"
    agreed = appliance.custodian().call("GET", "/v1/ceremonies")["standing"]
    assert len(agreed["approvers"]) == 64 and agreed["version"] == 4, agreed
    hold(appliance, quorum, "roster", name="of-others", sha256="ab" * 32)
    assert approval_refused_with(appliance) == "roster_not_agreed"
    assert any("approvers" in finding["what"] for finding in appliance.status()["findings"]), appliance.status()


def _old_plan(appliance, quorum):
    """A plan by custodians who are no longer all that there are."""
    old = Ceremony(appliance, "old-custodians", quorum)
    old.plan("rotate-trace", quorum=quorum)
    return old.bind().approve()


if __name__ == "__main__":
    main()
