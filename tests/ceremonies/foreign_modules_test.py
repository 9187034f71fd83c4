#!/usr/bin/env python3
"""Modules that are not SoftHSM, as Debian has them: measured by `countersignd probe`, then used or refused as the profile says.
tpm2-pkcs11 on a software TPM: trusted as far as it claims, its key made in a ceremony, a trace signed and verified.
opencryptoki's soft token: makes no key of ours, so nothing is made on it.

  foreign_modules_test.py PROGRAMS     skipped where neither is there
      COUNTERSIGN_TPM2_PKCS11          the library, where it is not in the usual place
      COUNTERSIGN_OPENCRYPTOKI         LABEL:PIN of a soft token of a running pkcsslotd; it is shared by the system, so none is made here
"""
import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from appliance import trace_request  # noqa: E402
from ceremony import Ceremony, active  # noqa: E402
from custodians import PIN, RootCustodians, production  # noqa: E402

PUBLICATION = ", lifetime: 6s, refresh: 2s, clock_skew: 200ms"
LIBRARIES = pathlib.Path("/usr/lib/x86_64-linux-gnu")
TPM2 = os.environ.get("COUNTERSIGN_TPM2_PKCS11", str(LIBRARIES / "libtpm2_pkcs11.so.1"))
OPENCRYPTOKI = str(LIBRARIES / "libopencryptoki.so.0")


def two_free_ports():
    """A port whose successor is free too: swtpm's control channel."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                second.bind(("127.0.0.1", port + 1))
                return port


BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow own="*"/><allow user="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>
"""
CLONE_NEWNS = 0x20000


def answers(*words):
    deadline = time.monotonic() + 20
    while subprocess.run(words, capture_output=True).returncode != 0:
        assert time.monotonic() < deadline, f"no answer: {words}"
        time.sleep(0.02)  # polls a condition; nothing depends on how long


def bus_of_our_own(folder):
    """From now on this process and its children see a system bus of their own. False where that is not permitted."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
        return False
    pathlib.Path("/run/dbus").mkdir(exist_ok=True)
    for words in (["mount", "--make-rprivate", "/"], ["mount", "-t", "tmpfs", "tmpfs", "/run/dbus"]):
        if subprocess.run(words, capture_output=True).returncode != 0:
            return False
    (folder / "bus.conf").write_text(BUS)
    return True


@contextlib.contextmanager
def software_tpm(folder):
    """A TPM of nobody's behind its resource manager, with a token `test-tpm` in it: the environment for tpm2-pkcs11."""
    (folder / "tpm").mkdir()
    (folder / "store").mkdir()
    port = two_free_ports()
    with contextlib.ExitStack() as stack:
        def start(*words):
            process = subprocess.Popen([str(word) for word in words], stdout=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.kill)

        start("dbus-daemon", f"--config-file={folder}/bus.conf", "--nofork")
        start("swtpm", "socket", "--tpm2", "--tpmstate", f"dir={folder}/tpm", "--server",
              f"type=tcp,port={port},bindaddr=127.0.0.1,disconnect=false", "--ctrl",
              f"type=tcp,port={port + 1},bindaddr=127.0.0.1", "--flags", "not-need-init,startup-clear")
        answers("test", "-S", "/run/dbus/system_bus_socket")
        answers("bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port + 1}")
        # What the module leaves behind in the TPM after a refused template, the manager keeps until the process ends.
        start("tpm2-abrmd", "--allow-root", "--max-transients=100", f"--tcti=swtpm:host=127.0.0.1,port={port}")
        answers("dbus-send", "--system", "--print-reply", "--dest=com.intel.tss2.Tabrmd", "/", "org.freedesktop.DBus.Peer.Ping")
        place = {"TPM2_PKCS11_STORE": str(folder / "store"), "TPM2_PKCS11_TCTI": "tabrmd:"}
        for words in (["--init-token", "--label", "test-tpm", "--so-pin", "test-only-so"],
                      ["--init-pin", "--so-pin", "test-only-so", "--pin", PIN]):
            subprocess.run(["pkcs11-tool", "--module", TPM2, "--slot", "1", *words], env={**os.environ, **place}, check=True,
                           capture_output=True, timeout=60)
        yield place


def with_token(appliance, role, line):
    """The role's token is another module's; every role's keys are of the kind that it makes."""
    text = appliance.config.read_text()
    old = next(found for found in text.splitlines() if found.startswith(f"  {role}: {{module"))
    appliance.config.write_text(text.replace(old, f"  {role}: {line}").replace("algorithm: ed25519", "algorithm: p256"))


