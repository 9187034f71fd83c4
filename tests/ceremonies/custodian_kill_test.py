#!/usr/bin/env python3
"""kill -9 while custodians sign what is published: at every step of first keys, of a rotation (stage, publish, cut over) and of a change
of custodians (a new root), and at random moments. The console, the front, a custodian's own command, or everything at once as when the
power goes. Afterwards a plain start and `ceremony resume` end with one key made once and active once, a root of exactly the new
custodians, and a transcript that verifies; a verifier that syncs after each kill is never led back and knows every published key.

  custodian_kill_test.py PROGRAMS      COUNTERSIGN_KILLS: kills at random moments, 20 by default; COUNTERSIGN_SEED
"""
import collections
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from appliance import trace_request  # noqa: E402
from ceremony import PEOPLE, Ceremony, active, keys_of  # noqa: E402
from custodians import PIN, ROLES, RootCustodians, production  # noqa: E402
from killing import kill, kill_program, power_fails, reached  # noqa: E402

# A gate opens 2.2 s after its key is staged.
PUBLICATION = ", lifetime: 2s, refresh: 1s, clock_skew: 100ms"
SIGNERS = ("alice", "bob")  # two of three; in every quorum here


def metadata(path, *members):
    """A member of a file of JSON that is being replaced; None while there is none."""
    try:
        found = json.loads(path.read_text())
        for member in members:
            found = json.loads(found[member]) if isinstance(found[member], str) else found[member]
        return found
    except (OSError, ValueError, KeyError):
        return None


def lines_of(ceremony, kind):
    return sum(entry["kind"] == kind for entry in ceremony.transcript())


# What can be seen from outside while a ceremony's publication goes through its steps; a kill falls right behind each change.
MOMENTS = {
    "an attempt is written down": lambda held: lines_of(held.ceremony, "attempt"),
    "a step is written down": lambda held: lines_of(held.ceremony, "step"),
    "the key is on the token": lambda held: len(held.on_token()),
    "custodians are asked": lambda held: metadata(held.ceremony.dir / "publication.json", "sha256") or
    (held.ceremony.dir / "publication.json").exists(),
    "what they signed is stored": lambda held: metadata(held.appliance.state / "publication.json", "targets", "signed", "version"),
    "the ledger says so": lambda held: held.ledger(),
    "their key set is published": lambda held: len(list(held.published.glob("*.targets.json"))),
    "their root is published": lambda held: len(list(held.published.glob("*.root.json"))),
    "the timestamp is published": lambda held: metadata(held.published / "timestamp.json", "signed", "version"),
    "the transcript ends": lambda held: lines_of(held.ceremony, "end"),
}


