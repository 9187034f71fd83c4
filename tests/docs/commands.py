#!/usr/bin/env python3
"""Each command that docs/PAGE.md shows in a ```sh block is run by a scenario, word for word.

  commands.py PAGE SCENARIO [COMMAND…]      COMMANDs are shown and not run: they need root, or another machine
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main():
    page, scenario, *shown_only = sys.argv[1:]
    text = (ROOT / "docs" / f"{page}.md").read_text()
    shown = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines() if line]
    run = {line.removeprefix("$ ") for line in (ROOT / "tests/scenarios" / f"{scenario}.scenario").read_text().splitlines()}
    missing = [line for line in shown if line not in run and not line.startswith(tuple(shown_only) or ("\0",))]
    if missing or not shown:
        sys.exit(f"docs/{page}.md shows what {scenario}.scenario does not run:\n" + "\n".join(missing))


if __name__ == "__main__":
    main()
