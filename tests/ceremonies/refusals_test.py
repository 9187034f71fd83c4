#!/usr/bin/env python3
"""What a ceremony refuses, each beside what it takes: who signed, what was signed, when, where, and twice.

  refusals_test.py PROGRAMS
"""
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from appliance import Appliance, Refused  # noqa: E402
from ceremony import PEOPLE, SHIPPED, Ceremony, Quorum, active, keys_of, serial_of  # noqa: E402

PUBLICATION = ", lifetime: 2s, refresh: 1s, clock_skew: 200ms"


def staging(appliance, quorum, name, **places):
    """A plan without a cut-over: nothing waits."""
    ceremony = Ceremony(appliance, name, quorum)
    ceremony.plan("rotate-trace", **places)
    plan = ceremony.dir / "intent.yaml"
    lines = plan.read_text().splitlines(keepends=True)
    plan.write_text("".join(line for line in lines if "activate" not in line))
    return ceremony.bind()


def sign_by_hand(ceremony, name, key, what="plan", file="intent.yaml"):
    done = subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", f"ceremony-{what}@countersign", "-f", str(key)],
                          stdin=open(ceremony.dir / file, "rb"), capture_output=True, check=True)
    folder = ceremony.dir / f"{what}-signatures"
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(done.stdout)


def who_signs(appliance, quorum, folder):
    ceremony = staging(appliance, quorum, "signatures")
    ceremony.refused("under_signed", "run", ceremony.dir, exit_code=3)
    ceremony.refused("root_key_missing", "approve", ceremony.dir, "--custodian", "alice", "--root-key", quorum.folder / "alice", exit_code=3)
    ceremony.approve("alice")
    ceremony.refused("under_signed", "run", ceremony.dir)
    # The same person again, also by ssh-keygen and under another spelling of the name, is one person.
    sign_by_hand(ceremony, "alice.sig", quorum.folder / "alice")
    sign_by_hand(ceremony, "Alice", quorum.folder / "alice")
    error = ceremony.refused("under_signed", "run", ceremony.dir)
    assert "1 of 2" in error["message"], error
    # Bob's name with Alice's key, and a stranger.
    sign_by_hand(ceremony, "bob", quorum.folder / "alice")
    ceremony.refused("approval_invalid", "run", ceremony.dir, exit_code=2)
    (ceremony.dir / "plan-signatures" / "bob").unlink()
    stranger = Quorum(folder / "strangers", ["mallory"])
    sign_by_hand(ceremony, "mallory", stranger.folder / "mallory")
    ceremony.refused("unknown_custodian", "run", ceremony.dir)
    (ceremony.dir / "plan-signatures" / "mallory").unlink()
    ceremony.refused("unknown_custodian", "approve", ceremony.dir, "--custodian", "mallory", "--ssh-key",
                     stranger.folder / "mallory")
    assert not ceremony.transcript(), "nothing was begun"
    # Changed after it was signed: by one byte of a comment.
    ceremony.approve("bob")
    plan = ceremony.dir / "intent.yaml"
    signed = plan.read_text()
    plan.write_text(signed + "# harmless\n")
    ceremony.refused("approval_invalid", "run", ceremony.dir, exit_code=2)
    plan.write_text(signed)
    assert ceremony.run()[1]["error"]["code"] == "under_signed"
    # … and after it was begun, also where it is signed anew.
    plan.write_text(signed + "# harmless\n")
    assert ceremony.resume()[0] in (2, 3)
    signatures = {path: path.read_bytes() for path in (ceremony.dir / "plan-signatures").iterdir()}
    for path in signatures:
        path.unlink()
    for name in ("alice", "bob"):
        sign_by_hand(ceremony, name, quorum.folder / name)
    ceremony.refused("plan_changed", "resume", ceremony.dir, "--initials", PEOPLE, exit_code=3)
    plan.write_text(signed)
    for path, content in signatures.items():
        path.write_bytes(content)
    # The transcript is signed by hand too; a broken one is not verified.
    for name in ("alice", "bob"):
        sign_by_hand(ceremony, name, quorum.folder / name, "transcript", "transcript.jsonl")
    assert ceremony.resume()[0] == 0
    ceremony.verify()
    return ceremony


