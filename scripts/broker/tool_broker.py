#!/usr/bin/env python3
"""The written workflow's own spelling of `countersign broker`:

    python3 scripts/broker/tool_broker.py call --tool-id fs:write --args '{"path": "a.txt"}' --agent-id web-runner
    python3 scripts/broker/tool_broker.py pending
    python3 scripts/broker/tool_broker.py approve --request-id 221cd761fb9455b2      (who approves: $COUNTERSIGN_APPROVER)

Flags, answers and exit codes are those of `countersign broker COMMAND`, found along PATH or as $COUNTERSIGN."""
import os
import sys

COMMANDS = ("search", "describe", "call", "load", "pending", "approve", "reject", "propose", "vet")


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        print(__doc__, file=sys.stderr)
        print("commands: " + ", ".join(COMMANDS), file=sys.stderr)
        sys.exit(6)
    program = os.environ.get("COUNTERSIGN", "countersign")
    try:
        os.execvp(program, [program, "broker", *sys.argv[1:], "--json"])
    except OSError as failure:
        print(f"cannot run {program}: {failure.strerror}; put countersign on PATH, or name it in $COUNTERSIGN", file=sys.stderr)
        sys.exit(7)


if __name__ == "__main__":
    main()
