#!/usr/bin/env python3
"""Tells the phones that follow an ntfy topic: ntfy.py --server URL --topic-file FILE [--token-file FILE]

Who knows the topic's name reads it, so it stands in a file. In broker.yaml:
  - {name: ntfy, command: [/opt/countersign/notify/ntfy.py, --server, "https://ntfy.company", --topic-file, /etc/countersign/ntfy.topic]}
"""
import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import hook  # noqa: E402

PRIORITY = {"request": 4, "reminder": 4, "proposal": 3, "quarantine": 5, "override": 5}  # else 3, ntfy's default
LONGEST = 4000  # ntfy makes an attachment of more than 4096 bytes


def message(notice, topic):
    data = notice["data"]
    text = data["text"].encode()[:LONGEST].decode("utf-8", "ignore")
    return {"topic": topic, "title": data["summary"], "message": text, "priority": PRIORITY.get(data["notice"], 3), "markdown": False}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", default="https://ntfy.sh")
    parser.add_argument("--topic-file", required=True)
    parser.add_argument("--token-file")
    arguments = parser.parse_args()
    headers = {"Authorization": "Bearer " + hook.secret(arguments.token_file)} if arguments.token_file else {}
    hook.post(arguments.server, message(hook.notice(), hook.secret(arguments.topic_file)), headers)


if __name__ == "__main__":
    hook.run(main)
