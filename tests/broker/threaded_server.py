#!/usr/bin/env python3
"""An MCP server over stdio that does several things at once, for tests: threaded_server.py FOLDER

`meet` waits until so many of it are under way together; `wait` until a file is there; `die` ends the server. Each writes down
in FOLDER/log that it began."""
import json
import os
import pathlib
import sys
import threading
import time

ROOT = pathlib.Path(sys.argv[1]).resolve()
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}, "file": {"type": "string"}}}
lock = threading.Condition()
meeting = 0
under_way = 0
most = 0


def say(message):
    with lock:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def act(name, args):
    global meeting
    with lock, (ROOT / "log").open("a") as log:
        log.write(f"{name} {json.dumps(args)}\n")
    if name == "die":
        os._exit(1)
    if name == "meet":
        with lock:
            meeting += 1
            lock.notify_all()
            lock.wait_for(lambda: meeting >= args["n"])
    while name == "wait" and not (ROOT / args["file"]).exists():
        time.sleep(0.005)  # polls a condition; the test decides when it is there
    return f"pid {os.getpid()} most {most}"


def call(message):
    global under_way, most
    with lock:
        under_way += 1
        most = max(most, under_way)
    params = message["params"]
    text = act(params["name"], params["arguments"])
    with lock:
        under_way -= 1
    say({"jsonrpc": "2.0", "id": message["id"], "result": {"content": [{"type": "text", "text": text}], "isError": False}})


def main():
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("method") == "initialize":
            say({"jsonrpc": "2.0", "id": message["id"], "result": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                                                                   "serverInfo": {"name": "threaded", "version": "1"}}})
        elif message.get("method") == "tools/list":
            tools = [{"name": name, "description": f"{name} it.", "inputSchema": SCHEMA} for name in ("die", "meet", "wait")]
            say({"jsonrpc": "2.0", "id": message["id"], "result": {"tools": tools}})
        elif message.get("method") == "tools/call":
            threading.Thread(target=call, args=(message,), daemon=True).start()
            if (ROOT / "ask").exists():  # between two answers
                say({"jsonrpc": "2.0", "id": "s1", "method": "ping"})
        elif "id" in message and "method" not in message:
            with (ROOT / "answers").open("a") as answers:
                answers.write(line)


if __name__ == "__main__":
    main()
