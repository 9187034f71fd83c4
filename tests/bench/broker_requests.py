#!/usr/bin/env python3
"""What a long history costs the broker: tests/bench/broker_requests.py PROGRAMS [COUNT]

A broker.db gets COUNT (100000) requests that were used and as many records, copies of real ones; prints how long what agents and people ask takes with and without
them, in milliseconds (medians), and what it costs to hand all of it out, in seconds of processor of the broker and of the command."""
import hashlib
import json
import os
import pathlib
import resource
import sqlite3
import subprocess
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from appliance import Appliance  # noqa: E402
from broker import Broker  # noqa: E402

ROUNDS = 15


def median(act, rounds=ROUNDS):
    times = []
    for number in range(rounds):
        begin = time.perf_counter()
        act(number)
        times.append((time.perf_counter() - begin) * 1e3)
    return statistics.median(times)


def figures(broker, name):
    connection = broker.connection()

    def opened(number):
        return connection.call("POST", "/v1/call", {"tool_id": "fs:write", "agent_id": "web", "args": {"path": name, "text": str(number)}})["request_id"]

    def look(_):
        connection.call("GET", f"/v1/requests/{waiting}")

    out = {"a call that asks": median(opened)}
    waiting = opened(-1)
    out["what waits"] = median(lambda _: connection.call("GET", "/v1/pending"))
    out["one that waits, with what changed"] = median(look)
    out["what ended"] = median(lambda _: connection.call("GET", "/v1/ended"))
    out["emergencies"] = median(lambda _: connection.call("GET", "/v1/break-glass"))
    out["an allowed call"] = median(lambda _: connection.call("POST", "/v1/call", {"tool_id": "fs:list", "agent_id": "web", "args": {}}))
    return out


def processor(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cost(broker, *words):
    def used():
        own = resource.getrusage(resource.RUSAGE_CHILDREN)
        return processor(broker.process.pid), own.ru_utime + own.ru_stime
    before = used()
    subprocess.run([str(broker.appliance.bin / "countersign"), "broker", *words, "--broker", str(broker.socket)], check=True, stdout=subprocess.DEVNULL)
    return [after - then for after, then in zip(used(), before)]


def lengthen(database, count):
    """Records behind the last one, in the chain (gate/broker/broker_store.cc)."""
    index, head = database.execute("SELECT idx, hash FROM audit ORDER BY idx DESC LIMIT 1").fetchone()
    record = json.loads(database.execute("SELECT body FROM audit WHERE json_extract(body, '$.event') = 'call' LIMIT 1").fetchone()[0])
    rows = []
    for _ in range(count):
        index += 1
        record["index"] = index
        body = json.dumps(record, sort_keys=True, separators=(",", ":"))
        head = hashlib.sha256(b"countersign-broker-audit\n" + head + body.encode()).digest()
        rows.append((index, body, head))
    database.executemany("INSERT INTO audit(idx, body, hash) VALUES (?, ?, ?)", rows)


def main():
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 100000
    with tempfile.TemporaryDirectory(prefix="countersign-bench-requests-") as folder:
        appliance = Appliance(sys.argv[1], pathlib.Path(folder) / "appliance", approvers=("alice",)).init()
        appliance.start()
        broker = Broker(appliance, lists='allow: ["fs:list"]', more="limits: {calls_per_minute: 1000000, pending_per_agent: 100000}\n"
                                                                     "approvals: {default: once}").start()
        call = {"path": "a.txt", "text": "x"}
        request = broker.call("fs:write", call)[1]["request_id"]
        assert broker.approve(request, "alice")[0] == 0
        assert broker.call("fs:write", call)[0] == 0
        without = figures(broker, "without")
        broker.stop()
        database = sqlite3.connect(appliance.folder / "broker-state" / "broker.db")
        with database:
            agent, tool, at, document = database.execute("SELECT agent, tool, at, document FROM requests WHERE id = ?", (request,)).fetchone()
            known = json.loads(document)
            rows = []
            for _ in range(count):
                known["id"], known["args_digest"] = os.urandom(8).hex(), os.urandom(32).hex()
                rows.append((known["id"], agent, tool, known["args_digest"], "used", at, json.dumps(known, separators=(",", ":"))))
            lengthen(database, count)
            database.executemany("INSERT INTO requests(id, agent, tool, args_digest, status, at, document) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        database.close()
        begin = time.perf_counter()
        broker.start()
        start = time.perf_counter() - begin
        beside = figures(broker, "beside")
        costs = {" ".join(words): cost(broker, *words) for words in (("audit",), ("audit", "--format", "csv"), ("audit", "--verify"), ("export", "--output-dir", folder))}
        broker.stop()
        appliance.stop()
    for name, value in without.items():
        print(f"{name}: {value:.1f} ms, {beside[name]:.1f} ms beside {count} requests")
    print(f"start: {start:.2f} s")
    for name, (of_broker, of_command) in costs.items():
        print(f"broker {name.removesuffix(folder)}: {of_broker:.1f} s of the broker and {of_command:.1f} s of the command")


if __name__ == "__main__":
    main()
