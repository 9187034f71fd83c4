#!/usr/bin/env python3
"""Measures the signer beside the raw token and beside peers, interleaved in one run, and prints ratios.

  tests/bench/run.py [--build build/bench] [--seconds 2] [--rounds 5] [--json FILE] [--table FILE] [--only NAME…]

Needs the programs of the `bench` preset. Everything runs in a temporary folder on tokens made for it; nothing of the
machine is changed. Figures are min / median / max over the rounds; a ratio is taken inside each round.
docs/performance.md says what each line means and what its goal is.
"""
import argparse
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from appliance import Appliance, Signer, softhsm, trace_request  # noqa: E402


PARTS = ("I/O thread", "commit thread", "holders")


class MeasuredAppliance(Appliance):
    def __init__(self, build, folder, algorithm, trace_holders):
        super().__init__(build / "bin", folder, algorithm=algorithm, holders=trace_holders,
                         more="limits: {requests_per_second: 1000000, burst: 1000000, in_flight: 4096}\n")
        self.init()

    def raw_arguments(self):
        return softhsm(), "test-trace", self.token("trace") / "pin", "trace-", self.algorithm

    def cpu_by_part(self):
        """Nanoseconds of CPU so far: the front's I/O thread, its other threads (nearly all of it commits), the trace holders."""
        parts = dict.fromkeys(PARTS, 0)
        for pid, words in self.children().items():
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                spent = int((task / "schedstat").read_text().split()[0])
                if "--front" in words:
                    parts["I/O thread" if int(task.name) == pid else "commit thread"] += spent
                elif "countersign-holder: trace" in words:
                    parts["holders"] += spent
        return parts

    def load(self, body, connections, seconds, *prefix):
        """What bench_load says of these seconds, with the CPU of a signature: of the whole appliance, and by part."""
        before, parts_before = self.cpu(), self.cpu_by_part()
        result = run([*prefix, self.bin / "bench_load", "http", self.socket, body, connections, seconds])
        parts = self.cpu_by_part()
        result["server_cpu_us"] = (self.cpu() - before) * 1e6 / result["everything"]
        result["parts_us"] = {part: (parts[part] - parts_before[part]) / 1e3 / result["everything"] for part in PARTS}
        return result

    def raw_environment(self):
        return {**os.environ, "SOFTHSM2_CONF": str(self.token("trace") / "softhsm2.conf")}


