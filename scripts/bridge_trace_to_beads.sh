#!/usr/bin/env bash
# The runbook's own spelling of `countersign trace triage`: bridge_trace_to_beads.sh --trace FILE [--dry-run] [--json]
# Files the item with beads (bd) unless --dry-run is given. countersign is found along PATH, or as $COUNTERSIGN.
set -euo pipefail
live=(--live)
for word in "$@"; do
  [[ "$word" != --dry-run ]] || live=()
done
exec "${COUNTERSIGN:-countersign}" trace triage "$@" "${live[@]}"
