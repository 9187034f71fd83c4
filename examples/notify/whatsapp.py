#!/usr/bin/env python3
"""Tells one person by WhatsApp's Cloud API: whatsapp.py --phone-number-id ID --to NUMBER --token-file FILE [--template NAME]

A business may write freely only within 24 hours of a person's last message; before that WhatsApp takes an approved template alone. Give its
name with --template: it has two parameters in its body, the summary and the line that answers. In broker.yaml:
  - {name: whatsapp, command: [/opt/countersign/notify/whatsapp.py, --phone-number-id, "106540352242922", --to, "+31612345678",
                               --token-file, /etc/countersign/whatsapp.token, --template, tool_request], events: [request, reminder]}
whatsapp_replies.py takes the answers.
"""
import argparse
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import hook  # noqa: E402

LONGEST = 4096  # characters of a text message
LONGEST_PARAMETER = 900


def answer_line(data):
    reply = data.get("reply")
    return f'answer "{reply["no"]}" to reject' if reply else data.get("how_to_approve", data["notice"])


def text_message(data):
    return {"type": "text", "text": {"preview_url": False, "body": data["text"][:LONGEST]}}


def template_message(data, name, language):
    parameters = [{"type": "text", "text": text[:LONGEST_PARAMETER]} for text in (data["summary"], answer_line(data))]
    return {"type": "template",
            "template": {"name": name, "language": {"code": language}, "components": [{"type": "body", "parameters": parameters}]}}


def send(arguments, content):
    url = f"{arguments.graph}/{arguments.phone_number_id}/messages"
    body = {"messaging_product": "whatsapp", "recipient_type": "individual", "to": arguments.to, **content}
    answer = json.loads(hook.post(url, body, {"Authorization": "Bearer " + hook.secret(arguments.token_file)}))
    if not answer.get("messages"):
        raise hook.NotSent("WhatsApp did not take the message")


def flags(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--graph", default="https://graph.facebook.com/v21.0")
    parser.add_argument("--phone-number-id", required=True)
    parser.add_argument("--to", required=True, help="the person's number")
    parser.add_argument("--token-file", required=True)
    return parser


def main():
    parser = flags(__doc__.splitlines()[0])
    parser.add_argument("--template")
    parser.add_argument("--language", default="en_US")
    arguments = parser.parse_args()
    data = hook.notice()["data"]
    send(arguments, template_message(data, arguments.template, arguments.language) if arguments.template else text_message(data))


if __name__ == "__main__":
    hook.run(main)
