#!/usr/bin/env python3
"""A tool server is vetted, approved by a person, and starts only from the bytes that were: admission_test.py PROGRAMS"""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from appliance import Appliance  # noqa: E402
from broker import FILE_SERVER, Broker  # noqa: E402

VECTORS = pathlib.Path(__file__).resolve().parents[1] / "vectors" / "vetting"
PROGRAMS = sys.argv.pop(1)


class Admission(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.room = pathlib.Path(tempfile.mkdtemp(prefix="countersign-admission-"))
        subprocess.run([sys.executable, VECTORS / "materialise.py", cls.room / "trees"], check=True, stdout=subprocess.DEVNULL)
        cls.appliance = Appliance(PROGRAMS, cls.room / "appliance", approvers=("alice",)).init()
        cls.appliance.start()
        cls.source = cls.room / "source"
        cls.source.mkdir()
        shutil.copy(FILE_SERVER, cls.source / "server.py")
        cls.broker = Broker(cls.appliance, lists='allow: ["fs:*"]')
        text = cls.broker.config.read_text()
        text = text.replace(str(FILE_SERVER), str(cls.source / "server.py")).replace("unvetted: true", f"source: {cls.source}")
        cls.broker.config.write_text(text.replace(f"read_only: [{cls.source / 'server.py'}], ", ""))
        cls.broker.start()

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
        code, approved = self.broker.run("approve", "--tool-id", proposal["id"], "--agent-id", "admin")
        self.assertEqual((code, approved["status"]), (0, "approved"), approved)
        code, done = self.broker.call("fs:list", {})
        self.assertEqual(code, 0, done)
        # Other bytes under the same name are another server, also for a broker that is started again.
        self.broker.stop()
        with (self.source / "server.py").open("a") as server:
            server.write("# changed\n")
        self.broker.start()
        self.assertEqual(self.broker.call("fs:list", {})[1]["error"], "server_not_admitted")
        again = self.propose(self.source)[1]
        self.assertEqual((again["id"], again["version"]), (proposal["id"], 2))
        self.assertEqual(self.broker.run("approve", "--request-id", again["id"])[0], 0)
        self.assertEqual(self.broker.call("fs:list", {})[0], 0)

    def test_what_vetting_found_bad_needs_two_people_and_a_reason(self):
        code, proposal = self.propose(self.room / "trees" / "evil-server", "evil")
        self.assertEqual((code, proposal["vetting_status"]), (3, "fail"), proposal)
        refused = self.broker.run("approve", "--request-id", proposal["id"])[1]
        self.assertEqual(refused["error"]["code"], "vetting_not_passed")
        without = self.broker.run("approve", "--request-id", proposal["id"], "--override-vetting")[1]
        self.assertEqual(without["error"]["code"], "reason_missing")
        code, first = self.broker.run("approve", "--request-id", proposal["id"], "--override-vetting", "--reason", "needed")
        self.assertEqual((code, first["status"]), (4, "pending"), first)
        twice = self.broker.run("approve", "--request-id", proposal["id"], "--override-vetting", "--reason", "needed")[1]
        self.assertEqual(twice["error"]["code"], "second_person_needed")
        code, rejected = self.broker.run("proposals", "--proposal-id", proposal["id"])
        self.assertEqual([each["override"] for each in rejected["decisions"]], [True])

    def test_rejected_stays_rejected(self):
        proposal = self.propose(self.room / "trees" / "clean-server", "clean")[1]
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
