#!/usr/bin/env python3
"""Holds the table in docs/NAME.md, or in docs/PAGE.md, against the one the product goes by.

  pages.py PRINT_TABLE [PAGE:]NAME [--write]      --write puts the product's table into the page
"""
import difflib
import pathlib
import re
import subprocess
import sys

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"


def difference(text, name, table):
    """What the page says otherwise than the table; empty where it is true."""
    found = re.findall(rf"<!-- printed: {name} -->\n(.*?)<!-- end -->\n", text, re.DOTALL)
    if len(found) != 1:
        return f"has {len(found)} blocks `<!-- printed: {name} -->` … `<!-- end -->`, not one"
    lines = difflib.unified_diff(found[0].splitlines(), table.splitlines(), "the page", "the product", lineterm="", n=0)
    return "\n".join(lines)


def main():
    program, named, *more = sys.argv[1:]
    page_name, _, name = named.rpartition(":")
    page = DOCS / f"{page_name or name}.md"
    table = subprocess.run([program, name], capture_output=True, text=True, check=True).stdout
    text = page.read_text()
    if more == ["--write"]:
        text = re.sub(rf"(<!-- printed: {name} -->\n).*?(<!-- end -->\n)", lambda m: m[1] + table + m[2], text, flags=re.DOTALL)
        page.write_text(text)
    wrong = difference(text, name, table)
    if wrong:
        sys.exit(f"{page} {wrong}\nWhere the product is right: tests/docs/pages.py PRINT_TABLE {named} --write")

    # A row taken out, changed or added must be noticed, else the comparison above says nothing.
    last = table.splitlines()[-1] + "\n"
    for what, other in (("without its last row", ""), ("with a changed row", last.replace("|", "| not", 1)), ("with a row twice", last * 2)):
        assert difference(text.replace(last, other), name, table), f"a page {what} would pass"


if __name__ == "__main__":
    main()
