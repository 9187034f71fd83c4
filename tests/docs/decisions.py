#!/usr/bin/env python3
"""The index of decisions lists each page once, in order and without gaps, and each page has its number and a title."""
import pathlib
import re
import sys

DECISIONS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "decisions"


def main():
    wrong = []
    index = re.findall(r"^\| (\d{4}) \| \[[^]]+\]\(([^)]+)\) \| [^|]+ \|$", (DECISIONS / "README.md").read_text(), re.MULTILINE)
    pages = sorted(page.name for page in DECISIONS.glob("*.md") if page.name != "README.md")
    if [name for _, name in index] != pages:
        wrong.append(f"README.md lists {[name for _, name in index]}, the folder has {pages}")
    for count, name in enumerate(pages, 1):
        if name[:5] != f"{count:04}-":
            wrong.append(f"{name}: the next number is {count:04}")
        heading = (DECISIONS / name).read_text().splitlines()[0]
        if not re.fullmatch(rf"# {name[:4]} \S.*", heading):
            wrong.append(f"{name}: its heading is {heading!r}, not '# {name[:4]} TITLE'")
    wrong += [f"README.md: {number} points to {name}" for number, name in index if not name.startswith(number + "-")]
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