def probe(appliance, role):
    done = subprocess.run([appliance.bin / "countersignd", "probe", role, "--config", appliance.config, "--json"], capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == 0, done
    profile = json.loads(done.stdout)
    return profile, {row["name"]: row for row in profile["measurements"]}


def first_keys(appliance, people, name, **serials):
    ceremony = Ceremony(appliance, name, people)
    ceremony.plan("first-keys", quorum=people, algorithm="p256")
    ceremony.bind(serials=serials)
    people.approve(ceremony, "alice", "bob")
    return ceremony


def tpm2_is_used_as_far_as_it_claims(programs, folder):
    with software_tpm(folder) as place:
        appliance = production(programs, folder / "appliance", PUBLICATION)
        plain = ", ".join(f"{name}: '{value}'" for name, value in place.items())
        line = f"{{module: {TPM2}, environment: {{{plain}}}, label: test-tpm, confinement: local_socket, pin: {{file: tokens/trace/pin}}}}"
        with_token(appliance, "trace", line)
        profile, measured = probe(appliance, "trace")
        assert profile["trust"] == "claimed" and profile["kinds"] == ["p256"], profile
        assert "CKA_DECRYPT" in [row["attribute"] for row in profile["departures"]], profile["departures"]
        assert not measured["makes_ed25519"]["well"] and measured["makes_p256"]["well"], measured
        # What the reference measured by hand: attributes are claims there.
        assert not measured["sensitive_is_one_way"]["well"] and not measured["not_modifiable"]["well"], measured
        again, _ = probe(appliance, "trace")
        assert "leftovers" not in [row["name"] for row in again["measurements"]], "a trial key was left on the token"
        people = RootCustodians(folder / "people", {"alice": "ed25519", "bob": "p256", "erin": "ed25519"})
        serial = profile["token"]["serial"]
        refused = first_keys(appliance, people, "refused", trace=serial)
        _, answer, _ = refused.run()
        assert answer["error"]["code"] == "profile_weak", answer
        with_token(appliance, "trace", line.replace("confinement", "trust: claimed, confinement"))
        ceremony = first_keys(appliance, people, "taken", trace=serial)
        _, answer, said = ceremony.run()
        assert answer["error"]["code"] == "signatures_needed", (answer, said[-3000:])
        people.approve(ceremony, "alice", "bob")
        _, answer, said = ceremony.resume()
        assert answer["error"]["code"] == "under_signed", (answer, said[-3000:])
        appliance.start()
        people.approve(ceremony, "alice", "bob")
        code, answer, said = ceremony.resume()
        assert code == 0, (answer, said[-3000:])
        ceremony.verify(people)
        signed = appliance.signer().sign(trace_request(os.urandom(32).hex()))
        assert signed["kid"] == active(appliance, "trace")
        verdict = appliance.signer().call("POST", "/v1/verify", {"type": "trace", "statement": signed["statement"]})
        assert verdict["valid"], verdict
        appliance.stop()


def opencryptoki_is_refused(programs, folder, label, pin):
    appliance = production(programs, folder / "opencryptoki", PUBLICATION)
    secret = appliance.token("trace") / "pin"
    secret.unlink()
    secret.write_text(pin + "\n")
    secret.chmod(0o400)
    with_token(appliance, "trace", f"{{module: {OPENCRYPTOKI}, label: {label}, trust: claimed, pin: {{file: tokens/trace/pin}}}}")
    profile, measured = probe(appliance, "trace")
    assert profile["trust"] == "unusable" and profile["kinds"] == [], profile
    assert "CKR_MECHANISM_INVALID" in measured["makes_p256"]["found"], measured
    people = RootCustodians(folder / "people-2", {"alice": "ed25519", "bob": "p256", "erin": "ed25519"})
    _, answer, _ = first_keys(appliance, people, "refused", trace=profile["token"]["serial"]).run()
    assert answer["error"]["code"] == "profile_weak", answer


NEEDED = ("swtpm", "tpm2-abrmd", "dbus-daemon", "pkcs11-tool")


def main():
    programs = pathlib.Path(sys.argv[1])
    tried = 0
    with tempfile.TemporaryDirectory(prefix="countersign-modules-") as place:
        folder = pathlib.Path(place)
        if os.geteuid() != 0 or not all(map(shutil.which, NEEDED)) or not pathlib.Path(TPM2).exists():
            print("skipped tpm2-pkcs11: as root, apt install swtpm tpm2-abrmd libtss2-tcti-tabrmd0 libtpm2-pkcs11-1 dbus opensc")
        elif not bus_of_our_own(folder):
            print("skipped tpm2-pkcs11: no mount namespace of our own here")
        else:
            tpm2_is_used_as_far_as_it_claims(programs, folder)
            tried += 1
        label, _, pin = os.environ.get("COUNTERSIGN_OPENCRYPTOKI", "").partition(":")
        if pin and pathlib.Path(OPENCRYPTOKI).exists():
            opencryptoki_is_refused(programs, folder, label, pin)
            tried += 1
        else:
            print("skipped opencryptoki: apt install opencryptoki, start pkcsslotd, make a token, and name it in COUNTERSIGN_OPENCRYPTOKI")
    sys.exit(0 if tried else 77)


if __name__ == "__main__":
    main()
