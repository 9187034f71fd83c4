#!/usr/bin/env python3
"""The shapes of calls, and what is no such call."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python"))
from countersign import intent_of_call  # noqa: E402

CONTEXT = {"identity": "agent@team.example", "workspace": "/srv", "risk_class": "low"}
ARGS = {"path": "/tmp/a"}
GOOD = {
    "mcp": {"name": "db.save", "args": ARGS, "context": {"identity": "somebody else"}},
    "openai": {"type": "function", "function": {"name": "db.save", "arguments": '{"path": "/tmp/a"}'}},
    "anthropic": {"type": "tool_use", "name": "db.save", "input": ARGS},
    "langchain": {"tool": "db.save", "tool_input": ARGS},
    "claude_code": {"tool_name": "db.save", "tool_input": ARGS},
}
BAD = [("mcp", {}), ("mcp", {"name": "", "args": {}}), ("mcp", {"name": "x", "args": []}), ("openai", {"function": {"name": "x"}}),
       ("openai", {"function": {"name": "x", "arguments": "{"}}), ("openai", {"function": {"name": "x", "arguments": "[]"}}),
       ("anthropic", {"name": "x"}), ("langchain", {"tool": 7, "tool_input": {}}), ("claude_code", None), ("other", {})]


class Calls(unittest.TestCase):
    def test_every_shape_gives_the_same_intent(self):
        intents = [intent_of_call(adapter, call, context=CONTEXT) for adapter, call in GOOD.items()]
        for intent in intents:
            self.assertEqual(intent, intents[0])
        self.assertEqual(intents[0]["args"], ARGS)

    def test_the_caller_does_not_vouch_for_itself(self):
        self.assertEqual(intent_of_call("mcp", GOOD["mcp"], context=CONTEXT)["context"], CONTEXT)

    def test_anything_else_is_refused(self):
        for adapter, call in BAD:
            with self.subTest(adapter=adapter, call=call), self.assertRaises(ValueError):
                intent_of_call(adapter, call, context=CONTEXT)


if __name__ == "__main__":
    unittest.main()
