#!/usr/bin/env python3
"""The written workflow's own spelling of vetting:

    python3 scripts/broker/tool_vetting.py vet --source-path DIR --proposal-id ID [--output-dir DIR]
    python3 scripts/broker/tool_vetting.py report --proposal-id ID [--output-dir DIR]

Flags, answers and exit codes are those of `countersign broker vet` and `broker report`, found along PATH or as $COUNTERSIGN.
The flag --source of the workflow is --source-path here."""
import os
import sys


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in ("vet", "report"):
        print(__doc__, file=sys.stderr)
        sys.exit(6)
    words = ["--source-path" if word == "--source" else word for word in sys.argv[1:]]
    program = os.environ.get("COUNTERSIGN", "countersign")
    try:
        os.execvp(program, [program, "broker", *words])
    except OSError as failure:
        print(f"cannot run {program}: {failure.strerror}; put countersign on PATH, or name it in $COUNTERSIGN", file=sys.stderr)
        sys.exit(7)


if __name__ == "__main__":
    main()