def run(arguments, **keywords):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, **keywords)
    if done.returncode != 0:
        sys.exit(f"{arguments[0]} failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


class Figures:
    def __init__(self):
        self.values = {}
        self.goals = {}

    def add(self, name, value, goal=None):
        self.values.setdefault(name, []).append(value)
        if goal:
            self.goals[name] = goal

    def rows(self):
        for name, values in self.values.items():
            yield {"name": name, "min": min(values), "median": statistics.median(values), "max": max(values),
                   "rounds": len(values), "goal": self.goals.get(name, "")}

    def table(self):
        lines = ["| figure | min | median | max | goal |", "|---|---|---|---|---|"]
        for row in self.rows():
            lines.append("| {name} | {min:.4g} | {median:.4g} | {max:.4g} | {goal} |".format(**row))
        return "\n".join(lines) + "\n"


def measure_throughput(build, folder, options, figures, algorithm, holders):
    name = f"{algorithm} {holders} holder{'s' if holders > 1 else ''}"
    appliance = MeasuredAppliance(build, folder / f"{algorithm}-{holders}", algorithm, holders)
    single = appliance.folder / "single.json"
    batch = appliance.folder / "batch.json"
    request = trace_request("1f8affbdf255cf2596e8b9857c07f02fa8d0300b3cf4d5bf" + "@" * 16)
    single.write_text(json.dumps(request, separators=(",", ":")))
    batch.write_text(json.dumps({"requests": [request] * 16}, separators=(",", ":")))
    figures.add(f"{name}: start to ready, new ledger, ms", appliance.start(), "≤ 300" if holders == 1 else "≤ 450")

    def raw(processes, threads, *prefix):
        return run([*prefix, build / "bin/bench_raw_sign", *appliance.raw_arguments(), processes, threads, options.seconds],
                   env=appliance.raw_environment())

    def load(body, connections, *prefix):
        return appliance.load(body, connections, options.seconds, *prefix)

    for _ in range(options.rounds):
        one = raw(1, 1)
        two_threads = raw(1, 2)
        raw_n = raw(holders, 1) if holders > 1 else one
        served = {connections: load(single, connections) for connections in (1, 8, 64)}
        batched = load(batch, 8)
        figures.add(f"raw C_Sign {algorithm}, one process /s", one["per_second"])
        figures.add(f"raw C_Sign {algorithm}, one process CPU µs", one["cpu_us"])
        figures.add(f"raw C_Sign {algorithm}, two threads /s", two_threads["per_second"])
        for connections, result in served.items():
            figures.add(f"{name}, {connections} connections /s", result["per_second"])
        figures.add(f"{name}, batch of 16 /s", batched["per_second"])
        figures.add(f"{name}: CPU of front + holders over raw, µs", served[64]["server_cpu_us"] - one["cpu_us"], "≤ 35")
        for part, spent in served[64]["parts_us"].items():
            figures.add(f"{name}: CPU of the {part}, µs", spent)
        figures.add(f"{name}: CPU of front + holders over raw in batches of 16, µs", batched["server_cpu_us"] - one["cpu_us"])
        figures.add(f"{name}: p99 / p50 at 64 connections", served[64]["p99_us"] / served[64]["p50_us"], "≤ 5")
        if holders == 1:
            figures.add(f"{name}: 64 connections / raw one process", served[64]["per_second"] / one["per_second"], "≥ 0.85")
        elif algorithm == "p256":
            figures.add(f"{name}: 64 connections / raw two threads",
                        served[64]["per_second"] / two_threads["per_second"], "≥ 1.0")
            figures.add(f"{name}: batch of 16 / raw two threads", batched["per_second"] / two_threads["per_second"], "≥ 1.25")
        else:
            figures.add(f"{name}: 64 connections / raw two threads",
                        served[64]["per_second"] / two_threads["per_second"], "≥ 1.1")
        figures.add(f"{name}: 64 connections / raw {holders} processes", served[64]["per_second"] / raw_n["per_second"])
        if holders == 1:
            pinned = ("taskset", "-c", "0")
            raw_pinned = raw(1, 1, *pinned)
            for pid in list(appliance.children()):
                subprocess.run(["taskset", "-a", "-c", "-p", "0", str(pid)], check=True, stdout=subprocess.DEVNULL)
            served_pinned = load(single, 1, *pinned)
            commit_folder = tempfile.mkdtemp(dir=folder)
            commit = run([*pinned, build / "bin/bench_commit", commit_folder, 300])
            for pid in list(appliance.children()):
                subprocess.run(["taskset", "-a", "-c", "-p", f"0-{os.cpu_count() - 1}", str(pid)], check=True,
                               stdout=subprocess.DEVNULL)
            figures.add(f"{name}: p50 at one connection, pinned, over raw + one commit, µs",
                        served_pinned["p50_us"] - raw_pinned["p50_us"] - commit["p50_us"], "≤ 40")
            figures.add("one group commit alone, p50 µs", commit["p50_us"])
    if holders == 1 and algorithm == "p256":
        measure_peers(build, appliance, options, figures)
    if holders == 1:
        with subprocess.Popen([build / "bin/bench_load", "idle", str(appliance.socket), "1000"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as idle:
            if idle.stdout.readline() != "open\n":
                sys.exit("1,000 connections could not be opened")
            status = pathlib.Path(f"/proc/{appliance.front()}/status").read_text()
            resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
            figures.add(f"{name}: front resident at 1,000 connections, MiB", resident / 1024, "≤ 64")
            idle.stdin.close()
    figures.add(f"{name}: records in the ledger of this run", records_in(appliance))
    appliance.stop()
    for _ in range(options.rounds):
        figures.add(f"{name}: start to ready with the ledger of this run, ms", appliance.start(),
                    "≤ 300" if holders == 1 else "≤ 450")
        appliance.stop()


def records_in(appliance):
    metrics = Signer(appliance.socket).call("GET", "/metrics")
    return next(float(line.split()[-1]) for line in metrics.splitlines() if "ledger_size" in line and not line.startswith("#"))


def measure_peers(build, appliance, options, figures):
    """p11-kit server and ssh-agent on the same token, with 64 clients, in turn with ours."""
    environment = appliance.raw_environment()
    request = appliance.folder / "single.json"
    for _ in range(options.rounds):
        ours = run([build / "bin/bench_load", "http", appliance.socket, request, 64, options.seconds])
        if shutil.which("p11-kit"):
            served = measure_p11_kit(build, appliance, environment, options)
            if served:
                figures.add("p11-kit server p256, 64 clients /s", served["per_second"])
                figures.add("ours / p11-kit server, p256, 64 clients", ours["per_second"] / served["per_second"], "≥ 2.5 (peer rate)")
        if shutil.which("ssh-agent"):
            served = measure_ssh_agent(build, appliance, environment, options)
            if served:
                figures.add("ssh-agent p256, 64 clients /s", served["per_second"])
                figures.add("ours / ssh-agent, p256, 64 clients", ours["per_second"] / served["per_second"], "≥ 10 (peer rate)")


def measure_p11_kit(build, appliance, environment, options):
    client = next(iter(pathlib.Path("/usr/lib").glob("*/pkcs11/p11-kit-client.so")), None)
    if client is None:
        print("p11-kit's client module is absent: its figures are left out", file=sys.stderr)
        return None
    name = str(appliance.folder / "p11-kit.sock")
    server = subprocess.Popen(["p11-kit", "server", "--foreground", "--provider", softhsm(), "--name", name,
                               "pkcs11:token=test-trace"], env=environment, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while not os.path.exists(name) and time.monotonic() < deadline:
            time.sleep(0.01)
        module, *rest = appliance.raw_arguments()
        done = subprocess.run([str(a) for a in (build / "bin/bench_raw_sign", client, *rest, 64, 1, options.seconds)],
                              env={**environment, "P11_KIT_SERVER_ADDRESS": f"unix:path={name}"}, capture_output=True, text=True)
        if done.returncode != 0:
            print("p11-kit server: " + done.stderr.strip(), file=sys.stderr)
            return None
        return json.loads(done.stdout)
    finally:
        server.terminate()
        server.wait()


def measure_ssh_agent(build, appliance, environment, options):
    name = str(appliance.folder / "agent.sock")
    if os.path.exists(name):
        os.unlink(name)
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", name, "-P", "/usr/lib/*"], env=environment,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while not os.path.exists(name) and time.monotonic() < deadline:
            time.sleep(0.01)
        ask = appliance.folder / "askpass"
        ask.write_text(f"#!/bin/sh\ncat {appliance.token('trace')}/pin\n")
        ask.chmod(0o700)
        added = subprocess.run(["ssh-add", "-s", softhsm()], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                               env={**environment, "SSH_AUTH_SOCK": name, "SSH_ASKPASS": str(ask),
                                    "SSH_ASKPASS_REQUIRE": "force"})
        if added.returncode != 0:
            print("ssh-agent: " + added.stderr.strip(), file=sys.stderr)
            return None
        return run([build / "bin/bench_load", "agent", name, 64, options.seconds])
    finally:
        agent.terminate()
        agent.wait()


def measure_gate_eval(build, folder, options, figures):
    appliance = MeasuredAppliance(build, folder / "gate", "ed25519", 1)
    appliance.start()
    source = pathlib.Path(__file__).resolve().parent
    arguments = [build / "bin/countersign", "gate", "eval", "--policy", source / "policy.yaml", "--intent",
                 source / "intent.json", "--trace-out", appliance.folder / "trace.json", "--signer",
                 appliance.socket, "--json"]
    for _ in range(options.rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begin = time.monotonic()
        for _ in range(20):
            done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True)
            if done.returncode != 0:
                sys.exit("gate eval failed: " + done.stdout + done.stderr)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        figures.add("gate eval, whole process, signed: CPU ms",
                    (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000 / 20, "≤ 12")
        figures.add("gate eval, whole process, signed: wall ms", (time.monotonic() - begin) * 1000 / 20)
    appliance.stop()


def measure_gate_serve(build, folder, options, figures):
    """A gate beside the signer's own sign requests: what deciding, and one more process, costs."""
    appliance = MeasuredAppliance(build, folder / "serve", "ed25519", 1)
    source = pathlib.Path(__file__).resolve().parent
    signing, asking = appliance.folder / "sign.json", appliance.folder / "ask.json"
    signing.write_text(json.dumps(trace_request("1f8affbdf255cf2596e8b9857c07f02fa8d0300b3cf4d5bf" + "@" * 16), separators=(",", ":")))
    intent = json.loads((source / "intent.json").read_text())
    intent["args"] = {**intent.get("args", {}), "n": "@" * 16}
    asking.write_text(json.dumps({"intent": intent}, separators=(",", ":")))
    appliance.start()
    gate = appliance.folder / "run" / "gate.sock"
    server = subprocess.Popen([build / "bin/countersign", "gate", "serve", "--socket", gate, "--policy", source / "policy.yaml", "--signer",
                               appliance.socket, "--workers", "16", "--requests-per-second", "65536", "--in-flight", "4096", "--json"],
                              stdout=subprocess.PIPE, text=True)
    server.stdout.readline()
    for _ in range(options.rounds):
        for connections in (1, 16):
            signed = run([build / "bin/bench_load", "http", appliance.socket, signing, connections, options.seconds])
            before = pathlib.Path(f"/proc/{server.pid}/stat").read_text().rsplit(")", 1)[1].split()
            asked = run([build / "bin/bench_load", "http", gate, asking, connections, options.seconds])
            after = pathlib.Path(f"/proc/{server.pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks = sum(int(after[i]) - int(before[i]) for i in (11, 12))
            figures.add(f"gate serve, {connections} connections /s", asked["per_second"])
            figures.add(f"gate serve, {connections} connections / the signer's own", asked["per_second"] / signed["per_second"])
            figures.add(f"gate serve, {connections} connections: p50 µs", asked["p50_us"])
            figures.add(f"gate serve, {connections} connections: p99 µs", asked["p99_us"])
            figures.add(f"gate serve, {connections} connections: CPU of the gate, µs", ticks * 1e6 / os.sysconf("SC_CLK_TCK") / asked["everything"])
    server.terminate()
    server.wait(30)
    appliance.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/bench", type=pathlib.Path)
    parser.add_argument("--seconds", default=2.0, type=float)
    parser.add_argument("--rounds", default=5, type=int)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--table", type=pathlib.Path)
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    build = options.build.resolve()
    figures = Figures()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="countersign-bench-"))
    parts = {
        "ed25519-1": lambda: measure_throughput(build, folder, options, figures, "ed25519", 1),
        "ed25519-2": lambda: measure_throughput(build, folder, options, figures, "ed25519", 2),
        "p256-1": lambda: measure_throughput(build, folder, options, figures, "p256", 1),
        "p256-2": lambda: measure_throughput(build, folder, options, figures, "p256", 2),
        "gate-eval": lambda: measure_gate_eval(build, folder, options, figures),
        "gate-serve": lambda: measure_gate_serve(build, folder, options, figures),
    }
    try:
        for name, measure in parts.items():
            if not options.only or name in options.only:
                measure()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(figures.table())
    if options.json:
        options.json.write_text(json.dumps(list(figures.rows()), indent=1) + "\n")
    if options.table:
        options.table.write_text(figures.table())


if __name__ == "__main__":
    main()
