#!/usr/bin/env python3
"""Wraps a tool of a Python program, and a call that a framework shaped: python_tool.py GATE SIGNER TRUST PROGRAM"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))
from countersign import Gate, NotAllowed, intent_of_call  # noqa: E402

path, signer, trust, program = sys.argv[1:]
gate = Gate(path, signer=signer, trust=trust, program=program)
context = {"identity": "support-agent@company.example", "workspace": "/srv", "risk_class": "low"}


@gate.guarded("kb.read", context=context)
def read(article):
    return f"article {article}"


print(read("password reset"))

# What a model asked for, in the shape of its framework; the context is ours.
asked = {"type": "tool_use", "name": "db.drop_table", "input": {"table": "users"}}
try:
    gate.call(print, "dropped", intent=intent_of_call("anthropic", asked, context=context))
except NotAllowed as refusal:
    print(f"not run: {refusal.code}")
