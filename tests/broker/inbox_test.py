#!/usr/bin/env python3
"""The inbox as people use it, in the terminal and as a page, and as others try to misuse it.

  inbox_test.py PROGRAMS
"""
import http.client
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from appliance import Appliance  # noqa: E402
from broker import Broker  # noqa: E402

PROGRAMS = sys.argv.pop(1)
TWO = 'approvals: {default: once, rules: [{tools: ["fs:list"], min: 2}]}'


class Page:
    """A running page and one browser's view of it."""

    def __init__(self, test, approver="alice"):
        words = [str(test.appliance.bin / "countersign"), "broker", "inbox", "--web", *test.who(approver), "--json"]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(self.process.communicate()[1])
        self.url = urllib.parse.urlsplit(json.loads(line)["url"])
        self.cookie = self.token = ""

    def ask(self, method, target, body=None, **headers):
        connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=60)
        sent = {"Host": self.url.netloc, **({"Cookie": self.cookie} if self.cookie else {})}
        if body is not None:
            sent.update({"Content-Type": "application/json", "Origin": f"http://{self.url.netloc}", "X-Inbox-Token": self.token})
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        connection.request(method, target, json.dumps(body) if body is not None else None,
                           {name: value for name, value in sent.items() if value is not None})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer, json.loads(text) if text.startswith("{") else text

    def let_in(self):
        answer, _ = self.ask("GET", f"/open?{self.url.query}")
        assert answer.status == 303 and answer.getheader("Location") == "/", answer.status
        self.cookie = answer.getheader("Set-Cookie").split(";")[0]
        self.token = self.ask("GET", "/api/token")[1]["token"]
        return answer

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=30)
        return self.process.returncode


