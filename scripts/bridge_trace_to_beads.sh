#!/usr/bin/env bash
# The runbook's own spelling of `countersign trace triage`: bridge_trace_to_beads.sh --trace FILE [--dry-run] [--json]
# Files the item with beads (bd) unless --dry-run is given. The program is $COUNTERSIGN, else countersign along PATH, else the
# gait that stands in its place.
set -euo pipefail
live=(--live)
for word in "$@"; do
  [[ "$word" != --dry-run ]] || live=()
done
program="${COUNTERSIGN:-$(command -v countersign || command -v gait || echo countersign)}"
exec "$program" trace triage "$@" "${live[@]}"
