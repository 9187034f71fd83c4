"""Tool calls as frameworks shape them, as intents. Unknown shapes raise ValueError: nothing is guessed."""
import json


def _openai(call):
    function = call["function"]
    arguments = function["arguments"]
    return function["name"], json.loads(arguments) if isinstance(arguments, str) else arguments


# adapter: what gives (tool name, arguments) of a call
SHAPES = {
    "mcp": lambda call: (call["name"], call.get("args", call.get("arguments", {}))),
    "openai": _openai,
    "anthropic": lambda call: (call["name"], call["input"]),
    "langchain": lambda call: (call["tool"], call["tool_input"]),
    "claude_code": lambda call: (call["tool_name"], call["tool_input"]),
}


def intent_of_call(adapter, call, *, context, targets=()):
    """The intent of one call. Only the `mcp` shape names targets itself; context is never taken from the call, since
    whoever makes the call would vouch for themselves."""
    if adapter not in SHAPES:
        raise ValueError(f"unknown adapter {adapter!r}; known: {', '.join(SHAPES)}")
    try:
        name, args = SHAPES[adapter](call)
    except (KeyError, TypeError, AttributeError, ValueError) as failure:
        raise ValueError(f"the call is not of the shape {adapter}: {failure}") from failure
    if not isinstance(name, str) or not name.strip() or not isinstance(args, dict):
        raise ValueError(f"the call is not of the shape {adapter}: it needs a name and an object of arguments")
    if adapter == "mcp" and not targets:
        targets = call.get("targets", [])
    return {"schema_id": "gait.gate.intent_request", "schema_version": "1.0.0", "tool_name": name, "args": args,
            "targets": list(targets), "context": dict(context)}
