#!/usr/bin/env python3
"""The inbox's page in headless Chromium, driven by WebDriver (chromium, chromium-driver): opened by the link, by keyboard, on a
phone's width; an approval and a rejection by clicks. COUNTERSIGN_SCREENSHOTS names a folder for pictures.

  inbox_browser_test.py PROGRAMS
"""
import base64
import http.client
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from appliance import Appliance  # noqa: E402
from broker import Broker  # noqa: E402

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # W3C WebDriver §11


class Browser:
    def __init__(self, port, folder):
        self.process = subprocess.Popen(["chromedriver", f"--port={port}", f"--log-path={folder}/driver.log"], stdout=subprocess.DEVNULL)
        self.port = port
        self.wait(lambda: self.ask("GET", "/status")["ready"], "chromedriver")
        options = {"args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--user-data-dir={folder}/profile"]}
        self.session = self.ask("POST", "/session", {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}})["sessionId"]

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())["value"]
        connection.close()
        if isinstance(answer, dict) and "error" in answer:
            raise RuntimeError(answer["message"])
        return answer

    @staticmethod
    def wait(condition, what, within=30):
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            try:
                found = condition()
                if found:
                    return found
            except (OSError, RuntimeError, http.client.HTTPException):
                pass
            time.sleep(0.05)  # polls a condition; nothing depends on how long
        raise AssertionError(f"never: {what}")

    def do(self, what, body=None, method="POST"):
        return self.ask(method, f"/session/{self.session}{what}", body if body is not None or method != "POST" else {})

    def script(self, text, *arguments):
        return self.do("/execute/sync", {"script": text, "args": list(arguments)})

    def text(self):
        return self.script("return document.body.innerText")

    def click(self, selector):
        found = self.wait(lambda: self.do("/element", {"using": "css selector", "value": selector}), selector)
        self.do(f"/element/{found[ELEMENT]}/click")
        return found

    def type(self, selector, text):
        found = self.do("/element", {"using": "css selector", "value": selector})
        self.do(f"/element/{found[ELEMENT]}/value", {"text": text})

    def press(self, key):
        self.do("/actions", {"actions": [{"type": "key", "id": "keys", "actions": [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]}]})

    def size(self, width, height):
        self.do("/window/rect", {"width": width, "height": height})

    def picture(self, name):
        folder = os.environ.get("COUNTERSIGN_SCREENSHOTS")
        if folder:
            (pathlib.Path(folder) / f"{name}.png").write_bytes(base64.b64decode(self.do("/screenshot", method="GET")))

    def end(self):
        try:
            self.do("", method="DELETE")
        finally:
            self.process.terminate()
            self.process.wait(30)


def free_port():
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def played(appliance, broker, browser, url):
    first = broker.call("fs:write", {"path": "a.txt", "text": "<img src=x onerror=alert(1)> \u202egnp"})[1]["request_id"]
    second = broker.call("fs:write", {"path": "b.txt", "text": "y", "password": "hunter2"})[1]["request_id"]
    browser.do("/url", {"url": url})
    browser.wait(lambda: "fs:write" in browser.text(), "the list")
    assert browser.script("return location.pathname + location.search") == "/", "the key stays in the address"
    browser.press("j")
    browser.wait(lambda: "Arguments (secrets masked)" in browser.text(), "the details")
    browser.picture("inbox")
    browser.click(f'[data-id="{first}"]')
    browser.wait(lambda: "<img src=x onerror=alert(1)> <U+202E>gnp" in browser.text(), "hostile text as text")
    assert browser.script("return document.images.length") == 0
    browser.click(f'[data-id="{second}"]')
    browser.wait(lambda: "b.txt" in browser.text(), "the second")
    assert "hunter2" not in browser.script("return document.documentElement.outerHTML"), "a secret is shown"
    # Without a reason nothing is rejected; with one it is.
    browser.click(".reject")
    browser.wait(lambda: "Say why" in browser.text(), "a reason is asked for")
    browser.type("#reason", "not this one")
    browser.click(".reject")
    browser.wait(lambda: "Rejected." in browser.text(), "rejected")
    code, answer = broker.call("fs:write", {"path": "b.txt", "text": "y", "password": "hunter2"})
    assert (code, answer["reason"]) == (3, "not this one"), answer
    # On a phone nothing is cut off.
    browser.size(390, 800)
    browser.click(f'[data-id="{first}"]')
    browser.wait(lambda: "Approve" in browser.text(), "the form")
    assert browser.script("return document.documentElement.scrollWidth <= window.innerWidth"), "it scrolls sideways"
    browser.picture("phone")
    # By keyboard: `a` goes to the button, Enter presses it.
    browser.script("document.getElementById('details').focus()")
    browser.press("a")
    browser.press("\ue007")
    browser.wait(lambda: "Approved: once" in browser.text(), "approved")
    assert broker.call("fs:write", {"path": "a.txt", "text": "<img src=x onerror=alert(1)> \u202egnp"})[0] == 0
    browser.click("#show-history")
    browser.wait(lambda: "used" in browser.text(), "the history")
    browser.picture("history")


def main():
    if not shutil.which("chromedriver") or not shutil.which("chromium"):
        print("not run: chromium and chromium-driver are not installed (apt-get install chromium chromium-driver)")
        sys.exit(77)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="countersign-browser-"))
    appliance = Appliance(sys.argv[1], folder / "appliance", approvers=("alice",)).init()
    appliance.start()
    broker = Broker(appliance).start()
    page = subprocess.Popen([str(appliance.bin / "countersign"), "broker", "inbox", "--web", "--json", "--approver", "alice@company.example",
                             "--ssh-key", str(appliance.folder / "keys" / "alice"), "--signer", str(appliance.socket), "--broker",
                             str(broker.socket)], stdout=subprocess.PIPE, text=True)
    browser = Browser(free_port(), folder)
    try:
        played(appliance, broker, browser, json.loads(page.stdout.readline())["url"])
    finally:
        browser.end()
        page.terminate()
        page.wait(30)
        broker.stop()
        appliance.stop()
    shutil.rmtree(folder)
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
