#!/usr/bin/env python3
"""Every recorded evaluation of the real gait, put to `gate eval` and to a gate that serves: service.py --program countersign

The answers, exit codes and written files must be the same. Both sign with one appliance, so the key flags of the recorded
commands are left out; a gate is started for each set of settings, with every policy in the request's stead on its shelf."""
import argparse
import concurrent.futures
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]
import recorded  # noqa: E402
import replay  # noqa: E402
from appliance import Appliance  # noqa: E402

PACK = HERE.parent / "vectors" / "gait_commands.json"
# Who signs is not in question; what would change the time cannot be asked of a service.
LEFT_OUT = ("key-mode", "private-key", "private-key-env", "public-key", "public-key-env")
LOCAL_ONLY = ("evaluation-time",)
OF_THE_GATE = ("profile", "kill-switch-state", "wrkr-inventory", "context-evidence", "attested-by", "rate-limit-state",
               "approved-script-registry", "credential-broker", "credential-env-prefix", "credential-ref", "credential-scopes", "credential-command",
               "credential-command-args", "credential-command-env")
SWITCHES = ("json", "explain", "simulate", "check")
# Moments and places, which differ between any two evaluations.
TRANSIENT = ("correlation_id",)
OF_A_RUN = ("event_id", "observed_at", "correlation_id", "latency_ms", "signature", "countersign", "created_at", "relationship",
            "issued_at", "expires_at")


def flags_of(argv):
    """{flag: value}, None for a switch; raises ValueError for what is no flag."""
    out, words = {}, list(argv[3:])
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            raise ValueError(word)
        name, equals, value = word.lstrip("-").partition("=")
        out[name] = value if equals else None if name in SWITCHES else words.pop(0)
    return out


def words(flags):
    return [w for name, value in flags.items() for w in ([f"--{name}"] if value is None else [f"--{name}", value])]


def evaluations(cases):
    """(case, place, flags) of each command that a service can be asked."""
    for case in cases:
        for place, step in enumerate(case["steps"], 1):
            if step["argv"][1:3] != ["gate", "eval"]:
                continue
            try:
                flags = flags_of(step["argv"])
            except (ValueError, IndexError):
                continue
            flags = {k: v for k, v in flags.items() if not k.endswith(LEFT_OUT)}
            if any(name in flags for name in LOCAL_ONLY) or not flags.get("policy"):
                continue
            yield case, place, step, flags


def run(program, argv, room, environment):
    done = subprocess.run([program, *argv], cwd=room, env=environment, capture_output=True)
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        answer = done.stdout.decode()
    return done.returncode, answer


def tidy(answer):
    if isinstance(answer, dict):
        for name in TRANSIENT:
            answer.pop(name, None)
    return answer


def written(room, before):
    """The files that a command wrote, without what differs between two runs of one command."""
    out = {}
    for path, data in recorded.tree(str(room)).items():
        if before.get(path) == data or path.endswith((".lock", ".sock")):
            continue
        try:
            document = json.loads(data)
        except ValueError:
            document = None
        if isinstance(document, dict):
            data = {k: v for k, v in document.items() if k not in OF_A_RUN}
            if isinstance(data.get("delegation_ref"), dict):
                data["delegation_ref"].pop("chain_digest", None)
        out[path] = data
    return out


class Comparison:
    def __init__(self, program, keys, environment):
        self.program, self.keys, self.environment = program, keys, environment

    def compare(self, job):
        case, _, _, flags = job
        with tempfile.TemporaryDirectory(prefix="gait-") as folder:
            answers = []
            for asked in (False, True):
                room = pathlib.Path(replay.prepare(case, self.keys, os.path.join(folder, "asked" if asked else "here")))
                before = recorded.tree(str(room))
                exit_code, answer = self.ask(flags, room) if asked else run(
                    self.program, ["gate", "eval", *words(flags)], room, self.environment)
                answers.append((exit_code, tidy(answer), written(room, before)))
        return None if answers[0] == answers[1] else answers

    def ask(self, flags, room):
        settings = {k: v for k, v in flags.items() if k in OF_THE_GATE}
        question = {k: v for k, v in flags.items() if k not in OF_THE_GATE}
        server = subprocess.Popen([self.program, "gate", "serve", "--socket", "gate.sock", "--policy", flags["policy"],
                                   "--requests-per-second", "1000", "--json", *words(settings)], cwd=room, env=self.environment,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            if not json.loads(server.stdout.readline() or "{}").get("ok"):
                # A gate that cannot start answers nobody, and the command refuses the same.
                server.wait(30)
                here, answer = run(self.program, ["gate", "eval", *words(flags), "--check"], room, self.environment)
                refused = here == server.returncode
                full, answer = run(self.program, ["gate", "eval", *words(flags)], room, self.environment)
                return (full if refused else f"gate serve ended {server.returncode}, the command {here}"), answer
            return run(self.program, ["gate", "eval", *words(question), "--gate", "gate.sock"], room, self.environment)
        finally:
            server.send_signal(signal.SIGTERM)
            server.communicate()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--every", type=int, default=1, help="only each nth evaluation")
    parser.add_argument("--only", default="", help="names of cases that contain this")
    options = parser.parse_args()
    program = os.path.abspath(options.program)
    cases, keys = recorded.from_pack(PACK)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="countersign-service-"))
    appliance = Appliance(pathlib.Path(program).parent, folder / "appliance", approvers=["alice"])
    appliance.init()
    appliance.launch()
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "COUNTERSIGN_SIGNER": str(appliance.socket),
                   "GAIT_BROKER_TOKEN_EGRESS": "test-only"}
    differ = compared = 0
    try:
        subprocess.run([program, "status", "--wait", "60s"], env=environment, check=True, capture_output=True)
        jobs = [job for job in list(evaluations(cases))[::options.every] if options.only in job[0]["name"]]
        with concurrent.futures.ThreadPoolExecutor(max_workers=3) as pool:
            for (case, place, _, _), found in zip(jobs, pool.map(Comparison(program, keys, environment).compare, jobs)):
                compared += 1
                if found is None:
                    continue
                differ += 1
                print(f"differs: {case['name']}#{place}")
                for who, (exit_code, answer, files) in zip(("command", "service"), found):
                    print(f"  {who}: exit {exit_code} {json.dumps(answer)[:1500]} {sorted(files)}")
                if found[0][2] != found[1][2]:
                    for path in sorted(set(found[0][2]) | set(found[1][2])):
                        if found[0][2].get(path) != found[1][2].get(path):
                            print(f"  {path}: {str(found[0][2].get(path))[:800]}\n      {str(found[1][2].get(path))[:800]}")
    finally:
        appliance.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{compared - differ} evaluations are the same from the service, {differ} differ")
    return 1 if differ or not compared else 0


if __name__ == "__main__":
    sys.exit(main())
