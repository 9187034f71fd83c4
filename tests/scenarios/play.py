#!/usr/bin/env python3
"""Plays a transcript of what users do: tests/scenarios/play.py PROGRAMS FILE.scenario

A transcript is lines. Each command is followed by what must be true of it; without an `exit` line it must exit with 0.

    # a comment
    roles ROLE…               that the appliance has beside approval, trace and release (before the first command)
    config LINE               added to the appliance's configuration (before the first command)
    gate eval --policy p …    countersign with these words; quotes and $NAME as in a shell
    $ COMMAND                 bash; countersign and gait (a link to it) are on its PATH
    down / up                 the appliance stops, or starts again
    exit N
    stdout contains TEXT      also stderr; also `lacks`
    stdout is TEXT            without the final line break
    json FILTER is TEXT       jq -r FILTER over the last stdout
    keep NAME FILTER          the same, kept as $NAME for later commands
    told EVENT                the security owner's file has EVENT (it may come a moment after the answer)
    file PATH has mode 0600   of the scenario's folder
    file PATH is absent       or `is there`
"""

import os
import pathlib
import re
import shlex
import shutil
import string
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests" / "support"))
from appliance import ROLES, Appliance  # noqa: E402

EXPECTATIONS = ("exit", "stdout", "stderr", "json", "keep", "told", "file")
SCOPES = ("tool:tenant.retire", "tool:tool.write", "phase:apply", "destructive:apply", "delegate:write", "script:a.read", "script:b.read",
          "tool:voice.commitment.refund")


class Failed(Exception):
    pass


def copy_examples(to):
    """The shipped example under short names; its context envelope carries the current time."""
    examples = SOURCE / "deploy" / "examples"
    shutil.copy(examples / "production-change.policy.yaml", to / "policy.yaml")
    shutil.copy(examples / "production-change.intent.json", to / "intent.json")
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    text = (examples / "production-change.context.json").read_text()
    for old in ("2026-06-01T08:58:00Z", "2026-06-01T08:57:30Z", "2026-06-01T08:57:40Z"):
        text = text.replace(old, now)
    (to / "context.json").write_text(text)
    shutil.copytree(examples, to / "deploy" / "examples")
    (to / "var" / "demo" / "tenants" / "tenant-4711").mkdir(parents=True)


class Player:
    def __init__(self, programs, lines):
        self.lines = lines
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="countersign-scenario-"))
        self.work = self.folder / "work"
        self.work.mkdir(mode=0o700)
        links = self.folder / "bin"
        links.mkdir()
        for name in ("countersign", "gait"):
            (links / name).symlink_to(pathlib.Path(programs).resolve() / "countersign")
        more = "\n".join(line.split(" ", 1)[1] for line in lines if line.startswith("config "))
        self.appliance = Appliance(programs, self.folder / "appliance", approvers=["alice", "bob"], scopes=SCOPES, more=more,
                                   roles=ROLES + tuple(role for line in lines if line.startswith("roles ") for role in line.split()[1:]))
        self.appliance.make_key("mallory")  # who is nobody's approver
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("COUNTERSIGN_", "SSH_AUTH", "GAIT_"))},
            "PWD": str(self.work), "SOURCE": str(SOURCE), "PATH": f"{links}:{os.environ['PATH']}",
            "COUNTERSIGN_SIGNER": str(self.appliance.socket),
            "KEYS": str(self.appliance.folder / "keys"),
            "PUBLISHED": str(self.appliance.folder / "published"),
        }
        self.last = None
        self.checked_exit = True

    def play(self):
        copy_examples(self.work)
        self.appliance.init()
        try:
            self.up()
            for number, line in enumerate(self.lines, 1):
                try:
                    self.line(line)
                except Failed as failure:
                    raise Failed(f"line {number}: {line}\n{failure}\n{self.told_last()}") from None
            self.end_command()
        finally:
            self.appliance.stop()

    def up(self):
        """Waits as users do, with the command."""
        self.appliance.launch()
        waited = subprocess.run(["countersign", "status", "--wait", "60s"], env=self.environment, capture_output=True, text=True)
        if waited.returncode != 0:
            raise RuntimeError(f"the appliance is not ready: {waited.stderr}\n{self.appliance.log()}")

    def line(self, line):
        word, _, rest = line.partition(" ")
        if not line or line.startswith("#") or word in ("config", "roles"):
            return
        if word in EXPECTATIONS:
            getattr(self, "expect_" + word)(rest)
            return
        self.end_command()
        if line == "down":
            self.appliance.stop()
        elif line == "up":
            self.up()
        elif word == "$":
            self.command(["bash", "-euo", "pipefail", "-c", rest])
        else:
            words = shlex.split(string.Template(line).substitute(self.environment))
            self.command(["countersign", *words])

    def command(self, argv):
        self.last = subprocess.run(
            argv, cwd=self.work, env=self.environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60
        )
        self.checked_exit = False

    def end_command(self):
        if not self.checked_exit:
            self.expect_exit("0")

    def told_last(self):
        if self.last is None:
            return ""
        return f"exit {self.last.returncode}\n--- stdout\n{self.last.stdout}--- stderr\n{self.last.stderr}"

    def expect_exit(self, rest):
        self.checked_exit = True
        if self.last.returncode != int(rest):
            raise Failed(f"exited with {self.last.returncode}")

    def expect_stdout(self, rest):
        self.check_text(self.last.stdout, rest)

    def expect_stderr(self, rest):
        self.check_text(self.last.stderr, rest)

    def check_text(self, text, rest):
        verb, _, wanted = rest.partition(" ")
        wanted = string.Template(wanted).safe_substitute(self.environment)
        good = {"contains": wanted in text, "lacks": wanted not in text, "is": text.rstrip("\n") == wanted}
        if not good[verb]:
            raise Failed(f"not so: {rest}")

    def jq(self, program):
        done = subprocess.run(["jq", "-r", program], input=self.last.stdout, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"jq: {done.stderr}")
        return done.stdout.rstrip("\n")

    def expect_json(self, rest):
        program, wanted = re.fullmatch(r"(.*?) is ?(.*)", rest).groups()
        wanted = string.Template(wanted).safe_substitute(self.environment)
        found = self.jq(string.Template(program).safe_substitute(self.environment))
        if found != wanted:
            raise Failed(f"it is {found!r}")

    def expect_keep(self, rest):
        name, _, program = rest.partition(" ")
        self.environment[name] = self.jq(program)

    def expect_told(self, event):
        path = self.appliance.folder / "security.jsonl"
        for _ in range(200):
            if path.exists() and f'"{event}"' in path.read_text():
                return
            time.sleep(0.05)
        raise Failed(f"the security owner was told: {path.read_text() if path.exists() else 'nothing'}")

    def expect_file(self, rest):
        path, verb, *what = rest.split()
        path = self.work / string.Template(path).substitute(self.environment)
        if verb == "is":
            good = path.exists() == (what == ["there"])
        else:
            good = path.exists() and path.stat().st_mode & 0o7777 == int(what[1], 8)
        if not good:
            raise Failed(f"not so; it is {oct(path.stat().st_mode) if path.exists() else 'absent'}")


def main():
    programs, scenario = sys.argv[1:]
    player = Player(programs, pathlib.Path(scenario).read_text().splitlines())
    try:
        player.play()
    except (Failed, RuntimeError) as failure:
        print(failure, file=sys.stderr)
        print(f"kept: {player.folder}", file=sys.stderr)
        return 1
    shutil.rmtree(player.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
