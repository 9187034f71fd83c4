#!/usr/bin/env python3
"""Tells a Slack channel: slack.py --url-file FILE

FILE holds the address of an incoming webhook, which is a secret. In broker.yaml:
  - {name: slack, command: [/opt/countersign/notify/slack.py, --url-file, /etc/countersign/slack.url]}
"""
import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import hook  # noqa: E402

LONGEST_BLOCK = 2900  # Slack takes 3000 characters in a section


def escaped(text):
    """Slack reads <!channel> and <https://…|words> as more than text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def message(notice):
    data = notice["data"]
    return {"text": escaped(data["summary"]), "unfurl_links": False,
            "blocks": [{"type": "section", "text": {"type": "plain_text", "emoji": False, "text": data["text"][:LONGEST_BLOCK]}}]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url-file", required=True)
    arguments = parser.parse_args()
    answer = hook.post(hook.secret(arguments.url_file), message(hook.notice()))
    if answer.strip() != "ok":
        raise hook.NotSent("Slack did not take the message")


if __name__ == "__main__":
    hook.run(main)
