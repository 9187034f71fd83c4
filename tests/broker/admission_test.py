#!/usr/bin/env python3
"""A tool server is vetted, approved by a person, and starts only from the bytes that were: admission_test.py PROGRAMS"""
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from appliance import Appliance, Refused  # noqa: E402
from broker import FILE_SERVER, Broker  # noqa: E402

VECTORS = pathlib.Path(__file__).resolve().parents[1] / "vectors" / "vetting"
PROGRAMS = sys.argv.pop(1)


class Admission(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.room = pathlib.Path(tempfile.mkdtemp(prefix="countersign-admission-"))
        subprocess.run([sys.executable, VECTORS / "materialise.py", cls.room / "trees"], check=True, stdout=subprocess.DEVNULL)
        cls.appliance = Appliance(PROGRAMS, cls.room / "appliance", approvers=("alice", "bob")).init()
        cls.appliance.start()
        cls.source = cls.room / "source"
        cls.source.mkdir()
        shutil.copy(FILE_SERVER, cls.source / "server.py")
        cls.broker = Broker(cls.appliance, lists='allow: ["fs:list"]')
        text = cls.broker.config.read_text()
        text = text.replace(str(FILE_SERVER), str(cls.source / "server.py")).replace("unvetted: true", f"source: {cls.source}")
        cls.broker.config.write_text(text.replace(f"read_only: [{cls.source / 'server.py'}], ", ""))
        cls.broker.start()

        cls.alice = {"COUNTERSIGN_APPROVER": "alice@company.example", "COUNTERSIGN_SIGNER": str(cls.appliance.socket),
                     "COUNTERSIGN_APPROVER_KEY": str(cls.appliance.folder / "keys" / "alice")}

    @classmethod
    def tearDownClass(cls):
        assert cls.broker.stop() == 0
        cls.appliance.stop()
        for path in cls.room.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)
        shutil.rmtree(cls.room)

    def propose(self, path, name="fs"):
        return self.broker.run("propose", "--server-name", name, "--source-path", str(path))

    def test_only_what_was_vetted_and_approved_starts(self):
        code, refused = self.broker.call("fs:list", {})
        self.assertEqual((code, refused["error"]), (3, "server_not_admitted"), refused)
        code, proposal = self.propose(self.source)
        self.assertEqual((code, proposal["vetting_status"], proposal["status"]), (0, "pass", "pending"), proposal)
        self.assertEqual(self.broker.call("fs:list", {})[0], 3)  # proposed is not approved
        code, approved = self.broker.run("approve", "--tool-id", proposal["id"], "--agent-id", "admin", **self.alice)
        self.assertEqual((code, approved["status"]), (0, "approved"), approved)
        code, done = self.broker.call("fs:list", {})
        self.assertEqual(code, 0, done)
        # Whoever judges a call sees what vetting said of the server that would run it.
        asked = self.broker.call("fs:write", {"path": "a", "text": "b"})[1]["request_id"]
        seen = self.broker.connection().call("GET", f"/v1/requests/{asked}")["server"]
        self.assertEqual((seen["vetting_status"], seen["proposal_id"], seen["digest"], seen["overridden"]), ("pass", proposal["id"], proposal["digest"], False))
        told = self.told("pending")
        self.assertIn("Agent 'web' wants to call tool 'fs:write'", told.stdout)
        # Other bytes under the same name are another server, also for a broker that is started again.
        self.broker.stop()
        with (self.source / "server.py").open("a") as server:
            server.write("# changed\n")
        self.broker.start()
        self.assertEqual(self.broker.call("fs:list", {})[1]["error"], "server_not_admitted")
        again = self.propose(self.source)[1]
        self.assertEqual((again["id"], again["version"]), (proposal["id"], 2))
        self.assertEqual(self.broker.approve(again["id"], "alice")[0], 0)
        self.assertEqual(self.broker.call("fs:list", {})[0], 0)

    def test_what_vetting_found_bad_needs_two_people_and_a_reason(self):
        code, proposal = self.propose(self.room / "trees" / "evil-server", "evil")
        self.assertEqual((code, proposal["vetting_status"]), (3, "fail"), proposal)
        refused = self.broker.run("approve", "--request-id", proposal["id"])[1]
        self.assertEqual(refused["error"]["code"], "vetting_not_passed")
        without = self.broker.run("approve", "--request-id", proposal["id"], "--override-vetting")[1]
        self.assertEqual(without["error"]["code"], "reason_missing")
        override = ("--override-vetting", "--reason", "needed")
        code, first = self.broker.approve(proposal["id"], "alice", *override)
        self.assertEqual((code, first["status"]), (4, "pending"), first)
        twice = self.broker.approve(proposal["id"], "alice", *override)[1]
        self.assertEqual(twice["error"]["code"], "second_person_needed")
        code, waiting = self.broker.run("proposals", "--proposal-id", proposal["id"])
        self.assertEqual([(each["override"], each["approver"]) for each in waiting["decisions"]], [(True, "alice@company.example")])
        self.assertNotIn("tokens", waiting)
        code, second = self.broker.approve(proposal["id"], "bob", *override)
        self.assertEqual((code, second["status"]), (0, "approved"), second)
        record = [each for each in self.broker.audit() if each["event"] == "proposal_approved" and each["proposal_id"] == proposal["id"]][-1]
        self.assertEqual((record["override"], record["approvers"], record["reason"]),
                         (True, ["alice@company.example", "bob@company.example"], "needed"))
        # The signer redeemed both: what they agreed to is in its log.
        self.assertTrue(record["trace_id"])

    def test_at_a_terminal_the_reason_is_asked_for(self):
        proposal = self.propose(self.room / "trees" / "evil-server", "typed")[1]["id"]
        keyboard, terminal = os.openpty()
        os.write(keyboard, b"needed, CHG-9\n")
        done = subprocess.run([str(self.appliance.bin / "countersign"), "broker", "approve", "--request-id", proposal, "--override-vetting", "--broker", str(self.broker.socket)],
                              stdin=terminal, capture_output=True, text=True, timeout=120, env={**os.environ, **self.alice})
        os.close(keyboard)
        os.close(terminal)
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("why is it to be admitted all the same?", done.stderr)
        self.assertIn("vetting: fail", done.stderr)  # what they agree to stands above the question
        self.assertEqual([each["reason"] for each in self.broker.run("proposals", "--proposal-id", proposal)[1]["decisions"]], ["needed, CHG-9"])

    def test_an_approver_of_a_server_proves_it_to_the_signer(self):
        passed = self.propose(self.room / "trees" / "clean-server", "proven")[1]["id"]
        failed = self.propose(self.room / "trees" / "evil-server", "unproven")[1]["id"]
        code, nobody = self.broker.run("approve", "--request-id", passed, "--signer", str(self.appliance.socket))
        self.assertEqual((code, nobody["error"]["code"]), (6, "missing_flag"), nobody)
        code, other = self.broker.run("approve", "--request-id", passed, "--approver", "alice@company.example", "--ssh-key",
                                      str(self.appliance.folder / "keys" / "bob"), "--signer", str(self.appliance.socket))
        self.assertEqual(code, 3, other)
        # Whoever speaks to the socket without the command gets no further.
        socket = self.broker.connection()

        def refused(proposal, **body):
            with self.assertRaises(Refused) as said:
                socket.call("POST", f"/v1/proposals/{proposal}/approve", body)
            return said.exception.code

        self.assertEqual(refused(passed), "token_missing")
        self.assertEqual(refused(passed, token={"approver_identity": "alice@company.example"}), "approval_not_counted")
        # A token for one server admits no other, and one that overrides nothing overrides nothing.
        token = self.token_of(passed)
        self.assertEqual(refused(failed, token=token, override=True, reason="x"), "approval_not_counted")
        self.assertEqual(refused(passed, token={**token, "approver_identity": "bob@company.example"}), "approval_not_counted")
        self.assertEqual(refused(failed, token=token), "vetting_not_passed")
        self.assertEqual(self.broker.run("proposals", "--proposal-id", failed)[1]["decisions"], [])
        answer = socket.call("POST", f"/v1/proposals/{passed}/approve", {"token": token})
        self.assertEqual((answer["ok"], answer["status"]), (True, "approved"))

    def test_an_approval_that_was_taken_back_is_given_again(self):
        proposal = self.propose(self.room / "trees" / "evil-server", "taken-back")[1]["id"]
        override = ("--override-vetting", "--reason", "needed")
        self.assertEqual(self.broker.approve(proposal, "alice", *override)[0], 4)
        with contextlib.closing(sqlite3.connect(self.appliance.folder / "broker-state" / "broker.db")) as store:
            document = json.loads(store.execute("SELECT document FROM proposals WHERE id = ?", (proposal,)).fetchone()[0])
        token = self.room / "taken-back.json"
        token.write_text(json.dumps(document["tokens"][0]))
        done = subprocess.run([str(self.appliance.bin / "countersign"), "approve", "revoke", str(token), "--reason", "a mistake", "--signer",
                               str(self.appliance.socket)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.broker.approve(proposal, "bob", *override)[1]["error"]["code"], "approval_not_counted")
        self.assertEqual(self.broker.approve(proposal, "alice", *override)[0], 4)
        self.assertEqual(self.broker.approve(proposal, "bob", *override)[1]["status"], "approved")

    def test_who_proposed_a_server_does_not_admit_it(self):
        """Where the configuration is no trial's; in a trial one user plays all."""
        apart = self.broker.beside("apart", f"people: [{{uid: {os.getuid()}}}]\n")
        text = apart.config.read_text().replace("trial: true", "trial: false")
        apart.config.write_text(text.replace(f"web: {{uid: {os.getuid()}", "web: {uid: 4294967294"))
        apart.start()
        try:
            proposal = apart.run("propose", "--server-name", "own", "--source-path", str(self.room / "trees" / "clean-server"))[1]
            self.assertEqual((proposal["vetting_status"], proposal["status"]), ("pass", "pending"), proposal)
            code, refused = apart.approve(proposal["id"], "alice")
            self.assertEqual((code, refused["error"]["code"]), (3, "proposer_is_approver"), refused)
            self.assertEqual(apart.run("proposals", "--proposal-id", proposal["id"])[1]["status"], "pending")
        finally:
            self.assertEqual(apart.stop(), 0)

    def token_of(self, proposal):
        """Alice's approval of the proposal, kept by her."""
        prepared = self.broker.connection().call("POST", f"/v1/proposals/{proposal}/prepare", {})
        return self.appliance.approve("alice", prepared, ["tool:broker.admit_server"])

    def countersign(self, *words):
        done = subprocess.run([str(self.appliance.bin / "countersign"), *map(str, words), "--json"], capture_output=True, text=True, timeout=60)
        return done.returncode, json.loads(done.stdout)

    def test_the_verdict_is_signed_and_no_other_counts(self):
        source = self.room / "trees" / "clean-server"
        proposal = self.propose(source, "signed")[1]
        verdict = proposal["vetting_verdict"]
        self.assertEqual((verdict["verdict"], verdict["digest"], verdict["proposal_id"]), ("pass", proposal["digest"], proposal["id"]))
        findings = pathlib.Path(proposal["vetting_report_path"].replace("_VETTING.md", "_FINDINGS.json"))
        self.assertEqual(verdict["findings_digest"], hashlib.sha256(findings.read_bytes()).hexdigest())
        path = self.room / "verdict.json"
        path.write_text(json.dumps(verdict))
        check = ("attest", path, "--check", "--trust", self.appliance.folder / "published")
        self.assertEqual(self.countersign(*check)[0], 0)
        path.write_text(json.dumps({**verdict, "verdict": "warn"}))
        code, refused = self.countersign(*check)
        self.assertEqual((code, refused["error"]["code"]), (2, "state_changed"))
        path.write_text(json.dumps({name: value for name, value in verdict.items() if name != "countersign"}))
        self.assertEqual(self.countersign(*check)[1]["error"]["code"], "state_unattested")
        # Somebody who can write the broker's database makes a fail a pass: nobody's approval admits it.
        bad = self.propose(self.room / "trees" / "evil-server", "changed")[1]
        self.broker.stop()
        with contextlib.closing(sqlite3.connect(self.appliance.folder / "broker-state" / "broker.db")) as database, database:
            changed = database.execute("UPDATE proposals SET document = replace(replace(document, '\"vetting_status\":\"fail\"', "
                                       "'\"vetting_status\":\"pass\"'), '\"verdict\":\"fail\"', '\"verdict\":\"pass\"') WHERE id = ?", (bad["id"],))
            self.assertEqual(changed.rowcount, 1)
        self.broker.start()
        self.assertEqual(self.broker.run("proposals", "--proposal-id", bad["id"])[1]["vetting_status"], "pass")
        code, refused = self.broker.approve(bad["id"], "alice")
        self.assertEqual((code, refused["error"]["code"]), (3, "state_changed"), refused)

    def test_a_signed_verdict_counts_for_its_proposal_alone(self):
        good = self.propose(self.room / "trees" / "clean-server", "good")[1]
        bad = self.propose(self.room / "trees" / "evil-server", "borrows")[1]
        self.broker.stop()
        with contextlib.closing(sqlite3.connect(self.appliance.folder / "broker-state" / "broker.db")) as database, database:
            document = json.loads(database.execute("SELECT document FROM proposals WHERE id = ?", (bad["id"],)).fetchone()[0])
            document.update(vetting_status="pass", vetting_verdict=good["vetting_verdict"])
            database.execute("UPDATE proposals SET document = ? WHERE id = ?", (json.dumps(document, separators=(",", ":")), bad["id"]))
        self.broker.start()
        code, refused = self.broker.approve(bad["id"], "alice")
        self.assertEqual((code, refused["error"]["code"]), (3, "verdict_mismatch"), refused)
        self.assertEqual(self.broker.approve(good["id"], "alice")[0], 0)

    def test_without_the_signer_the_verdict_waits_for_its_signature(self):
        self.appliance.stop()
        proposal = self.propose(self.room / "trees" / "clean-server", "later")[1]
        self.assertNotIn("countersign", proposal["vetting_verdict"])
        self.assertTrue(proposal["vetting_unsigned"])
        code, refused = self.broker.approve(proposal["id"], "alice")
        self.assertEqual(code, 7, refused)
        self.appliance.start()
        self.assertEqual(self.broker.approve(proposal["id"], "alice")[0], 0)
        self.assertIn("countersign", self.broker.run("proposals", "--proposal-id", proposal["id"])[1]["vetting_verdict"])

    def told(self, *words):
        """As a person reads it."""
        return subprocess.run([str(self.appliance.bin / "countersign"), "broker", *words, "--broker", str(self.broker.socket)], capture_output=True, text=True, timeout=120)

    def test_rejected_stays_rejected(self):
        proposal = self.propose(self.room / "trees" / "clean-server", "clean")[1]
        # Who looks at what waits is told of servers too.
        self.assertIn("proposed servers wait as well: countersign broker proposals", self.told("pending").stderr)
        self.assertEqual(self.broker.run("reject", "--request-id", proposal["id"])[1]["error"]["code"], "reason_missing")
        self.assertEqual(self.broker.run("reject", "--request-id", proposal["id"], "--reason", "no need")[0], 0)
        self.assertEqual(self.broker.run("approve", "--request-id", proposal["id"])[1]["error"]["code"], "proposal_closed")

    def test_what_is_no_proposal(self):
        self.assertEqual(self.propose("relative/path")[0], 6)
        self.assertEqual(self.propose(self.room / "nothing")[0], 5)
        self.assertEqual(self.broker.run("approve", "--request-id", "../../../../etc")[0], 6)
        self.assertEqual(self.broker.run("approve", "--request-id", "0" * 16)[0], 5)


if __name__ == "__main__":
    unittest.main(verbosity=0, warnings="ignore")
