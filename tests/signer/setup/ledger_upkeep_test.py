#!/usr/bin/env python3
"""countersign ledger verify, backup and restore on a whole appliance: what an operator sees, and what is never redeemed again.

  ledger_upkeep_test.py PROGRAMS
"""
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
from appliance import POLICY, Appliance, Refused, trace_request  # noqa: E402


def ledger(appliance, *words):
    done = subprocess.run([str(appliance.bin / "countersign"), "ledger", *[str(word) for word in words], "--json"],
                          capture_output=True, text=True, timeout=120)
    assert done.stdout.count("\n") == 1, done
    return done.returncode, json.loads(done.stdout)


def refusal_of(signer, request):
    try:
        signer.sign(request)
    except Refused as refusal:
        return refusal.error
    raise AssertionError("signed")


def asked(appliance):
    """A new intent whose approval is asked for, and a token for it."""
    intent = os.urandom(32).hex()
    appliance.signer().sign(trace_request(intent, "require_approval", required=1))
    return intent, appliance.approve("alice", {"intent_digest": intent, "policy_digest": POLICY}, ["tool:db.save"])


def redeeming(intent, token):
    return trace_request(intent, "allow", required=1, redeem=[token])


def until(claim, within=60):
    deadline = time.monotonic() + within
    while not claim():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)  # polls a condition


def told(appliance):
    path = appliance.folder / "security.jsonl"
    return path.read_text() if path.exists() else ""


def backs_up_and_verifies(appliance, backup):
    code, answer = ledger(appliance, "verify", "--admin", appliance.folder / "run/admin.sock")
    assert code == 0 and answer["check"]["rounds"] >= 1, answer
    code, answer = ledger(appliance, "verify", "--config", appliance.config)
    assert code == 0 and answer["anchors_compared"] == 1, answer
    code, answer = ledger(appliance, "backup", "--to", backup, "--config", appliance.config)
    assert code == 0 and answer["size"] > 0 and backup.stat().st_mode & 0o777 == 0o600, answer
    code, again = ledger(appliance, "backup", "--to", backup, "--config", appliance.config)
    assert code == 3 and again["error"]["code"] == "backup_exists", again
    code, read = ledger(appliance, "verify", "--ledger", backup)
    assert code == 0 and read["root"] == answer["root"], read
    return answer["size"]


def refuses_wrong_words(appliance, backup):
    for words, error in ((("restore", "--from", backup, "--config", appliance.config), "reason_missing"),
                         (("backup", "--config", appliance.config), "invalid"),
                         (("verify", "--ledger", backup, "--config", appliance.config), "invalid"),
                         (("restore", "--ledger", backup, "--reason", "x"), "invalid_flag")):
        code, answer = ledger(appliance, *words)
        assert code == 6 and answer["error"]["code"] == error, (words, answer)


