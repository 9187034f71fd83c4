#!/usr/bin/env python3
"""Four commands for an agent's skill: search, describe, call and load, one JSON object on standard output each.

    skill.py search '{"query": "write"}'          skill.py describe '{"tool_id": "fs:write"}'
    skill.py call '{"tool_id": "fs:write", "args": {"path": "a.txt"}}'      skill.py load '{"tool_ids": ["fs:read", "fs:write"]}'

Exit 0: answered (an answer may be {"error": "approval_required", …}); 1: the broker refused or is away; 6: a wrong call."""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python"))
from countersign.broker import Broker, BrokerError  # noqa: E402


def main():
    broker = Broker()
    commands = {
        "search": lambda query, max_results=10: broker.search_tools(query, max_results),
        "describe": lambda tool_id: broker.describe_tool(tool_id),
        "call": lambda tool_id, args=None: broker.call_tool(tool_id, args or {}),
        "load": lambda tool_ids: broker.load_tools(tool_ids),
    }
    try:
        command, members = commands[sys.argv[1]], json.loads(sys.argv[2])
        print(json.dumps(command(**members)))
    except BrokerError as refused:
        print(json.dumps({"error": refused.code, "message": str(refused)}))
        sys.exit(1)
    except (IndexError, KeyError, TypeError, ValueError):
        print(__doc__, file=sys.stderr)
        sys.exit(6)


if __name__ == "__main__":
    main()
