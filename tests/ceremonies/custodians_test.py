#!/usr/bin/env python3
"""Ceremonies of an appliance that is no trial: people with root keys of their own, two in PEM files and one on a token, sign
root and key set, two of three. First keys, a rotation, a compromise, a custodian who joins and one who leaves; verifiers
follow with nothing but the first root.

  custodians_test.py PROGRAMS
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from appliance import Appliance, Refused  # noqa: E402
from ceremony import Ceremony, Quorum, active, keys_of  # noqa: E402
from custodians import PASSPHRASE, PIN, ROLES, RootCustodians, production  # noqa: E402
from terminal import typed  # noqa: E402
from tuf_client import served, tuf_client  # noqa: E402

PUBLICATION = ", lifetime: 2s, refresh: 1s, clock_skew: 200ms"


def needed(ceremony, outcome):
    code, answer, said = outcome
    assert code == 4 and answer["error"]["code"] == "signatures_needed", (code, answer, said[-3000:])
    return answer["error"]["message"]


def close(ceremony, custodians, *names):
    custodians.approve(ceremony, *names)
    code, answer, said = ceremony.resume()
    assert code == 0, (code, answer, said[-3000:])
    return ceremony.verify(custodians)


def finish(ceremony, outcome, custodians, *names):
    """The steps are done; the transcript is signed, and the ceremony closed."""
    _, answer, said = outcome
    assert answer.get("error", {}).get("code") == "under_signed", (answer, said[-3000:])
    return close(ceremony, custodians, *names)


def sync(appliance, folder, custodians_root=None):
    words = [appliance.bin / "countersign", "keys", "sync", "--from", appliance.folder / "published", "--trust", folder, "--json"]
    if custodians_root:
        words += ["--root", custodians_root]
    deadline = time.monotonic() + 60
    while True:
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60)
        answer = json.loads(done.stdout)
        if done.returncode == 0:
            return answer
        # What is published lives two seconds: on a slow machine it may be over between two fetches.
        assert answer["error"]["code"] == "freeze_attack" and time.monotonic() < deadline, answer
        time.sleep(0.1)  # polls a condition; nothing depends on how long


def at_the_keyboard(ceremony, custodians):
    """A passphrase and a PIN that are typed are not shown."""
    for name, asked, secret in (("alice", "passphrase of", PASSPHRASE), ("bob", "PIN of token bob-card", PIN)):
        code, shown, out = typed(ceremony.words("approve", ceremony.dir, "--custodian", name, "--root-key",
                                                custodians.root_key(name)), [(asked, secret)], custodians.environment(name))
        assert code == 0 and json.loads(out)["signed"] == "publication", (code, shown, out)
        assert secret not in shown and secret not in out, shown
    ceremony.refused("no_terminal", "approve", ceremony.dir, "--custodian", "alice", "--root-key", custodians.root_key("alice"), exit_code=7,
                     start_new_session=True)
    code, shown, out = typed(ceremony.words("approve", ceremony.dir, "--custodian", "alice", "--root-key",
                                            custodians.root_key("alice")), [("passphrase of", "not-it")])
    assert code == 3 and json.loads(out)["error"]["code"] == "passphrase_wrong" and "not-it" not in shown, (code, shown, out)


def pin_typed_in_the_run(appliance, custodians):
    """`pin: {prompt: true}` in the binding: asked for once, without echo, before anything is made."""
    ceremony = Ceremony(appliance, "typed", custodians)
    ceremony.plan("rotate-release")
    ceremony.bind(pins={"release": {"prompt": True}})
    custodians.approve(ceremony, "alice", "bob")
    code, shown, out = typed(ceremony.words("run", ceremony.dir, "--initials", "carol=CA,dave=DV"),
                             [("PIN of token release", "test-only-pin")])
    assert code == 4 and json.loads(out)["error"]["code"] == "signatures_needed", (code, shown, out)
    assert "test-only-pin" not in shown and "test-only-pin" not in (ceremony.dir / "transcript.jsonl").read_text(), shown
    ceremony.must("resume", ceremony.dir, "--abandon", "the test is over")


def first_keys(appliance, custodians):
    ceremony = Ceremony(appliance, "first", custodians)
    ceremony.plan("first-keys", quorum=custodians, rehearsal="required")
    ceremony.bind().rehearse()
    custodians.approve(ceremony, "alice", "bob")
    said = needed(ceremony, ceremony.run())
    assert "0 of the 2" in said, said
    # Nobody signs for another, with another's key or with a wrong passphrase, and twice is once.
    ceremony.refused("not_the_custodians_key", "approve", ceremony.dir, *custodians.words("alice", key="erin"), exit_code=3)
    wrong = ["--custodian", "alice", "--root-key", custodians.root_key("alice"), "--pin", f"file:{custodians.folder / 'bob.secret'}"]
    ceremony.refused("passphrase_wrong", "approve", ceremony.dir, *wrong)
    ceremony.refused("unknown_custodian", "approve", ceremony.dir, "--custodian", "mallory", "--root-key", "/dev/null")
    ceremony.refused("custodian_key_missing", "approve", ceremony.dir, "--custodian", "alice")
    for _ in range(2):
        custodians.approve(ceremony, "alice")
        assert "1 of the 2" in needed(ceremony, ceremony.resume())
    at_the_keyboard(ceremony, custodians)
    code, answer, said = ceremony.resume()
    assert answer["error"]["code"] == "under_signed", (code, answer, said[-3000:])
    appliance.start()
    verified = close(ceremony, custodians, "alice", "bob")
    assert len(verified["keys"]) == len(ROLES), verified
    (established,) = [line for line in ceremony.transcript() if line["kind"] == "step" and "publication" in line["observed"]]
    assert sorted(established["observed"]["publication"]["signed_by"]) == ["alice", "bob"], established
    attested = [line for line in ceremony.transcript() if line["kind"] == "token"]
    assert len(attested) == len(ROLES) and all(line["attestation"] == "none" and line["trust"] == "binding"
                                               for line in attested), attested


def tampered(ceremony, custodians):
    """Somebody changes what is to be signed: who reads it signs nothing, and the console hands nothing on."""
    path = ceremony.dir / "publication.json"
    whole = path.read_text()
    def forged_key(request):
        keyset = json.loads(request["keyset"])
        keyset["keys"].append({**keyset["keys"][0], "role": "release"})
        request["keyset"] = json.dumps(keyset)

    def forged_past(request):
        request["present"]["targets"] = request["present"]["targets"].replace('"sig":"', '"sig":"00')

    for change in (lambda request: request["targets"].update(version=request["targets"]["version"] + 1),
                   lambda request: request["targets"]["targets"].pop("keyset.json"),
                   lambda request: request.pop("present"), forged_key, forged_past):
        document = json.loads(whole)
        change(document["request"])
        assert document != json.loads(whole)
        path.write_text(json.dumps(document))
        code, answer, _ = ceremony.call("approve", ceremony.dir, *custodians.words("alice"))
        assert code != 0 and answer["error"]["code"] in ("request_differs", "arbitrary_software", "under_signed", "invalid"), (change, answer)
    path.write_text(whole)


def crashes_between_signature_and_record(appliance, ceremony):
    """What was signed is stored, and the power fails before the ledger says so: nobody has to sign again."""
    appliance.stop()
    before = appliance.folder.with_name("before")
    shutil.copytree(appliance.folder, before, symlinks=True)
    appliance.start()
    ceremony.call("resume", ceremony.dir, "--initials", "carol=CA,dave=DV")  # stops at the gate
    appliance.stop()
    signed = (appliance.state / "publication.json").read_bytes()
    shutil.rmtree(appliance.folder)
    before.rename(appliance.folder)
    assert json.loads(signed)["targets"] != json.loads((appliance.state / "publication.json").read_text())["targets"]
    (appliance.state / "publication.json").write_bytes(signed)
    (ceremony.dir / "publication.json").unlink()
    shutil.rmtree(ceremony.dir / "publication-signatures")
    appliance.start()


def rotation(appliance, custodians):
    before = active(appliance, "trace")
    ceremony = Ceremony(appliance, "rotation", custodians)
    ceremony.plan("rotate-trace")
    ceremony.bind()
    custodians.approve(ceremony, "alice", "erin")
    needed(ceremony, ceremony.run())
    tampered(ceremony, custodians)
    custodians.approve(ceremony, "bob")
    assert "1 of the 2" in needed(ceremony, ceremony.resume())
    # By hand it is refused as well: what one person signed stages nothing.
    document = json.loads((ceremony.dir / "publication.json").read_text())["request"]
    unsigned = {"roots": [], "targets": json.dumps({"signatures": [], "signed": document["targets"]}), "keyset": document["keyset"]}
    made = [line["observed"]["key"] for line in ceremony.transcript() if line["kind"] == "step"][0]
    spki = "".join(made["pem"].split("-----")[2].split())
    held = {"role": "trace", "kid": made["kid"], "algorithm": made["algorithm"], "spki": spki, "id": made["id"],
            "label": made["label"], "created": True}
    try:
        appliance.custodian().call("POST", "/v1/keys/stage", {"token": "trace", "keys": [held], "publication": unsigned})
        raise AssertionError("a key set that nobody signed was published")
    except Refused as refusal:
        assert refusal.code == "under_signed", refusal
    present = json.loads(max((appliance.folder / "published").glob("*.root.json"), key=lambda path: int(path.name.split(".")[0])).read_text())
    present["signed"]["roles"]["root"]["threshold"] = 1
    people = Quorum(custodians.folder / "ssh").document()
    for path, body, code in (("propose", {"token": "trace", "keys": [held], "quorum": people}, "root_key_missing"),
                             ("stage", {"token": "trace", "keys": [held]}, "targets_unsigned"),
                             ("stage", {"token": "trace", "keys": [held], "publication": {**unsigned, "roots": [json.dumps(present)]}}, "root_not_agreed")):
        try:
            appliance.custodian().call("POST", f"/v1/keys/{path}", body)
            raise AssertionError(f"{code} was taken")
        except Refused as refusal:
            assert (refusal.status, refusal.code) == (403, code), refusal
    custodians.approve(ceremony, "erin")
    crashes_between_signature_and_record(appliance, ceremony)
    finish(ceremony, ceremony.resume(), custodians, "alice", "erin")
    assert active(appliance, "trace") == made["kid"] != before


def compromise(appliance, custodians):
    lost = active(appliance, "trace")
    ceremony = Ceremony(appliance, "compromise", custodians)
    ceremony.plan("compromise", role="trace")
    ceremony.bind()
    custodians.approve(ceremony, "alice", "bob")
    # The halt waits for nobody; the new standby does.
    needed(ceremony, ceremony.run())
    assert keys_of(appliance)[lost].get("compromised_since"), keys_of(appliance)[lost]
    custodians.approve(ceremony, "alice", "bob")
    finish(ceremony, ceremony.resume(), custodians, "alice", "bob")


def custodians_change(appliance, old, new, name, signers):
    """Root rotation: the old quorum signs, and the new one."""
    ceremony = Ceremony(appliance, name, old)
    ceremony.plan("custodian-add" if len(new.names) > len(old.names) else "custodian-remove", new_quorum=new)
    ceremony.bind()
    new.kinds = {**old.kinds, **new.kinds}
    new.approve(ceremony, *signers)
    needed(ceremony, ceremony.run())
    for number, signer in enumerate(signers):
        new.approve(ceremony, signer)
        if number + 1 < len(signers):
            needed(ceremony, ceremony.resume())
    if "frank" not in old.names:
        ceremony_over = ceremony.resume()
        assert ceremony_over[1]["error"]["code"] == "under_signed", ceremony_over
        ceremony.refused("unknown_custodian", "approve", ceremony.dir, *new.words("frank"))
    _, answer, _ = ceremony.resume()
    assert answer["error"]["code"] == "under_signed", answer
    new.approve(ceremony, *[name for name in signers if name in old.names])
    ceremony.must("resume", ceremony.dir, "--initials", "carol=CA,dave=DV")
    ceremony.verify(old)
    standing = appliance.custodian().call("GET", "/v1/ceremonies")["standing"]
    assert [person["name"] for person in standing["quorum"]["custodians"]] == new.names, standing


def a_stranger_follows(client, keys_wanted, root_version):
    """python-tuf believes what the people signed, with each kind of their root keys."""
    if client is None:
        return
    deadline = time.monotonic() + 60
    while True:
        try:
            keyset, _ = client.keys()
            break
        except Exception as failure:  # noqa: BLE001: its classes are known only where it is installed
            # What is published lives two seconds: on a slow machine it may be over between two fetches.
            assert type(failure).__name__ == "ExpiredMetadataError" and time.monotonic() < deadline, failure
            time.sleep(0.1)  # polls a condition; nothing depends on how long
    assert {key["kid"] for key in keyset["keys"]} >= keys_wanted, (keyset, keys_wanted)
    assert client.root_version() == root_version, client.root_version()


def take_over(programs, folder, custodians):
    """The trial root that `init` made is taken over by people; whoever pinned it follows."""
    appliance = Appliance(programs, folder, publication=PUBLICATION, roles=ROLES).init()
    appliance.start()
    pinned = folder / "1.root.json"
    pinned.write_bytes((appliance.folder / "published" / "1.root.json").read_bytes())
    trust = folder / "trust"
    assert sync(appliance, trust, pinned)["trial"]
    ceremony = Ceremony(appliance, "first", custodians)
    ceremony.plan("custodians-first", quorum=custodians)
    ceremony.bind()
    custodians.approve(ceremony, "bob", "erin")
    needed(ceremony, ceremony.run())
    custodians.approve(ceremony, "bob", "erin")
    finish(ceremony, ceremony.resume(), custodians, "bob", "erin")
    answer = sync(appliance, trust)
    assert answer["root_version"] == 2 and not answer["trial"], answer
    # From now on `stage` asks for people.
    done = subprocess.run([appliance.bin / "countersignd", "stage", "trace", "--config", appliance.config, "--json"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 3 and json.loads(done.stdout)["error"]["code"] == "ceremony_needed", done
    appliance.stop()


def main():
    programs = pathlib.Path(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="countersign-custodians-") as place:
        folder = pathlib.Path(place)
        appliance = production(programs, folder / "appliance", PUBLICATION)
        custodians = RootCustodians(folder / "people", {"alice": "ed25519", "bob": "token", "erin": "p256"})
        first_keys(appliance, custodians)
        pinned = folder / "1.root.json"
        pinned.write_bytes((appliance.folder / "published" / "1.root.json").read_bytes())
        trust = folder / "trust"
        assert not sync(appliance, trust, pinned)["trial"]
        rotation(appliance, custodians)
        sync(appliance, trust)
        pin_typed_in_the_run(appliance, custodians)
        compromise(appliance, custodians)
        # Somebody joins and the threshold rises; then somebody leaves, and it falls again.
        four = RootCustodians(folder / "people", {**custodians.kinds, "frank": "ed25519"}, threshold=3)
        custodians_change(appliance, custodians, four, "joins", ("alice", "bob", "frank"))
        assert sync(appliance, trust)["root_version"] == 2
        three = RootCustodians(folder / "people", {"alice": "ed25519", "erin": "p256", "frank": "ed25519"})
        custodians_change(appliance, four, three, "leaves", ("alice", "bob", "frank"))
        # A verifier that slept through both, and one that begins now, end at the same root.
        assert sync(appliance, folder / "late", pinned)["root_version"] == sync(appliance, trust)["root_version"] == 3
        with served(appliance.folder / "published") as url:
            # It starts at root 1 and walks both roots that people signed.
            client = tuf_client(folder / "python-tuf", pinned.read_bytes(), url)
            a_stranger_follows(client, set(keys_of(appliance)), 3)
        appliance.stop()
        take_over(programs, folder / "trial", custodians)


if __name__ == "__main__":
    main()
