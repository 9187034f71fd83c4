#!/usr/bin/env python3
"""The answer that comes back from a chat: notify_replies_test.py PROGRAMS"""
import json
import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python"))
from countersign.broker import Broker as PythonBroker  # noqa: E402
from countersign.broker import BrokerError  # noqa: E402
from notify_test import CALL, OTHER, NotifyCase  # noqa: E402


class Replies(NotifyCase):
    def asked(self, receiver, args=CALL):
        """The request, and what a person reads of it."""
        request = self.ask(args)
        said = json.loads(receiver.next()["body"])["data"]
        self.assertEqual(said["request_id"], request)
        return request, said["reply"]

    def reply(self, text):
        return self.broker.run("reply", "--text", text)

    def status(self, request):
        return self.broker.connection().call("GET", f"/v1/requests/{request}")["status"]

    def test_no_rejects(self):
        receiver = self.receiver()
        self.notifying(self.webhook(receiver, more=", events: [request]"))
        request, reply = self.asked(receiver)
        self.assertEqual(reply["no"], f"no {reply['code']}")
        code, answer = self.reply(f"{reply['no']} use the staging account")
        self.assertEqual((code, answer["answer"], answer["status"], answer["request_id"], answer["reason"]),
                         (0, "no", "rejected", request, "use the staging account"))
        code, again = self.broker.call("fs:write", CALL)
        self.assertEqual((code, again["error"], again["reason"]), (3, "rejected", "use the staging account"))
        self.assertEqual(self.reply(reply["no"])[1]["error"]["code"], "reply_code_unknown")  # once
        record = next(each for each in self.broker.audit() if each["event"] == "rejected")
        self.assertEqual((record["by"], record["uid"], record["request_id"]), ("reply", os.getuid(), request))

    def test_yes_approves_nothing(self):
        receiver = self.receiver()
        self.notifying(self.webhook(receiver, more=", events: [request]"))
        request, reply = self.asked(receiver)
        code, answer = self.reply(reply["yes"])
        self.assertEqual((code, answer["answer"], answer["status"]), (4, "yes", "pending"))
        self.assertEqual(answer["how_to_approve"], f"countersign broker approve --request-id {request} --broker {self.broker.socket}")
        self.assertEqual(self.status(request), "pending")
        self.assertEqual(self.broker.call("fs:write", CALL)[0], 4)
        self.assertIsNone(self.written())
        self.assertEqual([each for each in self.broker.audit() if each["event"] in ("approved", "approval_added")], [])
        self.assertEqual(self.reply(reply["yes"])[1]["error"]["code"], "reply_code_unknown")  # once
#The line it is answered with does approve, with a key.
        self.assertEqual(self.broker.approve(request, "alice", "--once")[0], 0)
        self.assertEqual(self.broker.call("fs:write", CALL)[0], 0)

    def test_an_orchestrator_hands_it_in(self):
        receiver = self.receiver()
        self.notifying(self.webhook(receiver, more=", events: [request]"))
        request, reply = self.asked(receiver)
        orchestrator = PythonBroker(str(self.broker.socket))
        with self.assertRaises(BrokerError) as refused:
            orchestrator.reply("no")
        self.assertEqual(refused.exception.code, "reply_not_understood")
        self.assertEqual(orchestrator.reply(reply["no"])["status"], "rejected")
        self.assertEqual(self.status(request), "rejected")

    def test_guessing_ends_the_code(self):
        receiver = self.receiver()
        self.notifying(self.webhook(receiver, more=", events: [request]"), settings="reply_attempts: 3")
        request, reply = self.asked(receiver)
        guesses = [f"{number:06}" for number in range(4) if f"{number:06}" != reply["code"]][:3]
        for guess in guesses:
            code, answer = self.reply(f"no {guess}")
            self.assertEqual((code, answer["error"]["code"]), (3, "reply_code_unknown"))
        self.assertEqual(self.reply(reply["no"])[1]["error"]["code"], "reply_code_unknown")
        self.assertEqual(self.status(request), "pending")
        self.assertEqual(len([each for each in self.broker.audit() if each["event"] == "reply_refused"]), 4)
        for text in ("", "no", "perhaps " + reply["code"], "yes " + reply["code"] + " if it is for staging"):
            self.assertEqual(self.reply(text)[0], 6, text)
        _, other = self.asked(receiver, OTHER)
        self.assertEqual(self.reply(other["no"])[0], 0)  # its own attempts

    def test_the_code_outlives_a_kill_and_ends_with_the_request(self):
        receiver = self.receiver()
        channel = self.webhook(receiver, more=", events: [request, reminder]")
        self.notifying(channel)
        request, reply = self.asked(receiver)
        self.broker.kill()
        for path in (self.appliance.folder / "broker-state").glob("broker.db*"):
            self.assertNotIn(reply["no"].encode(), path.read_bytes())
        self.notifying(channel)
        self.clock.advance(15 * 60 + 1)
        reminder = json.loads(receiver.next()["body"])["data"]
        self.assertEqual((reminder["request_id"], reminder["reply"]), (request, reply))
        self.clock.advance(46 * 60)
        self.assertEqual(self.reply(reply["no"])[1]["error"]["code"], "reply_code_unknown")

    def test_who_may_hand_answers_in(self):
        """Nobody is a person here; the agent is known by its secret, so that its user may be somebody else as well."""
        secret = self.appliance.folder / "web.secret"
        secret.unlink(missing_ok=True)
        secret.write_text("test-only secret of an agent\n")
        secret.chmod(0o400)
        receiver = self.receiver()

        def start(replies):
            self.notifying(self.webhook(receiver, more=", events: [request]"), settings=f"replies: {replies}")
            self.assertEqual(self.broker.stop(), 0)
            text = self.broker.config.read_text().replace("trial: true", "trial: false")
            self.broker.config.write_text(text.replace(f"web: {{uid: {os.getuid()}", f"web: {{secret: {secret}"))
            self.broker.start()

        start(f"[{{uid: {os.getuid()}}}]")
        code, asked = self.broker.call("fs:write", CALL, "--agent-id", "web", "--agent-secret", str(secret))
        self.assertEqual(code, 4, asked)
        reply = json.loads(receiver.next()["body"])["data"]["reply"]
        self.assertEqual(self.broker.run("pending")[1]["error"]["code"], "not_a_person")
        self.assertEqual(self.broker.run("reject", "--request-id", asked["request_id"], "--reason", "x")[1]["error"]["code"], "not_a_person")
        self.assertEqual(self.reply(reply["no"])[0], 0)
        self.assertEqual(self.broker.stop(), 0)
        start("[{uid: 4294967294}]")
        self.assertEqual(self.reply("no 123456")[1]["error"]["code"], "not_a_replier")


if __name__ == "__main__":
    unittest.main(verbosity=0, warnings="ignore")
