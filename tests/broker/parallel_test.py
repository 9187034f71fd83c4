#!/usr/bin/env python3
"""Several calls of one tool server at once, and what becomes of the others when one of them fails: parallel_test.py PROGRAMS"""
import json
import multiprocessing
import os
import pathlib
import select
import socket
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from appliance import Appliance  # noqa: E402
from broker import Broker  # noqa: E402

PROGRAMS = sys.argv.pop(1)
USERS = range(61001, 61006)  # agents of their own
SERVER = pathlib.Path(__file__).resolve().parent / "threaded_server.py"


def ask_many(user, path, request):
    """As that user: more than 800 requests at once. Each is answered."""
    os.setuid(user)
    connections = [socket.socket(socket.AF_UNIX) for _ in range(13)]
    for each in connections:
        each.settimeout(60)
        each.connect(str(path))
        each.sendall(64 * request)
    for each in connections:
        answers, rest = 0, b""
        while answers < 64:
            more = each.recv(1 << 20)
            assert more, (answers, rest)
            answers += (rest + more).count(b"HTTP/1.1 ")
            rest = (rest + more)[-8:]


class Parallel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.room = tempfile.TemporaryDirectory(prefix="countersign-parallel-")
        cls.appliance = Appliance(PROGRAMS, pathlib.Path(cls.room.name) / "appliance", approvers=("alice",)).init()
        cls.appliance.start()
        cls.broker = Broker(cls.appliance, lists='allow: ["*:meet", "*:wait", "*:die"]', more="limits: {call_timeout: 20s}",
                            agents="\n".join(f"  agent-{user}: {{uid: {user}}}" for user in USERS))
        with cls.broker.config.open("a") as config:
            for name, more in (("many", ", parallel: 64"), ("four", ""), ("one", ", parallel: 1")):
                (cls.appliance.folder / name).mkdir()
                config.write(f"  {name}: {{command: [/usr/bin/python3, {SERVER}, {cls.appliance.folder / name}], read_only: [{SERVER}], "
                             f"read_write: [{cls.appliance.folder / name}], unvetted: true{more}}}\n")
        cls.broker.start()

    @classmethod
    def tearDownClass(cls):
        assert cls.broker.stop() == 0
        cls.appliance.stop()
        cls.room.cleanup()

    def begin(self, tool, **args):
        """A call on a thread of its own, and where its answer comes."""
        answers = []
        thread = threading.Thread(target=lambda: answers.append(self.broker.call(tool, args)))
        thread.start()
        self.addCleanup(thread.join, 60)
        return thread, answers

    def log(self, server):
        path = self.appliance.folder / server / "log"
        return path.read_text().splitlines() if path.exists() else []

    def until(self, condition):
        deadline = time.monotonic() + 60
        while not condition():  # polls a condition; nothing depends on how long
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.005)

    def put(self, server, file):
        (self.appliance.folder / server / file).touch()

    def test_calls_of_one_server_meet(self):
        calls = [self.begin("four:meet", n=4) for _ in range(4)]
        for thread, answers in calls:
            thread.join(60)
            self.assertEqual(answers[0][0], 0, answers)
        # A fifth waits for its turn, and gets it.
        calls = [self.begin("four:wait", file="fifth", n=n) for n in range(5)]
        self.until(lambda: sum("fifth" in line for line in self.log("four")) == 4)
        self.assertEqual(self.broker.run("search", "--query", "meet")[0], 0)  # what is known of tools is known meanwhile
        self.assertEqual(sum("fifth" in line for line in self.log("four")), 4)
        self.put("four", "fifth")
        for thread, answers in calls:
            thread.join(60)
            self.assertEqual(answers[0][0], 0, answers)
        self.assertIn("most 4", answers[0][1]["result"]["content"][0]["text"])

    def test_one_at_a_time_where_it_says_so(self):
        calls = [self.begin("one:wait", file="go", n=n) for n in range(3)]
        self.until(lambda: len(self.log("one")) == 1)
        self.put("one", "go")
        for thread, answers in calls:
            thread.join(60)
            self.assertEqual(answers[0][0], 0, answers)
        self.assertIn("most 1", answers[0][1]["result"]["content"][0]["text"])

    def test_a_server_that_dies_takes_its_calls_along(self):
        calls = [self.begin("many:wait", file="never", n=n) for n in range(3)]
        self.until(lambda: sum("never" in line for line in self.log("many")) == 3)
        code, died = self.broker.call("many:die", {})
        self.assertEqual((code, died["error"]), (7, "outcome_unknown"), died)
        for thread, answers in calls:
            thread.join(60)
            self.assertEqual((answers[0][0], answers[0][1]["error"]), (7, "outcome_unknown"), answers)
        self.assertEqual(sum("never" in line for line in self.log("many")), 3)  # none was made again
        self.put("many", "next")
        self.assertEqual(self.broker.call("many:wait", {"file": "next"})[0], 0)

    def test_one_that_is_silent_does_not_end_the_others(self):
        silent, nothing = self.begin("many:wait", file="silence")
        self.until(lambda: any("silence" in line for line in self.log("many")))
        silent_since = time.monotonic()
        # Its time is over while another one's is not.
        self.until(lambda: time.monotonic() - silent_since > 2)
        other, answers = self.begin("many:wait", file="late")
        self.until(lambda: any("late" in line for line in self.log("many")))
        silent.join(60)
        self.assertEqual((nothing[0][0], nothing[0][1]["error"]), (7, "outcome_unknown"), nothing)
        self.assertTrue(other.is_alive())
        self.put("many", "late")
        other.join(60)
        self.assertEqual(answers[0][0], 0, answers)
        self.put("many", "after")
        code, after = self.broker.call("many:wait", {"file": "after"})  # by a new process
        self.assertEqual(code, 0, after)
        self.assertIn("most 1", after["result"]["content"][0]["text"])

    def test_what_it_asks_between_answers_is_answered(self):
        self.put("many", "ask")
        calls = [self.begin("many:wait", file="asked", n=n) for n in range(3)]
        path = self.appliance.folder / "many" / "answers"
        self.until(lambda: path.exists() and len(path.read_text().splitlines()) >= 3)
        (self.appliance.folder / "many" / "ask").unlink()
        self.put("many", "asked")
        for thread, answers in calls:
            thread.join(60)
            self.assertEqual(answers[0][0], 0, answers)
        self.assertEqual({json.dumps(json.loads(line)) for line in path.read_text().splitlines()}, {json.dumps({"jsonrpc": "2.0", "id": "s1", "result": {}})})

    @unittest.skipUnless(os.getuid() == 0 or os.environ.get("CI") == "true", "needs root to ask as many users")
    def test_more_than_it_takes_on_is_sent_away(self):
        """One user cannot have so many requests under way: five fill the queue behind the calls that wait."""
        self.appliance.open_to_all()
        calls = [self.begin("many:wait", file="full", n=n) for n in range(24)]
        self.until(lambda: sum('"full"' in line for line in self.log("many")) >= 8)
        nothing = b"POST /v1/call HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        crowd = [multiprocessing.Process(target=ask_many, args=(user, self.broker.socket, nothing)) for user in USERS]
        for process in crowd:
            process.start()
        # What still finds room waits; who finds none is told at once.
        probes = []
        while not (answered := select.select(probes, [], [], 0.01)[0]):
            self.assertLess(len(probes), 1000)
            probes.append(socket.socket(socket.AF_UNIX))
            probes[-1].connect(str(self.broker.socket))
            probes[-1].sendall(nothing)
        text = answered[0].recv(65536)
        self.assertIn(b"HTTP/1.1 503", text)
        self.assertIn(b"broker_busy", text)
        self.put("many", "full")
        for thread, answers in calls:
            thread.join(60)
            self.assertEqual(answers[0][0], 0, answers)
        for process in crowd:
            process.join(60)
            self.assertEqual(process.exitcode, 0)
        for probe in probes:
            probe.close()
        self.assertEqual(self.broker.run("search", "--query", "meet")[0], 0)

    def test_people_are_served_while_every_call_waits(self):
        calls = [self.begin("many:wait", file="all", n=n) for n in range(24)]
        self.until(lambda: sum('"all"' in line for line in self.log("many")) >= 8)
        for words in (("pending",), ("lists",), ("audit", "--verify")):
            self.assertEqual(self.broker.run(*words)[0], 0, words)
        self.assertTrue(all(thread.is_alive() for thread, _ in calls))  # they had no time to end
        self.put("many", "all")
        for thread, answers in calls:
            thread.join(60)
            self.assertEqual(answers[0][0], 0, answers)


if __name__ == "__main__":
    unittest.main(verbosity=0, warnings="ignore")
