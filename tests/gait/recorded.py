"""Recorded cases of the real gait: read from a folder of them, or from the packed copy in tests/vectors.

A case is a dictionary: name, group, note, steps [{argv, exit, json, label?, env?}] and files {path: bytes}, the folder
as it was after the last step. `keys` are the files of `_keys/`, which stands beside each case's folder.
"""
import base64
import hashlib
import json
import os

# Made by the recorder, no input and no output of any step.
BOOKKEEPING = ("case.json",)


def is_bookkeeping(path):
    return path in BOOKKEEPING or path.startswith("stdout_") or path.endswith(".parsed.json")


def tree(folder):
    """Every regular file below `folder`: {relative path: bytes}."""
    files = {}
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    files[os.path.relpath(path, folder)] = file.read()
    return files


def from_folder(folder):
    """(cases, keys) of a folder with one folder a case."""
    cases = []
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name, "case.json")
        if not os.path.exists(path):
            continue
        with open(path, encoding="utf-8") as file:
            case = json.load(file)
        steps = []
        for step in case["steps"]:
            kept = {"argv": step["argv"], "exit": step["expected_exit"], "json": step.get("json")}
            kept.update({member: step[member] for member in ("label", "env") if step.get(member)})
            steps.append(kept)
        files = {p: b for p, b in tree(os.path.join(folder, name)).items() if not is_bookkeeping(p)}
        cases.append({"name": case["name"], "group": case["group"], "note": case.get("note", ""), "steps": steps,
                      "files": files})
    return cases, tree(os.path.join(folder, "_keys"))


def _text(data):
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def _data(text):
    return text.encode("utf-8") if isinstance(text, str) else base64.b64decode(text["base64"])


def pack(cases, keys):
    """The document of tests/vectors/gait_commands.json: each text once, named by its digest."""
    texts = {}

    def stored(data):
        name = hashlib.sha256(data).hexdigest()[:16]
        texts[name] = _text(data)
        return name

    packed = [{**case, "files": {path: stored(data) for path, data in case["files"].items()}} for case in cases]
    return {
        "comment": "Every recorded command of the real gait with its answer, and the files of each case as they were "
                   "after its last step. Keys are test-only.",
        "source": "gait v1.4.0 + 1; packed by tests/gait/pack.py, read by tests/gait/recorded.py",
        "keys": {path: stored(data) for path, data in keys.items()},
        "texts": texts,
        "cases": packed,
    }


def from_pack(path):
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    texts = {name: _data(text) for name, text in document["texts"].items()}
    for case in document["cases"]:
        case["files"] = {path: texts[name] for path, name in case["files"].items()}
    return document["cases"], {path: texts[name] for path, name in document["keys"].items()}
