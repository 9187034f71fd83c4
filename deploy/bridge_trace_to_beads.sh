#!/usr/bin/env bash
# Files a decision as an issue of beads (bd): what was decided, why, and under which policy.
#
#   bridge_trace_to_beads.sh --trace FILE [--dry-run] [--json]
#
# --dry-run writes nothing and shows the issue. The trace is not verified here: do that first (countersign trace verify).
# Exit codes: 0 done, 6 wrong usage or no trace, 7 jq or bd is missing.
set -euo pipefail

fail() { echo "bridge_trace_to_beads: $2" >&2; exit "$1"; }

trace="" mode=live json=false
while (($#)); do
  case $1 in
    --trace) trace=${2:-}; shift 2 || fail 6 "--trace needs a file" ;;
    --trace=*) trace=${1#--trace=}; shift ;;
    --dry-run) mode=dry_run; shift ;;
    --json) json=true; shift ;;
    -h | --help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) fail 6 "unknown option $1" ;;
  esac
done
[[ -n $trace ]] || fail 6 "--trace FILE is required"
[[ -f $trace ]] || fail 6 "there is no trace $trace"
command -v jq >/dev/null || fail 7 "jq is not installed"
path=$(realpath -- "$trace")
[[ $(jq -r '.schema_id? // ""' "$path" 2>/dev/null) == gait.gate.trace ]] || fail 6 "$trace is no trace"

# The signer's traces carry reason codes under `countersign`; gait's have none.
issue=$(jq --arg path "$path" --arg mode "$mode" '
  (.countersign.reason_codes? // []) as $reasons | (.violations // []) as $violations
  | def list: if length == 0 then "none" else join(", ") end;
  {ok: true, mode: $mode, trace_path: $path, trace_id, verdict, tool_name, policy_digest, intent_digest,
   violations: $violations, reason_codes: $reasons,
   title: "Gait \(.verdict): \(.tool_name) (\(.trace_id))",
   description: ("Gait trace bridge report\n\nTrace Path: \($path)\nTrace ID: \(.trace_id)\nVerdict: \(.verdict)\n"
     + "Tool Name: \(.tool_name)\nPolicy Digest: \(.policy_digest)\nIntent Digest: \(.intent_digest)\n"
     + "Violations: \($violations | list)\nReason Codes: \($reasons | list)\n\nFollow-up:\n"
     + "- if blocked unexpectedly, validate policy match and reason codes\n"
     + "- if expected block, convert incident to regression fixture\n")}' "$path")

if [[ $mode == live ]]; then
  command -v bd >/dev/null || fail 7 "bd is not installed; --dry-run shows the issue"
  bd create "$(jq -r .title <<<"$issue")" --description "$(jq -r .description <<<"$issue")" >&2
fi
if $json; then echo "$issue"; else jq -r '.title, "", .description' <<<"$issue"; fi