def what_is_verified(quorum, ceremony):
    transcript = ceremony.dir / "transcript.jsonl"
    whole = transcript.read_text()
    lines = whole.splitlines(keepends=True)
    pinned = quorum.file()
    other = Quorum(quorum.folder, ["alice", "frank", "gina"]).file()
    ceremony.refused("custodians_missing", "verify", ceremony.dir, exit_code=6)
    ceremony.refused("under_signed", "verify", ceremony.dir, "--custodians", other, exit_code=2)
    for what, text in (("a changed word", whole.replace("observed", "0bserved", 1)), ("a line less", "".join(lines[:-2] + lines[-1:])),
                       ("no end", "".join(lines[:-1])), ("a torn end", whole[:-5]), ("two lines exchanged", "".join([lines[1], lines[0]] + lines[2:]))):
        transcript.write_text(text)
        got, answer, _ = ceremony.call("verify", ceremony.dir, "--custodians", pinned)
        assert got == 2, (what, got, answer)
    transcript.write_text(whole)
    ceremony.verify()
    # By hand, as the runbook shows: each line names the digest of the one before it, and ssh-keygen believes the file.
    allowed = ceremony.dir / "allowed_signers"
    allowed.write_text("alice " + (quorum.folder / "alice.pub").read_text())
    subprocess.run(["ssh-keygen", "-Y", "verify", "-f", str(allowed), "-I", "alice", "-n", "ceremony-transcript@countersign",
                    "-s", str(ceremony.dir / "transcript-signatures" / "alice")], stdin=open(transcript, "rb"), check=True,
                   capture_output=True)
    reading = (ceremony.dir / "transcript.html").read_text()
    assert "<svg" in reading and "<script" not in reading


def once_only(appliance, quorum, ceremony):
    # The same plan in a fresh directory, with its good signatures.
    again = Ceremony(appliance, "replayed", quorum).bind()
    shutil.copy(ceremony.dir / "intent.yaml", again.dir)
    shutil.copytree(ceremony.dir / "plan-signatures", again.dir / "plan-signatures")
    again.refused("plan_used", "run", again.dir, exit_code=3)
    again.refused("ceremony_begun", "run", _copy_with_transcript(again, ceremony).dir)


def _copy_with_transcript(into, ceremony):
    shutil.copy(ceremony.dir / "transcript.jsonl", into.dir)
    return into


def what_is_expected(appliance, quorum):
    old = staging(appliance, quorum, "expects-another")
    plan = old.dir / "intent.yaml"
    plan.write_text(plan.read_text().replace(active(appliance, "trace"), "another-key"))
    old.approve()
    error = old.refused("predecessor_mismatch", "run", old.dir, exit_code=3)
    assert active(appliance, "trace") in error["message"], error
    late = staging(appliance, quorum, "late")
    plan = late.dir / "intent.yaml"
    lines = ["window: {from: 2001-01-01T00:00:00Z, until: 2001-02-01T00:00:00Z}\n" if line.startswith("window") else line
             for line in plan.read_text().splitlines(keepends=True)]
    plan.write_text("".join(lines))
    late.approve()
    late.refused("too_late", "run", late.dir)
    plan.write_text(plan.read_text().replace("2001-01-01", "2901-01-01").replace("2001-02-01", "2901-02-01"))
    late.approve()
    late.refused("too_early", "run", late.dir)
    # No quorum of one, none of all, no person twice.
    for threshold, names, code in ((3, ["alice", "bob", "erin"], "threshold_not_below_all"),
                                   (1, ["alice", "bob"], "quorum_too_small"), (2, ["alice", "bob", "Alice "], "invalid")):
        people = Quorum(quorum.folder, ["alice", "bob", "erin"], threshold)
        document = people.document()
        keys = {entry["name"]: entry["ssh_keys"] for entry in document["custodians"]}
        document["custodians"] = [{"name": name, "ssh_keys": keys.get(name, keys["erin"])} for name in names]
        file = quorum.folder / f"bad-{code}.json"
        file.write_text(json.dumps(document))
        ceremony = Ceremony(appliance, f"bad-{code}", quorum)
        ceremony.refused(code, "plan", SHIPPED / "custodian-add.yaml", "--dir", ceremony.dir, "--admin", ceremony.admin,
                         "--set", "administrator=carol,witness=dave", "--new-quorum", file)