class Inbox(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.room = tempfile.TemporaryDirectory(prefix="countersign-inbox-")
        cls.appliance = Appliance(PROGRAMS, pathlib.Path(cls.room.name) / "appliance", approvers=("alice", "bob")).init()
        cls.appliance.start()
        cls.broker = Broker(cls.appliance, more=TWO).start()

    @classmethod
    def tearDownClass(cls):
        assert cls.broker.stop() == 0
        cls.appliance.stop()
        cls.room.cleanup()

    def who(self, approver):
        return ["--approver", f"{approver}@company.example", "--ssh-key", str(self.appliance.folder / "keys" / approver), "--signer",
                str(self.appliance.socket), "--broker", str(self.broker.socket)]

    def terminal(self, *lines, approver="alice"):
        done = subprocess.run([str(self.appliance.bin / "countersign"), "broker", "inbox", *self.who(approver)],
                              input="".join(line + "\n" for line in lines), capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def asked(self, tool="fs:write", **args):
        code, answer = self.broker.call(tool, args)
        self.assertEqual((code, answer["error"]), (4, "approval_required"), answer)
        return answer["request_id"]

    # --- in the terminal

    def test_a_person_looks_and_approves(self):
        request = self.asked(path="t.txt", text="in the terminal")
        shown = self.terminal("", f"show {request}", f"approve {request} once CHG-7", "quit")
        self.assertIn("fs:write", shown)
        self.assertIn('"text": "in the terminal"', shown)
        self.assertIn("Writes a text file.", shown)
        self.assertIn("its server, as vetting found it", shown)
        self.assertIn('"vetting_status": "unvetted"', shown)
        self.assertIn("approved: once", shown)
        self.assertEqual(self.broker.call("fs:write", {"path": "t.txt", "text": "in the terminal"})[0], 0)
        self.assertIn("used", self.terminal("history"))

    def test_two_people_and_what_is_refused_goes_on(self):
        request = self.asked("fs:list")
        shown = self.terminal(f"approve {request}", f"approve {request}", "nonsense", "show 99", f"approve {request} uses x", "help")
        self.assertIn("approved by 1 of 2", shown)
        self.assertIn("approved this request already", shown)
        self.assertIn('there is no word "nonsense"', shown)
        self.assertIn('there is no "99"', shown)
        self.assertIn("uses needs a number", shown)
        self.assertIn("reject N REASON", shown)
        self.assertIn("approved: once", self.terminal(f"approve {request}", approver="bob"))

    def test_rejected_with_a_reason(self):
        request = self.asked(path="r.txt", text="x")
        self.assertIn("a reason is needed", self.terminal(f"reject {request}"))
        self.assertIn("rejected", self.terminal(f"reject {request} not on a Friday"))
        code, answer = self.broker.call("fs:write", {"path": "r.txt", "text": "x"})
        self.assertEqual((code, answer["reason"]), (3, "not on a Friday"))

    def test_hostile_text_is_shown_not_obeyed(self):
        request = self.asked(path="h.txt", text="\x1b[2J\u202etxt.exe\u2066")
        shown = self.terminal(f"show {request}", f"reject {request} hostile")
        for each in ("\x1b", "\u202e", "\u2066"):
            self.assertNotIn(each, shown)
        self.assertIn("<U+202E>", shown)

    def test_hostile_text_in_a_list_is_escaped(self):
        text = "\u009b2J\u202etxt.exe\x7f"
        request = self.asked(path="p.txt", text=text)
        done = subprocess.run([str(self.appliance.bin / "countersign"), "broker", "pending", "--broker", str(self.broker.socket)],
                              capture_output=True, text=True)
        for each in text[0], text[3], text[-1]:
            self.assertNotIn(each, done.stdout)
        shown = next(each for each in json.loads(done.stdout) if each["id"] == request)
        self.assertEqual(shown["args"]["text"], text)
        self.terminal(f"reject {request} hostile")

    def test_another_key_approves_nothing(self):
        request = self.asked(path="k.txt", text="x")
        words = self.who("alice")
        words[3] = str(self.appliance.folder / "keys" / "bob")
        done = subprocess.run([str(self.appliance.bin / "countersign"), "broker", "inbox", *words], input=f"approve {request}\n",
                              capture_output=True, text=True, timeout=60)
        self.assertIn("refused:", done.stdout)
        self.assertEqual(self.broker.call("fs:write", {"path": "k.txt", "text": "x"})[0], 4)
        self.terminal(f"reject {request} over")

    def test_as_json_it_lists_and_ends(self):
        request = self.asked(path="j.txt", text="x")
        done = subprocess.run([str(self.appliance.bin / "countersign"), "broker", "inbox", *self.who("alice"), "--json"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        self.assertIn(request, [row["id"] for row in json.loads(done.stdout)["requests"]])
        self.terminal(f"reject {request} over")

    # --- as a page

    def test_the_page_approves_and_rejects(self):
        page = Page(self)
        page.let_in()
        request = self.asked(path="w.txt", text="on the page")
        rows = page.ask("GET", "/api/inbox")[1]["requests"]
        self.assertIn(request, [row["id"] for row in rows])
        whole = page.ask("GET", f"/api/requests/{request}")[1]
        self.assertEqual(whole["args"], {"path": "w.txt", "text": "on the page"})
        self.assertIn("definition", whole)
        answer, said = page.ask("POST", f"/api/requests/{request}/approve", {"mode": "uses", "uses": 2, "reason": "CHG-8"})
        self.assertEqual((answer.status, said["status"], said["mode"]), (200, "approved", "uses"), said)
        self.assertEqual([self.broker.call("fs:write", whole["args"])[0] for _ in range(3)], [0, 0, 4])
        again = page.ask("GET", "/api/inbox")[1]["requests"][0]["id"]
        answer, said = page.ask("POST", f"/api/requests/{again}/reject", {"reason": ""})
        self.assertEqual((answer.status, said["error"]["code"]), (400, "reason_missing"), said)
        self.assertEqual(page.ask("POST", f"/api/requests/{again}/reject", {"reason": "enough"})[0].status, 200)
        self.assertIn(again, [row["id"] for row in page.ask("GET", "/api/history")[1]["requests"]])
        self.assertEqual(page.end(), 0)

    def test_a_proposal_is_judged_with_its_report(self):
        source = pathlib.Path(self.room.name) / "server"
        source.mkdir()
        (source / "server.py").write_text("print('hello')\n")
        code, proposal = self.broker.run("propose", "--server-name", "extra", "--source-path", str(source))
        self.assertIn("id", proposal, (code, proposal))
        page = Page(self)
        page.let_in()
        whole = page.ask("GET", f"/api/proposals/{proposal['id']}")[1]
        self.assertIn("vetting_report", whole)
        passed = whole["vetting_status"] in ("pass", "warn")
        answer, said = page.ask("POST", f"/api/proposals/{proposal['id']}/approve", {"reason": ""})
        self.assertEqual(answer.status, 400, said)
        answer, said = page.ask("POST", f"/api/proposals/{proposal['id']}/approve", {"reason": "", "version": whole["version"] + 1})
        self.assertEqual((answer.status, said["error"]["code"]), (409, "proposal_changed"), said)
        answer, said = page.ask("POST", f"/api/proposals/{proposal['id']}/approve", {"reason": "", "version": whole["version"]})
        self.assertEqual(answer.status, 200 if passed else 403, said)
        if not passed:
            answer, said = page.ask("POST", f"/api/proposals/{proposal['id']}/override", {"reason": "looked at it", "version": whole["version"]})
            self.assertEqual((answer.status, said["ok"]), (200, False), said)
        self.assertEqual(page.end(), 0)

    def test_nobody_else_is_let_in(self):
        page = Page(self)
        own = f"http://{page.url.netloc}"
        for target in ("/", "/inbox.js", "/api/inbox", "/api/token"):
            answer, said = page.ask("GET", target)
            self.assertEqual((answer.status, said["error"]["code"]), (401, "not_let_in"), target)
        self.assertEqual(page.ask("GET", "/open?key=" + "0" * 64)[0].status, 403)
        opened = page.let_in()
        cookie = opened.getheader("Set-Cookie")
        for word in ("HttpOnly", "SameSite=Strict", "Path=/"):
            self.assertIn(word, cookie)
        # The link was used: whoever finds it in a history gets nowhere.
        answer, said = page.ask("GET", f"/open?{page.url.query}")
        self.assertEqual((answer.status, said["error"]["code"]), (403, "link_used"))
        answer, text = page.ask("GET", "/")
        self.assertEqual(answer.status, 200)
        policy = answer.getheader("Content-Security-Policy")
        for word in ("default-src 'none'", "frame-ancestors 'none'", "script-src 'self'", "form-action 'none'"):
            self.assertIn(word, policy)
        self.assertNotIn("unsafe", policy)
        self.assertNotIn("http://", text)
        self.assertEqual(answer.getheader("Cache-Control"), "no-store")
        request = self.asked(path="x.txt", text="x")
        reject, body = f"/api/requests/{request}/reject", {"reason": "from elsewhere"}
        elsewhere = ("rebound name", "localhost by name", "another page", "no origin", "null origin", "another site")
        for what, headers in (("rebound name", {"Host": "evil.example:80"}), ("localhost by name", {"Host": f"localhost:{page.url.port}"}),
                              ("another page", {"Origin": "http://evil.example"}), ("no origin", {"Origin": None}),
                              ("null origin", {"Origin": "null"}), ("another site", {"Sec_Fetch_Site": "cross-site"}),
                              ("no token", {"X_Inbox_Token": None}), ("another token", {"X_Inbox_Token": "0" * 64}),
                              ("no cookie", {"Cookie": None}), ("another cookie", {"Cookie": page.cookie[:-1] + "0x"}),
                              ("a form", {"Content_Type": "text/plain"})):
            answer, said = page.ask("POST", reject, body, **headers)
            self.assertIn(answer.status, (401, 403, 415), (what, said))
            self.assertEqual(said["error"]["code"] == "wrong_origin", what in elsewhere, (what, said))
        answer, said = page.ask("GET", "/api/inbox", Sec_Fetch_Site="cross-site")
        self.assertEqual((answer.status, said["error"]["code"]), (403, "wrong_origin"), said)
        self.assertEqual(page.ask("POST", "/api/requests/../../x/reject", body)[0].status, 404)
        self.assertEqual(page.ask("POST", reject, {**body, "more": 1})[0].status, 400)
        self.assertEqual(self.broker.call("fs:write", {"path": "x.txt", "text": "x"})[1]["request_id"], request, "it was rejected")
        self.assertEqual(page.ask("POST", reject, body, Sec_Fetch_Site="same-origin", Origin=own)[0].status, 200)
        self.assertEqual(page.end(), 0)

    def test_a_person_is_needed(self):
        done = subprocess.run([str(self.appliance.bin / "countersign"), "broker", "inbox", "--web", "--broker", "/nonexistent/broker.sock",
                               "--json"], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 7, done.stdout)
        self.assertNotIn("url", json.loads(done.stdout))


if __name__ == "__main__":
    unittest.main(verbosity=2)