def restores(appliance, backup, size, used, unused, permits):
    restore = ("restore", "--from", backup, "--config", appliance.config, "--reason", "drill: the disk died")
    code, answer = ledger(appliance, *restore)
    assert code == 3 and answer["error"]["code"] == "already_running", answer
    appliance.stop()
    # The anchors know of more records than the backup.
    code, answer = ledger(appliance, *restore)
    assert code == 3 and answer["error"]["code"] == "backup_behind_anchor", answer
    assert "--accept-loss" in answer["error"]["hint"], answer
    assert not list(appliance.state.glob("ledger-replaced-*")), "a refused restore moved something"
    code, answer = ledger(appliance, *restore, "--accept-loss")
    assert code == 0 and answer["restored_size"] == size and answer["accepts_loss"], answer
    moved = pathlib.Path(answer["moved_aside"])
    assert ledger(appliance, "verify", "--ledger", moved / "ledger.db")[0] == 0
    appliance.start()
    signer = appliance.signer()
    status = appliance.status()
    assert status["ledger"]["restored"]["reason"] == "drill: the disk died", status["ledger"]
    assert any("restored from a backup" in finding["what"] for finding in status["findings"]), status["findings"]
    # The used token is not known as used any more, the unused one might have been used: both are refused.
    for intent, token in (used, unused):
        error = refusal_of(signer, redeeming(intent, token))
        assert error["code"] == "approval_chain_insufficient", error
        assert error["tokens"][0]["code"] in ("approval_token_before_restore", "approval_token_foreign"), error
    error = refusal_of(signer, redeeming(*unused))
    assert error["tokens"][0]["code"] == "approval_token_before_restore", error
    for permit, code in permits:
        try:
            signer.call("POST", "/v1/executed", {"trace": permit})
            raise AssertionError("a permit from before the restore was executed")
        except Refused as refusal:
            assert refusal.code == code, refusal
    time.sleep(max(0.0, 1 - time.time() % 1))  # tokens carry whole seconds; the restore's own second counts as before
    fresh = asked(appliance)
    assert signer.sign(redeeming(*fresh))["redeemed"] == [fresh[1]["token_id"]]
    until(lambda: "ledger_restored" in told(appliance))
    # And after another start, when new anchors stand beside the old ones.
    appliance.stop()
    appliance.start()
    assert appliance.signer().sign(trace_request(os.urandom(32).hex()))["log_index"] > size


def stops_signing_on_damage(appliance):
    """Somebody removes a redemption under a running signer: the next check finds it, and no start forgets it."""
    connection = sqlite3.connect(appliance.state / "ledger.db", timeout=20)
    connection.execute("DELETE FROM redemptions")
    connection.commit()
    connection.close()
    code, answer = ledger(appliance, "verify", "--admin", appliance.folder / "run/admin.sock")
    assert code == 3 and answer["error"]["code"] == "ledger_corrupt", answer
    error = refusal_of(appliance.signer(), trace_request(os.urandom(32).hex()))
    assert error["code"] == "ledger_corrupt", error
    status = appliance.status()
    assert not status["ready"] and status["ledger"]["check"]["state"] == "damaged", status["ledger"]
    assert "countersign_now{what=\"ledger_damaged\"} 1" in appliance.signer().call("GET", "/metrics")
    until(lambda: "ledger_fault" in told(appliance))
    appliance.stop()
    appliance.launch()
    assert appliance.process.wait(60) == 3, appliance.log()[-2000:]
    assert "ledger restore" in appliance.log().splitlines()[-1] or "ledger restore" in appliance.log()


def without_the_daemon(appliance, folder):
    """`countersign ledger` is countersignd's work: where that is not beside it, nothing is said to be verified."""
    alone = folder / "countersign"
    shutil.copy(appliance.bin / "countersign", alone)
    for program, code in ((alone, 7), (appliance.bin / "countersign", 0)):
        done = subprocess.run([program, "ledger", "verify", "--config", appliance.config, "--json"], capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done
        assert json.loads(done.stdout).get("error", {}).get("code") == ("program_missing" if code else None), done


def main():
    with tempfile.TemporaryDirectory() as folder:
        appliance = Appliance(sys.argv[1], pathlib.Path(folder) / "appliance", approvers=["alice"]).init()
        configuration = appliance.config.read_text().replace("admin:halt,", "admin:halt, admin:ledger,")
        appliance.config.write_text(configuration)
        backup = pathlib.Path(folder) / "backup.db"
        appliance.start()
        used, unused = asked(appliance), asked(appliance)
        early = appliance.signer().sign(redeeming(*asked(appliance)))["statement"]
        size = backs_up_and_verifies(appliance, backup)
        refuses_wrong_words(appliance, backup)
        without_the_daemon(appliance, pathlib.Path(folder))
        late = appliance.signer().sign(redeeming(*used))["statement"]
        assert refusal_of(appliance.signer(), redeeming(*used))["code"] == "approval_token_consumed"
        restores(appliance, backup, size, used, unused, ((early, "made_before_restore"), (late, "trace_unknown")))
        stops_signing_on_damage(appliance)
    print("ok")


if __name__ == "__main__":
    main()
