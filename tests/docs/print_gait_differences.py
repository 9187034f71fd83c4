#!/usr/bin/env python3
"""Prints tests/gait/differences.json as docs/gait-differences.md shows it. Fails where an entry is shown by nothing, or
by a test that the tree does not have."""
import json
import pathlib
import re
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]


def known_tests():
    names = {f"scenario.{path.stem}" for path in (TESTS / "scenarios").glob("*.scenario")}
    for path in TESTS.rglob("*.cc"):
        names |= {f"{a}.{b}" for a, b in re.findall(r"\bTEST(?:_F)?\((\w+), (\w+)\)", path.read_text(errors="replace"))}
    for path in TESTS.rglob("CMakeLists.txt"):
        names |= set(re.findall(r"add_test\(NAME ([\w.-]+)", path.read_text()))
    return names


def shown_by(entry):
    rows = [f"`{row['case']}`" for row in entry.get("cases", []) if "case" in row]
    if any("case" not in row and not row.get("elsewhere") for row in entry.get("cases", [])):
        rows.append("every recording it occurs in")
    return ", ".join(dict.fromkeys(rows + [f"`{test}`" for test in entry.get("tests", [])]))


def main():
    entries = json.loads((TESTS / "gait" / "differences.json").read_text())["differences"]
    known = known_tests()
    wrong = [f"{e['id']}: there is no test {t}" for e in entries for t in e.get("tests", []) if t not in known]
    wrong += [f"{e['id']}: nothing shows it" for e in entries if not e.get("cases") and not e.get("tests")]
    if wrong:
        sys.exit("\n".join(wrong))
    for entry in entries:
        print(f"### {entry['id']}\n\n- **gait:** {entry['gait']}\n- **ours:** {entry['ours']}\n- **why:** {entry['why']}\n")
    print("| difference | reference | gait's behaviour with | shown by |\n|---|---|---|---|")
    for entry in entries:
        flag = f"`{entry['flag']}`" if entry.get("flag") else "—"
        section = f"§{entry['item']}" if entry["item"] else "—"
        print(f"| {entry['id']} | {section} | {flag} | {shown_by(entry)} |")


if __name__ == "__main__":
    main()
