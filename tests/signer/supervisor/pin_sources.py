#!/usr/bin/env python3
"""PINs that are typed on a terminal or come from systemd's credentials, on real tokens: what each costs, and what it refuses.

  pin_sources.py PROGRAMS
"""
import fcntl
import os
import pathlib
import pty
import select
import shutil
import signal
import sys
import tempfile
import termios
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
from appliance import Appliance, Refused, trace_request  # noqa: E402


def until(claim, within=30):
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if claim():
            return True
        time.sleep(0.005)  # polls a condition
    return False


def made(programs, folder, pin):
    """An appliance whose trace token takes its PIN from `pin`; the PIN itself."""
    appliance = Appliance(programs, folder).init()
    secret = (appliance.token("trace") / "pin").read_text().strip()
    (appliance.token("trace") / "pin").unlink()
    text = appliance.config.read_text()
    file = "pin: {file: tokens/trace/pin}"
    assert file in text
    appliance.config.write_text(text.replace(file, pin))
    return appliance, secret


def signs(appliance):
    try:
        appliance.signer(timeout=10).sign(trace_request(os.urandom(32).hex()))
        return True
    except (OSError, Refused):
        return False


class Terminal:
    """A terminal of its own for one start of countersignd."""

    def __init__(self, appliance):
        self.master, slave = pty.openpty()
        self.seen = b""
        appliance.launch(stdin=slave, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)

    def read(self, wanted):
        """Whether `wanted` appeared."""
        def look():
            ready, _, _ = select.select([self.master], [], [], 0)
            if ready:
                try:
                    self.seen += os.read(self.master, 4096)
                except OSError:
                    pass  # the other side closed
            return wanted in self.seen
        return until(look)

    def type(self, text):
        os.write(self.master, text.encode() + b"\n")

    def close(self):
        os.close(self.master)


def typed(appliance, pin):
    terminal = Terminal(appliance)
    assert terminal.read(b"PIN of token trace: "), terminal.seen
    terminal.type(pin)
    return terminal


def trace_holder(appliance):
    return next((pid for pid, words in appliance.children().items() if "countersign-holder: trace/0" in words), None)


def replaced_by(appliance, pid):
    return lambda: trace_holder(appliance) not in (None, pid) and appliance.ready()


def kept_for_restarts(programs, folder):
    appliance, pin = made(programs, folder, "pin: {prompt: true}")
    terminal = typed(appliance, pin)
    appliance.wait_ready()
    assert signs(appliance)
    terminal.read(b"\n")
    assert pin.encode() not in terminal.seen, "the PIN was echoed"
    for pid in [appliance.process.pid, *appliance.children()]:
        for what in ("cmdline", "environ"):
            assert pin.encode() not in pathlib.Path(f"/proc/{pid}/{what}").read_bytes(), f"the PIN stands in {what}"
    holder = trace_holder(appliance)
    os.kill(holder, signal.SIGKILL)
    assert until(replaced_by(appliance, holder)), appliance.log()
    assert signs(appliance)
    assert appliance.stop() == 0
    terminal.close()


def forgotten_with_ask(programs, folder):
    appliance, pin = made(programs, folder, "pin: {prompt: true}, pin_on_restart: ask")
    terminal = typed(appliance, pin)
    appliance.wait_ready()
    assert signs(appliance)
    os.kill(trace_holder(appliance), signal.SIGKILL)
    assert until(lambda: not appliance.ready())
    assert until(lambda: [row["cause"] for row in appliance.status()["down"]] == ["pin_not_kept"]), appliance.status()
    row = appliance.status()["down"][0]
    assert row["role"] == "trace" and not row["retryable"] and "start countersignd again" in row["hint"], row
    findings = [each["what"] for each in appliance.status()["findings"]]
    assert any("role trace signs: pin_not_kept" in each for each in findings), findings
    roles = [each["role"] for each in appliance.status()["holders"]]
    assert sorted(roles) == ["approval", "release"], roles
    assert not signs(appliance)
    assert appliance.stop() == 0
    terminal.close()
    terminal = typed(appliance, pin)
    appliance.wait_ready()
    assert signs(appliance)
    assert appliance.stop() == 0
    terminal.close()


def wrong_and_tried_once(programs, folder):
    appliance, pin = made(programs, folder, "pin: {prompt: true}")
    terminal = typed(appliance, "wrong" + pin)
    assert until(lambda: "trace/0 is down: pin_refused" in appliance.log()), appliance.log()
    # A person who asks for another try gets none with a PIN that was refused: it counts towards the token's lock.
    appliance.process.send_signal(signal.SIGHUP)
    assert until(lambda: "pin_not_kept" in appliance.log()), appliance.log()
    assert appliance.log().count("countersign-holder trace/0: pin_refused") == 1, appliance.log()
    assert appliance.stop() == 0
    terminal.close()


def refused_without_terminal(programs, folder):
    appliance, _ = made(programs, folder, "pin: {prompt: true}")
    appliance.launch()
    assert appliance.process.wait(30) == 7, appliance.log()
    assert "there is no terminal" in appliance.log() and "pin: {credential: NAME}" in appliance.log(), appliance.log()
    appliance.process = None
    terminal = typed(appliance, "")
    assert appliance.process.wait(30) == 6, appliance.log()
    assert "a secret has 1 to 256 bytes" in appliance.log(), appliance.log()
    appliance.process = None
    terminal.close()


def from_credentials(programs, folder):
    appliance, pin = made(programs, folder, "pin: {credential: trace-pin}")
    credentials = folder / "credentials"
    credentials.mkdir(mode=0o700)
    credential = credentials / "trace-pin"
    credential.write_text(pin)
    credential.chmod(0o440)  # systemd grants the service's user its credentials by ACL, whose mask shows here
    given = {"env": {**os.environ, "CREDENTIALS_DIRECTORY": str(credentials)}}
    appliance.launch(**given)
    appliance.wait_ready()
    assert signs(appliance)
    holder = trace_holder(appliance)
    os.kill(holder, signal.SIGKILL)
    assert until(replaced_by(appliance, holder)), appliance.log()
    assert appliance.stop() == 0

    def refused(says, **how):
        before = len(appliance.log())
        appliance.launch(**how)
        assert until(lambda: "trace/0 is down: pin_unreadable" in appliance.log()[before:]), appliance.log()[before:]
        assert until(lambda: "approval/0 is ready" in appliance.log()[before:]), appliance.log()[before:]
        assert says in appliance.log()[before:], appliance.log()[before:]
        assert appliance.stop() == 0

    refused("CREDENTIALS_DIRECTORY is not set", env={k: v for k, v in os.environ.items() if k != "CREDENTIALS_DIRECTORY"})
    for mode in (0o444, 0o660):
        credential.chmod(mode)
        refused("can be read or changed by others", **given)
    credential.rename(credentials / "elsewhere")
    refused("cannot open the credential", **given)
    credential.symlink_to(credentials / "elsewhere")
    refused("cannot open the credential", **given)


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="countersign-pin-"))
    tests = (kept_for_restarts, forgotten_with_ask, wrong_and_tried_once, refused_without_terminal, from_credentials)
    for test in tests:
        test(sys.argv[1], folder / test.__name__)
        print(f"{test.__name__}: ok")
    shutil.rmtree(folder)
    print(f"{len(tests)} passed, 0 failed")


if __name__ == "__main__":
    main()
