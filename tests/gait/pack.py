#!/usr/bin/env python3
"""Packs a folder of recorded cases into one file: pack.py FOLDER tests/vectors/gait_commands.json"""
import json
import sys

import recorded

with open(sys.argv[2], "w", encoding="utf-8") as out:
    json.dump(recorded.pack(*recorded.from_folder(sys.argv[1])), out, ensure_ascii=False, separators=(",", ":"),
              sort_keys=True)
    out.write("\n")
