#!/usr/bin/env python3
"""Wraps a command: shell_command.py GATE SIGNER TRUST PROGRAM -- CMD…

The command starts only after a signed allow for exactly these words, and once. Exit 3 where it was not allowed."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))
from countersign import Gate, NotAllowed  # noqa: E402

path, signer, trust, program, _, *command = sys.argv[1:]
gate = Gate(path, signer=signer, trust=trust, program=program)
try:
    done = gate.run(command, tool_name="sh.echo",
                    context={"identity": "ops-agent@company.example", "workspace": "/srv", "risk_class": "low"})
except NotAllowed as refusal:
    print(f"not run: {refusal}", file=sys.stderr)
    sys.exit(3)
sys.exit(done.returncode)