def where(appliance, quorum):
    wrong = staging(appliance, quorum, "wrong-token")
    wrong.approve()
    binding = json.loads((wrong.dir / "binding.yaml").read_text())
    del binding["tokens"]["trace"]
    (wrong.dir / "binding.yaml").write_text(json.dumps(binding))
    wrong.refused("token_not_bound", "run", wrong.dir, exit_code=3)
    wrong.bind(serials={"trace": "0123456789abcdef"})
    wrong.refused("wrong_token", "run", wrong.dir)
    assert not any(entry["kind"] == "step" for entry in wrong.transcript()), "nothing was made"
    assert ["wrong_token" in entry["what"] for entry in wrong.transcript() if entry["kind"] == "exception"] == [True], "it is written down"
    # The right one is inserted: the same ceremony goes on. Its PIN comes by descriptor this time, and is nowhere to be seen.
    reading, writing = os.pipe()
    os.write(writing, (appliance.token("trace") / "pin").read_bytes())
    os.close(writing)
    wrong.bind(pins={"trace": {"descriptor": reading}})
    _, answer, said = wrong.resume(pass_fds=[reading])
    os.close(reading)
    assert answer["error"]["code"] == "under_signed", (answer, said)
    pin = (appliance.token("trace") / "pin").read_text().strip()
    assert pin not in said and pin not in (wrong.dir / "transcript.jsonl").read_text()
    # Meanwhile no other ceremony begins, here or on another console.
    second = staging(appliance, quorum, "second").approve()
    error = second.refused("ceremony_open", "run", second.dir, exit_code=3)
    assert "abandon" in error["hint"], error
    with open(wrong.dir / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wrong.refused("ceremony_running", "resume", wrong.dir)
    assert wrong.call("resume", wrong.dir, "--abandon", "a test is over")[0] == 0
    wrong.refused("no_ceremony", "resume", wrong.dir, "--abandon", "again")
    # A key that lies there under the planned id before anybody began is nobody's friend.
    plan = (second.dir / "intent.yaml").read_text()
    key_id = plan.split(" id: ")[1].split(",")[0]
    token = appliance.token("trace")
    subprocess.run(["pkcs11-tool", "--module", _module(appliance), "--login", "--pin", (token / "pin").read_text().strip(),
                    "--keypairgen", "--key-type", "EC:edwards25519", "--id", key_id, "--label", "planted"],
                   env={**os.environ, "SOFTHSM2_CONF": str(token / "softhsm2.conf")}, check=True, capture_output=True)
    second.refused("key_there_already", "run", second.dir)
    second.call("resume", second.dir, "--abandon", "somebody planted a key")
    return serial_of(token)


def _module(appliance):
    return appliance.config.read_text().split("module: ")[1].split(",")[0]


def deviations(appliance, quorum):
    """What goes otherwise than rehearsed stops, and is written down where it is accepted."""
    ceremony = staging(appliance, quorum, "deviates")
    rehearse = ("rehearse", ceremony.dir, "--config", appliance.config)
    hidden = [word for folder in ("/usr/lib/softhsm", *map(str, pathlib.Path("/usr/lib").glob("*-linux-gnu/softhsm")))
              if pathlib.Path(folder).exists() for word in ("--tmpfs", folder)]
    shutil.copy(_module(appliance), quorum.folder / "module.so")
    elsewhere = appliance.config.with_name("elsewhere.yaml")  # an appliance on a module that is not SoftHSM's own file
    elsewhere.write_text(appliance.config.read_text().replace(_module(appliance), str(quorum.folder / "module.so")))
    done = subprocess.run(["bwrap", "--dev-bind", "/", "/", *hidden, *ceremony.words(*rehearse[:3], elsewhere)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 7 and json.loads(done.stdout)["error"]["code"] == "softhsm_missing", done
    few = quorum.folder / "programs"  # whose countersignd makes no appliance
    few.mkdir()
    shutil.copy(appliance.bin / "countersign", few)
    (few / "countersignd").symlink_to("/bin/false")
    done = subprocess.run([few / "countersign", *ceremony.words(*rehearse)[1:]], capture_output=True, text=True, timeout=60)
    assert done.returncode == 7 and json.loads(done.stdout)["error"]["code"] == "rehearsal_failed", done
    assert not (ceremony.dir / "rehearsal.jsonl").exists()
    ceremony.rehearse()
    rehearsal = ceremony.dir / "rehearsal.jsonl"
    # Another rehearsal than this plan's does not count; neither does one that is cut off.
    whole = rehearsal.read_text()
    rehearsal.write_text("".join(whole.splitlines(keepends=True)[:-1]))
    plan = ceremony.dir / "intent.yaml"
    plan.write_text(plan.read_text().replace("rehearsal: optional", "rehearsal: required"))
    ceremony.approve()
    ceremony.refused("not_rehearsed", "run", ceremony.dir)
    rehearsal.write_text(whole)
    ceremony.refused("not_rehearsed", "run", ceremony.dir)
    plan.write_text(plan.read_text().replace("rehearsal: required", "rehearsal: optional"))
    ceremony.approve()
    forged = [json.loads(line) for line in whole.splitlines()]
    step = next(entry for entry in forged if entry["kind"] == "step")
    step["observed"]["attributes"]["private CKA_SENSITIVE"] = False
    rehearsal.write_text(_chained(forged))
    error = ceremony.refused("deviation", "run", ceremony.dir, "--initials", PEOPLE)
    assert "private CKA_SENSITIVE" in error["message"], error
    _, answer, said = ceremony.resume("--accept", "the rehearsal was wrong")
    assert answer["error"]["code"] == "under_signed", (answer, said)
    assert any("private CKA_SENSITIVE" in entry.get("what", "") for entry in ceremony.transcript())
    verified = ceremony.close()
    assert verified["exceptions"], verified


def _chained(entries):
    import hashlib
    text, prev = "", "0" * 64
    for entry in entries:
        line = json.dumps({**entry, "prev": prev}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        prev = hashlib.sha256(line.encode()).hexdigest()
        text += line + "\n"
    return text


def backup(appliance, quorum):
    """Where the plan demands a backup, the key counts only once those present said where it is; the signer asks too."""
    ceremony = staging(appliance, quorum, "backup", backup="required").approve()
    error = ceremony.refused("backup_missing", "run", ceremony.dir, "--initials", PEOPLE, exit_code=3)
    assert "--backup" in error["hint"], error
    assert not any(entry["kind"] == "step" for entry in ceremony.transcript()), "the step was taken for done"
    # The PIN comes as a systemd credential this time.
    ceremony.bind(pins={"trace": {"credential": "trace-pin"}})
    credentials = quorum.folder / "credentials"
    credentials.mkdir()
    shutil.copy(appliance.token("trace") / "pin", credentials / "trace-pin")
    code, answer, _ = ceremony.resume("--backup", "safe 7")
    assert code != 0 and "CREDENTIALS_DIRECTORY" in answer["error"]["message"], answer
    _, answer, said = ceremony.resume("--backup", "safe 7", env={**os.environ, "CREDENTIALS_DIRECTORY": str(credentials)})
    assert answer["error"]["code"] == "under_signed", (answer, said)
    (made,) = [entry["observed"] for entry in ceremony.transcript() if entry["kind"] == "step" and "key" in entry["observed"]]
    assert made["backup"] == {"where": "safe 7"}, made
    ceremony.close()
    by_hand = staging(appliance, quorum, "backup-by-hand", backup="required").approve()
    intent = (by_hand.dir / "intent.yaml").read_text()
    approvals = [json.loads(path.read_text()) for path in (by_hand.dir / "plan-signatures").iterdir()]
    custodian = appliance.custodian()
    opened = custodian.call("POST", "/v1/ceremonies", {"intent": intent, "approvals": approvals})
    key = made["key"]
    held = {"role": "trace", "kid": key["kid"], "algorithm": "ed25519", "spki": "".join(key["pem"].split("-----")[2].split()),
            "id": intent.split(" id: ")[1].split(",")[0], "label": intent.split(" label: ")[1].split(",")[0], "created": True}
    place = f"/v1/ceremonies/{opened['sha256']}"
    try:
        custodian.call("POST", place + "/steps", {"step": 1, "key": held})
        raise AssertionError("a key without a backup was staged")
    except Refused as refusal:
        assert refusal.code == "backup_missing", refusal
    custodian.call("POST", place + "/close", {"outcome": "abandoned", "reason": "a test is over"})


def clock(appliance, quorum):
    """A line is never older than the one before it."""
    ceremony = staging(appliance, quorum, "clock").approve()
    assert ceremony.run("--initials", "carol=CA")[1]["error"]["code"] == "initials_missing"
    transcript = ceremony.dir / "transcript.jsonl"
    entries = [json.loads(line) for line in transcript.read_text().splitlines()]
    entries[-1]["at"] = "2999-01-01T00:00:00Z"
    transcript.write_text(_chained(entries))
    ceremony.refused("clock_went_back", "resume", ceremony.dir, "--initials", PEOPLE)
    ceremony.call("resume", ceremony.dir, "--abandon", "the clock")


def on_the_socket(appliance, quorum):
    """What the command refuses early, the signer refuses too."""
    custodian = appliance.custodian()
    ceremony = staging(appliance, quorum, "socket").approve()
    intent = (ceremony.dir / "intent.yaml").read_text()
    approvals = [json.loads(path.read_text()) for path in (ceremony.dir / "plan-signatures").iterdir()]
    for body, code in (({"intent": intent, "approvals": []}, "under_signed"),
                       ({"intent": intent + "# more\n", "approvals": approvals}, "approval_invalid"),
                       ({"intent": intent, "approvals": approvals, "more": 1}, "invalid"),
                       ({"intent": intent.replace("quorum: {", "quorum: {\"more\":1,", 1), "approvals": approvals}, "invalid")):
        try:
            custodian.call("POST", "/v1/ceremonies", body)
            raise AssertionError(f"{code} was taken")
        except Refused as refusal:
            assert refusal.code == code, (refusal, code)
    opened = custodian.call("POST", "/v1/ceremonies", {"intent": intent, "approvals": approvals})
    place = f"/v1/ceremonies/{opened['sha256']}"
    assert custodian.call("POST", "/v1/ceremonies", {"intent": intent, "approvals": approvals})["resumed"]
    kid = active(appliance, "release")
    other = keys_of(appliance)[kid]
    for path, body, code in (("/steps", {"step": 99}, "invalid"), ("/steps", {"step": 0}, "invalid"),
                             ("/steps", {"step": 1}, "invalid"),
                             ("/close", {"outcome": "completed", "transcript": "", "approvals": approvals}, "transcript_broken"),
                             ("/close", {"outcome": "fine"}, "invalid"), ("/nothing", {}, "not_found")):
        try:
            custodian.call("POST", place + path, body)
            raise AssertionError(f"{path} {body} was taken")
        except Refused as refusal:
            assert refusal.code == code, (path, body, refusal)
    assert other["state"] == "active" and custodian.call("GET", place)["state"] == "open"
    try:
        appliance.signer().call("GET", "/v1/ceremonies")
        raise AssertionError("ceremonies are served on sign.sock")
    except Refused as refusal:
        assert refusal.code == "not_found"
    custodian.call("POST", place + "/close", {"outcome": "abandoned", "reason": "a test is over"})


def main():
    programs = pathlib.Path(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="countersign-refusals-") as place:
        folder = pathlib.Path(place)
        appliance = Appliance(programs, folder / "a", publication=PUBLICATION).init()
        appliance.start()
        quorum = Quorum(folder / "custodians")
        nobody = Ceremony(appliance, "nobody", quorum)
        nobody.refused("no_custodians", "plan", SHIPPED / "rotate-trace.yaml", "--dir", nobody.dir, "--admin", nobody.admin,
                       "--set", "administrator=carol,witness=dave")
        nobody.plan("rotate-trace", quorum=quorum)
        nobody.bind().approve()
        nobody.refused("no_custodians", "run", nobody.dir)
        Ceremony(appliance, "enrolment", quorum).hold("custodians-first", quorum=quorum)
        held = who_signs(appliance, quorum, folder)
        what_is_verified(quorum, held)
        once_only(appliance, quorum, held)
        what_is_expected(appliance, quorum)
        where(appliance, quorum)
        deviations(appliance, quorum)
        clock(appliance, quorum)
        backup(appliance, quorum)
        on_the_socket(appliance, quorum)
        appliance.stop()
        # What the custodians agreed to stands in the ledger by digest: a file that says otherwise is not believed.
        standing = folder / "a" / "state" / "ceremonies" / "standing.1.json"
        standing.write_text(standing.read_text().replace('"threshold":2', '"threshold":1'))
        appliance.start()
        for body in (None, {"intent": "x", "approvals": []}):
            try:
                appliance.custodian().call("POST" if body else "GET", "/v1/ceremonies", body)
                raise AssertionError("it was believed")
            except Refused as refusal:
                assert (refusal.status, refusal.code) == (403, "standing_missing"), refusal
                assert "restore the file" in refusal.error["hint"], refusal
        # Nor is it taken for an appliance that has no custodians yet, who would be enrolled anew.
        unread = Ceremony(appliance, "unread", quorum)
        unread.refused("standing_missing", "status", "--admin", unread.admin)
        unread.refused("standing_missing", "plan", SHIPPED / "rotate-trace.yaml", "--dir", unread.dir, "--admin", unread.admin,
                     "--set", "administrator=carol,witness=dave")
        appliance.stop()


if __name__ == "__main__":
    main()
