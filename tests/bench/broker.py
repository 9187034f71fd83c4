#!/usr/bin/env python3
"""What the broker adds to an allowed call of a tool: tests/bench/broker.py PROGRAMS [CALLS]

The same tool is called directly (its server started as the broker starts it, without sandbox), through broker.sock, and as an MCP client
calls it over HTTP (`broker mcp --listen`, one session, one connection), in turn; prints the medians in microseconds and how the broker's part divides: a trace that is signed and executed in one request,
asked of the signer alone. Then the CPU of broker and signer a call, of a row of calls through the broker. TMPDIR says on which disk: on /dev/shm syncs cost nothing."""
import concurrent.futures
import http.client
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from appliance import Appliance, trace_request  # noqa: E402
from broker import FILE_SERVER, Broker  # noqa: E402


class Direct:
    def __init__(self, files):
        self.process = subprocess.Popen([sys.executable, str(FILE_SERVER), str(files)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.ask("initialize", {"protocolVersion": "2025-06-18"})

    def ask(self, method, params):
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode() + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


class OverHttp:
    def __init__(self, broker, secret):
        self.process = subprocess.Popen([str(broker.appliance.bin / "countersign"), "broker", "mcp", "--listen", "127.0.0.1:0", "--json", "--broker", str(broker.socket)],
                                        stdout=subprocess.PIPE, text=True)
        host, port = json.loads(self.process.stdout.readline())["listening"].rsplit(":", 1)
        self.connection = http.client.HTTPConnection(host, int(port))
        self.headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        self.headers["Mcp-Session-Id"] = self.ask("initialize", {"protocolVersion": "2025-11-25"})[0]["Mcp-Session-Id"]

    def ask(self, method, params):
        self.connection.request("POST", "/mcp", json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}), self.headers)
        answer = self.connection.getresponse()
        return answer.headers, json.loads(answer.read())


def cpu_of(pid):
    """Seconds, from the scheduler's own nanoseconds."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()) / 1e9


def rate(broker, connections, calls):
    """Calls a second of several agents at once."""
    def lane():
        connection = broker.connection()
        for _ in range(calls):
            assert "result" in connection.call("POST", "/v1/call", {"tool_id": "fs:list", "args": {}})

    with concurrent.futures.ThreadPoolExecutor(connections) as lanes:
        begin = time.perf_counter()
        for done in [lanes.submit(lane) for _ in range(connections)]:
            done.result()
        return connections * calls / (time.perf_counter() - begin)


def timed(act):
    begin = time.perf_counter()
    act()
    return (time.perf_counter() - begin) * 1e6


def main():
    calls = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    with tempfile.TemporaryDirectory(prefix="countersign-bench-broker-") as folder:
        appliance = Appliance(sys.argv[1], pathlib.Path(folder) / "appliance").init()
        appliance.start()
        secret = "made-up-secret-of-the-bench"  # test-only
        (appliance.folder / "secret").write_text(secret)
        (appliance.folder / "secret").chmod(0o400)
        broker = Broker(appliance, lists='allow: ["fs:list"]', more="limits: {calls_per_minute: 1000000}",
                        agents='  remote: {secret: secret, allow: ["fs:list"]}').start()
        direct = Direct(broker.files)
        over_http = OverHttp(broker, secret)
        connection, signer = broker.connection(), appliance.signer()

        def through():
            answer = connection.call("POST", "/v1/call", {"tool_id": "fs:list", "args": {}})
            assert "result" in answer, answer

        def mcp():
            answer = over_http.ask("tools/call", {"name": "fs__list", "arguments": {}})[1]
            assert not answer["result"]["isError"], answer

        def signed():
            assert signer.sign({**trace_request(os.urandom(32).hex()), "execute": True})["executed"]

        figures = {"direct": [], "through the broker": [], "over HTTP": [], "signed and executed by the signer": []}
        for number in range(calls + 20):
            row = (timed(lambda: direct.ask("tools/call", {"name": "list", "arguments": {}})), timed(through), timed(mcp), timed(signed))
            if number >= 20:  # warm
                for values, value in zip(figures.values(), row):
                    values.append(value)
        spent = cpu_of(broker.process.pid), appliance.cpu()
        for _ in range(calls):
            through()
        spent = cpu_of(broker.process.pid) - spent[0], appliance.cpu() - spent[1]
        rates = {connections: rate(broker, connections, calls // connections) for connections in (1, 8)}
        direct.process.kill()
        over_http.process.terminate()
        over_http.process.wait()
        broker.stop()
        appliance.stop()
    medians = {name: statistics.median(values) for name, values in figures.items()}
    for name, value in medians.items():
        print(f"{name}: p50 {value:.0f} µs, p99 {sorted(figures[name])[int(calls * 0.99)]:.0f} µs")
    print(f"added by the broker: p50 {medians['through the broker'] - medians['direct']:.0f} µs (goal 1000)")
    print(f"CPU a call: broker {spent[0] / calls * 1e6:.0f} µs, signer {spent[1] / calls * 1e6:.0f} µs")
    print("calls a second: " + ", ".join(f"{value:.0f} on {connections} connections" for connections, value in rates.items()))
    print(f"added to that by MCP over HTTP: p50 {medians['over HTTP'] - medians['through the broker']:.0f} µs")


if __name__ == "__main__":
    main()
