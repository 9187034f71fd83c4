#!/usr/bin/env python3
"""A token that goes away and comes back under load, one that is re-initialised, and roles that share one token.

  token_loss_test.py PROGRAMS
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from appliance import Appliance, Load, Refused, trace_request  # noqa: E402


def until(claim, within=30):
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if claim():
            return True
        time.sleep(0.005)  # polls a condition
    return False


def signs(appliance):
    try:
        appliance.signer(timeout=10).sign(trace_request(os.urandom(32).hex()))
        return True
    except (OSError, Refused):
        return False


def refusal(appliance):
    """How a signature is refused; None where it is given."""
    try:
        appliance.signer().sign(trace_request(os.urandom(32).hex()))
    except Refused as refused:
        return refused
    return None


def why_down(appliance, role):
    """The cause that `status` gives for a role's holder, and that its finding repeats; None where it is up."""
    status = appliance.status()
    for row in status["down"]:
        if row["role"] == role:
            told = [each["what"] for each in status["findings"] if each["what"].startswith(f"no holder of the role {role} signs: ")]
            return row["cause"] if any(row["cause"] in what for what in told) else f"no finding tells of {row}"
    return None


def moved_away_and_back(programs, folder):
    appliance = Appliance(programs, folder / "moved").init()
    appliance.start()
    load = Load(appliance)
    tokens = appliance.token("trace") / "tokens"
    try:
        assert until(lambda: len(load.acknowledged) > 20), "no load"
        for _ in range(3):
            tokens.rename(str(tokens) + ".away")
            assert until(lambda: not appliance.ready()), "a missing token was not noticed"
            answer = refusal(appliance)
            assert answer is not None and answer.status == 503 and answer.code, f"expected a coded 503, got {answer}"
            assert until(lambda: why_down(appliance, "trace") == "token_not_found"), appliance.status()
            before = len(load.acknowledged)
            pathlib.Path(str(tokens) + ".away").rename(tokens)
            assert until(appliance.ready), "the token came back and the role did not\n" + appliance.log()[-2000:]
            assert until(lambda: len(load.acknowledged) > before + 10), "no signature after the token came back"
            assert appliance.status()["down"] == [], appliance.status()
    finally:
        load.stop()
    assert appliance.stop() == 0


def reinitialised(programs, folder):
    appliance = Appliance(programs, folder / "reinitialised").init()
    appliance.start()
    assert signs(appliance)
    environment = {**os.environ, "SOFTHSM2_CONF": str(appliance.token("trace") / "softhsm2.conf")}
    subprocess.run(["softhsm2-util", "--delete-token", "--token", "test-trace"], env=environment, check=True,
                   stdout=subprocess.DEVNULL)
    pin = (appliance.token("trace") / "pin").read_text().strip()
    subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", "test-trace", "--so-pin", "12345678", "--pin", pin],
                   env=environment, check=True, stdout=subprocess.DEVNULL)
    assert until(lambda: not signs(appliance)), "signed with a key that is gone"
    assert until(lambda: not appliance.ready()), "ready without a key"
    answer = refusal(appliance)
    assert answer is not None and answer.status == 503, f"{answer}"
    assert appliance.stop() == 0


def all_roles_in_one_token(programs, folder):
    appliance = Appliance(programs, folder / "one", one_token=True).init()
    appliance.start()
    assert signs(appliance)
    status = appliance.status()
    # Both are told: the shared token, and that one user runs the appliances of the tests.
    assert status["separation"] == "reduced, one uid", status["separation"]
    checked = subprocess.run([appliance.bin / "countersign", "config", "check", appliance.config], capture_output=True, text=True)
    assert checked.returncode == 0 and "tokens.all serves several roles" in checked.stdout, checked.stdout + checked.stderr
    assert appliance.stop() == 0


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="countersign-token-"))
    tests = (moved_away_and_back, reinitialised, all_roles_in_one_token)
    for test in tests:
        test(sys.argv[1], folder)
        print(f"{test.__name__}: ok")
    shutil.rmtree(folder)
    print(f"{len(tests)} passed, 0 failed")


if __name__ == "__main__":
    main()