class Held:
    """One ceremony that is killed and taken up again until it is closed, by people who sign whenever they are asked."""

    def __init__(self, test, ceremony, people, kills):
        self.test = test
        self.appliance = test.appliance
        self.published = test.appliance.folder / "published"
        self.ceremony = ceremony
        self.people = people
        self.kills = kills  # how to kill next: pairs of (victim, moment or seconds)

    def on_token(self):
        return list((self.appliance.token("trace") / "tokens").glob("*/*.object"))

    def ledger(self):
        try:
            return max((self.appliance.state / name).stat().st_mtime_ns for name in ("ledger.db", "ledger.db-wal"))
        except OSError:
            return None

    def start(self, *words, env=None):
        return subprocess.Popen(self.ceremony.words(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, env=env)

    def does(self, *words, env=None):
        """Exit code and answer, or None where a kill fell into it."""
        process = self.start(*words, env=env)
        # Whatever is to be killed next is looked for in every command until it is met.
        struck = bool(self.kills) and self.strike(process, *self.kills[0])
        out, said = process.communicate()
        if struck:
            self.test.after_a_kill(self.kills.pop(0))
            return None
        return process.returncode, json.loads(out) if out.strip() else {}, said

    def strike(self, process, victim, when):
        if isinstance(when, float):
            until = time.monotonic() + when
            met = reached(process, lambda: time.monotonic() >= until)
        else:
            before = MOMENTS[when](self)
            met = reached(process, lambda: MOMENTS[when](self) != before)
        if not met and not isinstance(when, float):
            return False  # the moment does not come in this command
        if victim == "console":
            kill_program(process)
        elif victim == "power":
            kill_program(process)
            if self.appliance.process:
                power_fails(self.appliance)
        else:
            kill(self.test.front)
        return True

    def signs(self):
        for name in SIGNERS:
            if self.does("approve", self.ceremony.dir, *self.people.words(name), env=self.people.environment(name)) is None:
                return

    def goes_on(self):
        """True once it is closed."""
        verb = "resume" if self.ceremony.transcript() else "run"
        done = self.does(verb, self.ceremony.dir, "--initials", PEOPLE, "--wait")
        if done is None:
            return False
        code, answer, said = done
        if code == 0:
            return True
        asked = answer["error"]["code"]
        if asked in ("signatures_needed", "under_signed"):
            self.signs()
            return False
        if asked == "no_connection" and self.appliance.process is None:
            self.test.starts()  # the first keys are there; somebody starts the appliance
            return False
        raise AssertionError((verb, code, answer, said[-3000:], self.appliance.log()[-2000:]))

    def to_its_end(self):
        for _ in range(200):
            if self.goes_on():
                break
        else:
            raise AssertionError("it never ends")
        return self.ceremony.verify(self.people_who_opened)


class Test:
    def __init__(self, programs, folder, chance):
        self.folder = folder
        self.chance = chance
        self.appliance = production(programs, folder / "appliance", PUBLICATION)
        self.trust = folder / "trust"
        self.met = collections.Counter()
        self.number = 0
        self.front = None
        kinds = {"alice": "ed25519", "bob": "p256"}
        self.quorums = [RootCustodians(folder / "people", {**kinds, third: "ed25519"}) for third in ("erin", "frank")]

    def starts(self):
        self.appliance.start(60)
        self.front = self.appliance.front()

    def after_a_kill(self, how):
        self.met[how if isinstance(how[1], str) else (how[0], "random")] += 1
        if self.front is None:
            return  # first keys: nothing runs yet
        if self.appliance.process is None:
            self.appliance.start(60)
        else:
            deadline = time.monotonic() + 30
            while how[0] == "front" and os.path.exists(f"/proc/{self.front}") and time.monotonic() < deadline:
                time.sleep(0.002)  # polls a condition; nothing depends on how long
            self.appliance.wait_ready(60)
        self.front = self.appliance.front()
        self.verifier_follows()

    def syncs(self):
        """What the verifier knows now. It accepts nothing that leads it back."""
        words = [self.appliance.bin / "countersign", "keys", "sync", "--from", self.appliance.folder / "published", "--trust",
                 self.trust, "--root", self.folder / "1.root.json", "--json"]
        deadline = time.monotonic() + 60
        while True:
            done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60)
            if done.returncode == 0:
                return json.loads(done.stdout), {key["kid"] for key in json.loads((self.trust / "keyset.json").read_text())["keys"]}
            assert json.loads(done.stdout)["error"]["code"] == "freeze_attack" and time.monotonic() < deadline, done.stdout
            time.sleep(0.05)  # the timer's refresh fell between two fetches

    def verifier_follows(self):
        """Never led back, never met by a signature of a key that it does not know, and soon at every key that the signer has."""
        answer = self.appliance.sign_after_kill(trace_request(os.urandom(32).hex()))
        keys = keys_of(self.appliance)
        for role in ROLES:
            now_active = [kid for kid, key in keys.items() if key["role"] == role and key["state"] == "active"]
            assert len(now_active) == 1, (role, keys)
        synced, known = self.syncs()
        assert answer["kid"] in known, (answer["kid"], known)
        # A console that died does not stop the signer: what it records is published behind it.
        deadline = time.monotonic() + 30
        while not set(keys) <= known:
            assert time.monotonic() < deadline, ("the signer has a key that no verifier can know", set(keys) - known)
            time.sleep(0.02)  # polls a condition; nothing depends on how long
            synced, known = self.syncs()
        return synced

    def hold(self, plan, kills, **how):
        """Plans, signs and runs one; its kills are spent in it as far as their moments come. The verified transcript."""
        self.number += 1
        people = self.quorums[0]
        ceremony = Ceremony(self.appliance, f"{plan}-{self.number}", people)
        ceremony.plan(plan, **how)
        ceremony.bind()
        people.approve(ceremony, *SIGNERS)
        held = Held(self, ceremony, how.get("new_quorum") or people, kills)
        held.people_who_opened = people
        return ceremony, held.to_its_end()

    def first_keys(self):
        kills = [("console", "an attempt is written down"), ("console", "the key is on the token"),
                 ("console", "a step is written down"), ("console", "custodians are asked")]
        kills += [("console", "what they signed is stored")]
        _, verified = self.hold("first-keys", kills, quorum=self.quorums[0])
        assert not kills, f"never came: {kills}"
        assert len(verified["keys"]) == len(ROLES), verified
        (self.folder / "1.root.json").write_bytes((self.appliance.folder / "published" / "1.root.json").read_bytes())
        self.verifier_follows()

    def rotation(self, kills):
        before = keys_of(self.appliance)
        _, verified = self.hold("rotate-trace", kills)
        new = set(keys_of(self.appliance)) - set(before)
        assert new == {verified["keys"][0]["kid"]} == {active(self.appliance, "trace")}, (new, verified)
        # On the token, that key once, and no other that the signer does not know.
        token = self.appliance.token("trace")
        module = self.appliance.config.read_text().split("module: ")[1].split(",")[0]
        listed = subprocess.run(["pkcs11-tool", "--module", module, "--login", "--pin", PIN, "--list-objects", "--type", "privkey"],
                                capture_output=True, text=True, check=True, timeout=60,
                                env={**os.environ, "SOFTHSM2_CONF": str(token / "softhsm2.conf")}).stdout
        ids = [line.split()[-1] for line in listed.splitlines() if line.strip().startswith("ID:")]
        ours = [key for key in keys_of(self.appliance, "trace").values() if key["state"] != "destroyed"]
        assert len(ids) == len(set(ids)) == len(ours), (ids, ours)

    def custodians(self, kills):
        root = self.verifier_follows()["root_version"]
        self.hold("custodian-add", kills, new_quorum=self.quorums[1])
        self.quorums.reverse()
        standing = self.appliance.custodian().call("GET", "/v1/ceremonies")["standing"]
        assert [person["name"] for person in standing["quorum"]["custodians"]] == self.quorums[0].names, standing
        assert self.verifier_follows()["root_version"] == root + 1

    def each_step(self):
        """Everything that can be seen of a publication, killed right behind it: the console, the front, all at once."""
        for victim in ("console", "front", "power"):
            kills = [(victim, moment) for moment in MOMENTS if moment != "their root is published"]
            self.rotation(kills)
            # What a resumed ceremony finds done does not come again: the next one is killed there.
            while kills:
                left = len(kills)
                self.rotation(kills)
                assert len(kills) < left, f"never came: {kills}"
            kills = [(victim, moment) for moment in ("custodians are asked", "what they signed is stored", "their root is published")]
            while kills:
                left = len(kills)
                self.custodians(kills)
                assert len(kills) < left, f"never came: {kills}"

    def at_random(self, how_many):
        done = 0
        while done < how_many:
            # Most of a command's work is in its first half second; a cut-over waits two.
            kills = [(self.chance.choice(("console", "front", "power")), self.chance.uniform(0, self.chance.choice((0.1, 0.5, 2.5))))
                     for _ in range(min(how_many - done, self.chance.randrange(4, 9)))]
            done += len(kills)
            if self.chance.random() < 0.6:
                self.rotation(kills)
            else:
                self.custodians(kills)
            done -= len(kills)  # those that were not spent


def main():
    kills = int(os.environ.get("COUNTERSIGN_KILLS", "20"))
    seed = int(os.environ.get("COUNTERSIGN_SEED", random.randrange(1 << 32)))
    print("COUNTERSIGN_SEED", seed, flush=True)
    with tempfile.TemporaryDirectory(prefix="countersign-custodian-kills-") as place:
        test = Test(pathlib.Path(sys.argv[1]), pathlib.Path(place), random.Random(seed))
        try:
            test.first_keys()
            test.each_step()
            test.at_random(kills)
        finally:
            test.appliance.stop()
    for how, count in sorted(test.met.items()):
        print(f"{count:4} × {how[0]:8} killed when {how[1]}")


if __name__ == "__main__":
    main()
