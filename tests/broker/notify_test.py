#!/usr/bin/env python3
"""Who is told of what waits: real receivers, real hooks, and a broker that is killed: notify_test.py PROGRAMS"""
import base64
import concurrent.futures
import email
import email.policy
import importlib.util
import json
import os
import pathlib
import ssl
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from broker_test import PROGRAMS, BrokerCase  # noqa: E402
from receivers import MailServer, Receiver, SteppedClock, signed_well  # noqa: E402

SECRET = "whsec_" + base64.b64encode(b"test-only key of a webhook's sign").decode()
CALL = {"path": "a.txt", "text": "x"}
OTHER = {"path": "b.txt", "text": "x"}


class NotifyCase(BrokerCase):
    def setUp(self):
        super().setUp()
        self.secret = self.appliance.folder / "webhook.secret"
        self.secret.unlink(missing_ok=True)
        self.secret.write_text(SECRET + "\n")
        self.secret.chmod(0o400)
        self.clock = SteppedClock(pathlib.Path(PROGRAMS), self.appliance.folder / "clock")
        self.addCleanup(self.clock.close)

    def receiver(self, *script, **how):
        receiver = Receiver(*script, **how)
        self.addCleanup(receiver.close)
        return receiver

    def webhook(self, receiver, name="ops", more="", scheme="http", host="127.0.0.1", target=""):
        return f'{{name: {name}, webhook: {{url: "{scheme}://{host}:{receiver.port}/hook", secret: "file:webhook.secret"{target}}}{more}}}'

    def certified(self):
        """TLS for the name localhost, by a certificate (tls.pem) that nobody knows."""
        folder = self.appliance.folder
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "tls.key",
                        "-out", folder / "tls.pem"], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "tls.pem", folder / "tls.key")
        return context

    def notifying(self, *channels, settings="remind_after: 15m", **how):
        """A broker with these channels, whose clock the test moves."""
        more = f"notify:\n  {settings}\n  channels:\n" + "".join(f"    - {channel}\n" for channel in channels)
        return self.start(more=more + how.pop("more", ""), environment={**self.clock.environment, **how.pop("environment", {})}, **how)

    def ask(self, args=CALL):
        code, asked = self.broker.call("fs:write", args)
        self.assertEqual((code, asked["error"]), (4, "approval_required"), asked)
        return asked["request_id"]

    def until(self, holds):
        """Polls what the broker says until it holds; nothing depends on how long that takes."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            rows = self.broker.run("deliveries")[1]
            if holds(rows):
                return rows
        self.fail(f"not so: {rows}")

    def settled(self, count=1):
        return self.until(lambda rows: len(rows) >= count and all(row["status"] != "waiting" for row in rows))


class Webhooks(NotifyCase):
    def test_a_request_is_told_and_signed(self):
        receiver = self.receiver()
        self.notifying(self.webhook(receiver))
        request = self.ask({**CALL, "password": "hunter2-is-secret"})
        told = receiver.next()
        self.assertTrue(signed_well(told, SECRET, time.time()))
        self.assertFalse(signed_well({**told, "body": told["body"] + b" "}, SECRET, time.time()))
        self.assertFalse(signed_well(told, "whsec_" + base64.b64encode(b"y" * 32).decode(), time.time()))
        self.assertFalse(signed_well(told, SECRET, time.time() + 3600))  # replayed
        said = json.loads(told["body"])
        self.assertEqual((said["type"], said["id"]), ("broker.request", told["headers"]["webhook-id"]))
        self.assertEqual(said["data"]["request_id"], request)
        self.assertEqual(said["data"]["summary"], "Agent 'web' wants to call tool 'fs:write'")
        self.assertEqual(said["data"]["how_to_approve"], f"countersign broker approve --request-id {request} --broker {self.broker.socket}")
        self.assertIn(f"\napprove: countersign broker approve --request-id {request} --broker {self.broker.socket}\n", said["data"]["text"])
        self.assertEqual(said["data"]["args"]["password"], "[REDACTED]")
        self.assertNotIn(b"hunter2", told["body"])
        rows = self.settled()
        self.assertEqual([(row["id"], row["status"], row["attempts"], row["request_id"]) for row in rows],
                         [(said["id"], "delivered", 1, request)])
        records = [each for each in self.broker.audit() if each["event"] == "notice_delivered"]
        self.assertEqual([(each["message_id"], each["request_id"], each["channel"]) for each in records], [(said["id"], request, "ops")])
#The same call again joins the request : nobody is told twice.
        self.assertEqual(self.ask({**CALL, "password": "hunter2-is-secret"}), request)
        self.ask(OTHER)
        self.assertNotEqual(json.loads(receiver.next()["body"])["data"]["request_id"], request)
        self.assertEqual(self.broker.run("deliveries", "--status", "given_up")[1], [])
        self.assertEqual(self.broker.run("deliveries", "--status", "lost")[0], 6)

    @unittest.skipUnless(importlib.util.find_spec("standardwebhooks"), "the library of the standard (PyPI: standardwebhooks) is not installed")
    def test_the_standards_own_library_takes_it(self):
        import standardwebhooks
        receiver = self.receiver()
        self.notifying(self.webhook(receiver))
        request = self.ask()
        told = receiver.next()
        headers = {name.lower(): value for name, value in told["headers"].items()}
        self.assertEqual(standardwebhooks.Webhook(SECRET).verify(told["body"], headers)["data"]["request_id"], request)
        with self.assertRaises(standardwebhooks.WebhookVerificationError):
            standardwebhooks.Webhook(SECRET).verify(told["body"] + b" ", headers)

    def test_a_secret_is_replaced(self):
        new = self.appliance.folder / "new.secret"
        new.unlink(missing_ok=True)
        replacement = "whsec_" + base64.b64encode(b"test-only key that comes after it").decode()
        new.write_text(replacement)
        new.chmod(0o400)
        receiver = self.receiver()
        self.notifying(self.webhook(receiver).replace('"file:webhook.secret"', '["file:new.secret", "file:webhook.secret"]'))
        self.ask()
        told = receiver.next()
        self.assertTrue(signed_well(told, SECRET, time.time()))
        self.assertTrue(signed_well(told, replacement, time.time()))

    def test_tried_again_with_the_same_id(self):
        receiver = self.receiver(500, 200)
        self.notifying(self.webhook(receiver))
        self.ask()
        first = receiver.next()
        row = self.until(lambda rows: rows and rows[0]["attempts"] == 1)[0]
        self.assertEqual((row["status"], row["error"]), ("waiting", "it answered 500"))
        self.assertIn("next_attempt_at", row)
        self.clock.advance(6)
        second = receiver.next()
        self.assertEqual(first["headers"]["webhook-id"], second["headers"]["webhook-id"])
        self.assertEqual(first["body"], second["body"])
        self.assertGreater(int(second["headers"]["webhook-timestamp"]), int(first["headers"]["webhook-timestamp"]))
        self.assertTrue(signed_well(second, SECRET, time.time() + 6))
        self.assertEqual(self.settled()[0]["attempts"], 2)

    def test_tried_now_where_somebody_asks(self):
        receiver = self.receiver(500, 200)
        self.notifying(self.webhook(receiver))
        self.ask()
        self.until(lambda rows: rows and rows[0]["attempts"] == 1)
        self.assertEqual(self.broker.run("deliveries", "--now"), (0, {"due": 1}))
        self.assertEqual(self.settled()[0]["attempts"], 2)
        self.assertEqual(self.broker.run("deliveries", "--now", "--status", "waiting")[0], 6)

    def test_answers_that_are_none(self):
        for behaviour, said in ((Receiver.redirect, "it answered 307"), (Receiver.endless, "it answers more than 65536 bytes")):
            receiver = self.receiver(behaviour)
            self.notifying(self.webhook(receiver))
            self.ask()
            receiver.next()
            row = self.until(lambda rows: rows and rows[0]["attempts"] == 1)[0]
            self.assertEqual((row["status"], row["error"]), ("waiting", said))
            self.tearDown()

    def test_one_that_hangs_holds_up_nobody_else(self):
        slow, quick = self.receiver(), self.receiver()
        slow.script = [slow.hang]
        self.notifying(self.webhook(slow, "slow", ", timeout: 10m"), self.webhook(quick, "quick"))
        first = self.ask()
        slow.next()  # and it hangs
        second = self.ask(OTHER)
        told = [json.loads(quick.next()["body"])["data"]["request_id"] for _ in range(2)]
        self.assertEqual(told, [first, second])
        self.assertEqual(self.broker.approve(first, "alice", "--once")[0], 0)
        self.assertEqual(self.broker.call("fs:write", CALL)[0], 0)
#An attempt that is under way does not hold up the end either.
        self.assertEqual(self.broker.stop(), 0)

    def test_killed_between_the_record_and_its_delivery(self):
        receiver = self.receiver()
        receiver.script = [receiver.hang, 200]
        self.notifying(self.webhook(receiver, more=", timeout: 10m"))
        request = self.ask()
        first = receiver.next()  # taken, and never answered
        self.broker.kill()
        self.broker.start()
        second = receiver.next()
        self.assertEqual(first["headers"]["webhook-id"], second["headers"]["webhook-id"])
        self.assertEqual(first["body"], second["body"])
        self.assertEqual(json.loads(second["body"])["data"]["request_id"], request)
        self.settled()
        self.assertTrue(self.broker.run("audit", "--verify")[1]["ok"])

    def test_killed_at_once(self):
        receiver = self.receiver()
        receiver.close()  # nobody listens
        self.notifying(self.webhook(receiver))
        requests = [self.ask({"path": str(number), "text": "x"}) for number in range(5)]
        self.broker.kill()
        again = self.receiver()
        self.clock.advance(60)
        self.notifying(self.webhook(again))
        told = [json.loads(again.next()["body"])["data"]["request_id"] for _ in requests]
        self.assertEqual(sorted(told), sorted(requests))

    def open_requests(self, paths):
        return {self.broker.connection().call("POST", "/v1/call", {"tool_id": "fs:write", "agent_id": "web",
                                                                   "args": {"path": path, "text": "x"}})["request_id"] for path in paths
}

    def test_killed_again_and_again(self):
        receiver = self.receiver()
        channel, asked = self.webhook(receiver), set()
        for number in range(max(4, int(os.environ.get("COUNTERSIGN_KILLS", "0")) // 100)):
            self.notifying(channel, more="limits: {pending_per_agent: 100000}\n")
            asked |= self.open_requests(f"{number}-{each}" for each in range(4))
            for _ in range(number % 4):
                receiver.next()
            self.broker.kill()
        self.notifying(channel, more="limits: {pending_per_agent: 100000}\n")
        rows = self.settled(len(asked))
        self.assertEqual({row["request_id"] for row in rows}, asked)
        self.assertEqual({row["status"] for row in rows}, {"delivered"})
        told = {}
        for each in receiver.all:
            said = json.loads(each["body"])
            told.setdefault(said["data"]["request_id"], set()).add((each["headers"]["webhook-id"], each["body"]))
        self.assertEqual(set(told), asked)
        self.assertEqual({len(messages) for messages in told.values()}, {1})  # what came twice was the same
        self.assertTrue(self.broker.run("audit", "--verify")[1]["ok"])

    def test_many_at_once(self):
        count = int(os.environ.get("COUNTERSIGN_PARALLEL", "100"))
        receiver = self.receiver()
        self.notifying(self.webhook(receiver), more="limits: {pending_per_agent: 100000, calls_per_minute: 100000}\n")
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            asked = set().union(*pool.map(lambda number: self.open_requests([str(number)]), range(count)))
        self.assertEqual(len(asked), count)
        told = [json.loads(receiver.next()["body"])["data"]["request_id"] for _ in range(count)]
        self.assertEqual(sorted(told), sorted(asked))
        self.settled(count)
        self.assertTrue(receiver.requests.empty())
        delivered = [each["request_id"] for each in self.broker.audit() if each["event"] == "notice_delivered"]
        self.assertEqual(sorted(delivered), sorted(asked))

    def test_only_a_peer_that_proves_itself(self):
        receiver = self.receiver(context=self.certified())
        self.notifying(self.webhook(receiver, "unknown", scheme="https", host="localhost"),
                       self.webhook(receiver, "other-name", scheme="https", target=", ca: tls.pem"),
                       self.webhook(receiver, "known", scheme="https", host="localhost", target=", ca: tls.pem"))
        self.ask()
        rows = self.until(lambda rows: len(rows) == 3 and all(row["attempts"] == 1 for row in rows))
        self.assertEqual({row["channel"]: row["status"] for row in rows},
                         {"unknown": "waiting", "other-name": "waiting", "known": "delivered"})
        self.assertTrue(signed_well(receiver.next(), SECRET, time.time()))
        self.assertTrue(receiver.requests.empty())

    def test_what_a_broker_does_not_start_with(self):
        receiver = self.receiver()
        self.secret.chmod(0o444)
        with self.assertRaisesRegex(RuntimeError, "notify channel ops"):
            self.notifying(self.webhook(receiver))
        self.secret.chmod(0o400)
        with self.assertRaisesRegex(RuntimeError, "must begin with https://"):
            self.notifying(self.webhook(receiver, host="hooks.example"))
        self.broker = None


class Others(NotifyCase):
    def test_a_mail(self):
        server = MailServer(refuse=1)
        self.addCleanup(server.close)
        self.notifying(f'{{name: mail, mail: {{smtp: "smtp://127.0.0.1:{server.port}", from: broker@company.example, '
                       'to: [alice@company.example, bob@company.example]}}')
        request = self.ask({**CALL, "note": "x\r\nBcc: mallory@example.com\r\n.\r\nQUIT"})
        self.until(lambda rows: rows and rows[0]["attempts"] == 1)
        self.clock.advance(6)
        sent = server.mails.get(timeout=60)
        self.assertEqual(sent["from"].split(" ")[0], "MAIL")
        self.assertIn("<broker@company.example>", sent["from"])
        self.assertEqual([line.split(":")[1] for line in sent["to"]], ["<alice@company.example>", "<bob@company.example>"])
        mail = email.message_from_bytes(sent["data"], policy=email.policy.default)
        self.assertEqual(mail["Subject"], "[countersign] Agent 'web' wants to call tool 'fs:write'")
        self.assertIsNone(mail["Bcc"])
        self.assertEqual(mail["Auto-Submitted"], "auto-generated")
        row = self.settled()[0]
        self.assertEqual(mail["Message-ID"], f"<{row['id']}@company.example>")
        self.assertIn(f"\napprove: countersign broker approve --request-id {request} --broker {self.broker.socket}\n", mail.get_content())

    def test_a_mail_by_a_user_over_tls(self):
        credentials = self.appliance.folder / "credentials"
        credentials.mkdir(exist_ok=True)
        for name, password in (("good", "test-only password"), ("bad", "another")):
            (credentials / name).unlink(missing_ok=True)
            (credentials / name).write_text(password + "\n")
            (credentials / name).chmod(0o400)
        server = MailServer(context=self.certified(), login=("broker", "test-only password"))
        self.addCleanup(server.close)

        def channel(name, host, ca):
            return (f'{{name: {name}, mail: {{smtp: "smtps://{host}:{server.port}", from: broker@company.example, to: [alice@company.example], '
                    f'user: broker, password: "credential:{name}"{ca}}}}}')

        self.notifying(channel("good", "localhost", ", ca: tls.pem"), channel("bad", "localhost", ", ca: tls.pem"),
                       environment={"CREDENTIALS_DIRECTORY": str(credentials)})
        self.ask()
        rows = self.until(lambda rows: len(rows) == 2 and all(row["attempts"] == 1 for row in rows))
        self.assertEqual({row["channel"]: row["status"] for row in rows}, {"good": "delivered", "bad": "waiting"})
        self.assertNotIn("another", json.dumps(rows))
        server.mails.get(timeout=60)
        self.assertTrue(server.mails.empty())

    def test_no_mail_in_the_clear_to_another_machine(self):
        server = MailServer()
        self.addCleanup(server.close)
#No address that the configuration takes for this machine, but one that leads here.
        self.notifying(f'{{name: mail, mail: {{smtp: "smtp://0.0.0.0:{server.port}", from: a@company.example, to: [b@company.example]}}}}')
        self.ask()
        row = self.until(lambda rows: rows and rows[0]["attempts"] == 1)[0]
        self.assertEqual(row["status"], "waiting")
        self.assertIn("SSL", row["error"])
        self.assertTrue(server.mails.empty())

    def hook(self, name, body):
        path = self.appliance.folder / name
        path.write_text("#!/usr/bin/python3\n" + body)
        path.chmod(0o700)
        return path

    def test_a_command_and_a_file(self):
        folder = self.appliance.folder
        hook = self.hook("hook.py", "import json, os, pathlib, sys\n"
                                    "said = json.load(sys.stdin)\n"
                                    "pathlib.Path(sys.argv[1]).write_text(json.dumps({'said': said, 'environment': dict(os.environ)}))\n")
        out, journal = folder / "hook.out", folder / "notices.jsonl"
        journal.unlink(missing_ok=True)
        self.notifying(f"{{name: hook, command: [{hook}, {out}]}}", "{name: journal, file: notices.jsonl}")
        request = self.ask()
        self.settled(2)
        heard = json.loads(out.read_text())
        self.assertEqual(heard["said"]["data"]["request_id"], request)
        self.assertEqual(set(heard["environment"]) - {"LC_CTYPE"}, {"PATH", "LANG"})
        lines = [json.loads(line) for line in journal.read_text().splitlines()]
        self.assertEqual([line["data"]["request_id"] for line in lines], [request])
        self.assertEqual(journal.stat().st_mode & 0o777, 0o600)

    def test_a_command_that_stays_is_killed(self):
        started = self.appliance.folder / "started"
        started.unlink(missing_ok=True)
        hook = self.hook("stays.py", "import os, pathlib, sys, time\n"
                                     "pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))\n"
                                     "time.sleep(1000)\n")
        self.notifying(f"{{name: hook, command: [{hook}, {started}], timeout: 2s}}")
        self.ask()
        row = self.until(lambda rows: rows and rows[0]["attempts"] == 1)[0]
        self.assertEqual((row["status"], row["error"]), ("waiting", "the program took too long"))
        self.assertFalse(pathlib.Path("/proc", started.read_text()).exists())

    def test_a_command_that_stays_does_not_hold_up_the_end(self):
        started = self.appliance.folder / "started"
        started.unlink(missing_ok=True)
        hook = self.hook("stays.py", "import os, pathlib, sys, time\n"
                                     "pathlib.Path(sys.argv[1] + '.new').write_text(str(os.getpid()))\n"
                                     "os.rename(sys.argv[1] + '.new', sys.argv[1])\n"
                                     "time.sleep(1000)\n")
        self.notifying(f"{{name: hook, command: [{hook}, {started}], timeout: 10m}}")
        self.ask()
        self.until(lambda rows: started.exists())
        self.assertEqual(self.broker.stop(), 0)  # within 30 s; the hook's own time is ten minutes
        self.assertFalse(pathlib.Path("/proc", started.read_text()).exists())
        self.broker.start()
        self.assertEqual([row["attempts"] for row in self.broker.run("deliveries")[1]], [0])  # what was cut off is no attempt

    def test_many_at_once_are_one_message(self):
        told = self.appliance.folder / "told.jsonl"
        told.unlink(missing_ok=True)
        # Takes nothing but all six in one.
        hook = self.hook("tells.py", "import sys\n"
                                     "said = sys.stdin.read()\n"
                                     "with open(sys.argv[1], 'a') as out: out.write(said)\n"
                                     "sys.exit(0 if '\"count\":6' in said else 1)\n")
        self.notifying(f"{{name: hook, command: [{hook}, {told}], digest: 3, events: [request]}}")
        requests = {self.ask({"path": str(number), "text": "x"}) for number in range(6)}
        self.until(lambda rows: len(rows) == 6 and self.broker.run("deliveries", "--now")[0] == 0
                   and all(row["status"] == "delivered" for row in rows))
        last = json.loads(told.read_text().splitlines()[-1])
        self.assertEqual((last["type"], last["data"]["summary"]), ("broker.digest", "6 notices of the broker: 6 request"))
        self.assertEqual({each["request_id"] for each in last["data"]["notices"]}, requests)
        # Each has a code of its own, and the answer to one is of that one.
        first = last["data"]["notices"][0]
        self.assertEqual(self.broker.run("reply", "--text", first["reply"]["no"])[0], 0)
        self.assertEqual({each["id"] for each in self.broker.run("pending")[1]}, requests - {first["request_id"]})

    def test_what_is_told_of_a_request(self):
        receiver = self.receiver()
        self.notifying(self.webhook(receiver), more="approvals: {default: once, request_ttl: 1h}\n")
        told = lambda: json.loads(receiver.next()["body"])  # noqa: E731
        first = self.ask()
        self.assertEqual(told()["type"], "broker.request")
        self.clock.advance(15 * 60 + 1)
        reminder = told()
        self.assertEqual((reminder["type"], reminder["data"]["request_id"]), ("broker.reminder", first))
        self.assertEqual(self.broker.run("reject", "--request-id", first, "--reason", "not today")[0], 0)
        decided = told()
        self.assertEqual((decided["type"], decided["data"]["outcome"], decided["data"]["reason"]), ("broker.decided", "rejected", "not today"))
        second = self.ask(OTHER)
        self.assertEqual(told()["data"]["request_id"], second)
        self.clock.advance(3601)
        self.ask(OTHER)  # opens another one: the time of the first is over
        ended = {(each["type"], each["data"]["request_id"] == second) for each in (told(), told())}
        self.assertEqual(ended, {("broker.expired", True), ("broker.request", False)})

    def test_what_is_told_of_tools_and_servers(self):
        receiver = self.receiver()
        self.notifying(self.webhook(receiver, more=", events: [quarantine, override, proposal]"), lists='allow: ["fs:*"]')
        self.assertEqual(self.broker.call("fs:list", {})[0], 0)
        self.assertEqual(self.broker.stop(), 0)
        (self.broker.files / ".other").touch()
        self.broker.start()
        self.assertEqual(self.broker.call("fs:list", {})[0], 3)
        tools = {json.loads(receiver.next()["body"])["data"]["tool_id"] for _ in range(7)}  # and of a resource, a template and a prompt
        self.assertEqual({each for each in tools if "/" not in each}, {"fs:list", "fs:read", "fs:secrets", "fs:write"})
        code, proposal = self.broker.run("propose", "--server-name", "other", "--source", "npm_package", "--source-id", "x")
        self.assertEqual(code, 0, proposal)
        said = json.loads(receiver.next()["body"])
        self.assertEqual((said["type"], said["data"]["proposal_id"]), ("broker.proposal", proposal["id"]))
        self.assertEqual(self.broker.approve(proposal["id"], "alice", "--override-vetting", "--reason", "needed")[0], 4)
        said = json.loads(receiver.next()["body"])
        self.assertEqual((said["type"], said["data"]["reason"]), ("broker.override", "needed"))


if __name__ == "__main__":
    unittest.main(verbosity=0, warnings="ignore")
