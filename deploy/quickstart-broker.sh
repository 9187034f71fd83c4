# The broker's part of deploy/quickstart.sh --broker; sourced by it. Tool servers of the demonstration are those of the tests.

readonly broker_state="$var/broker"
export COUNTERSIGN_BROKER="$var/run/broker.sock"

stop_broker() {
  local pid
  pid="$(running broker)"
  [[ -n "$pid" ]] || return 0
  kill -TERM "$pid"
  timeout 20 tail --pid="$pid" -s 0.1 -f /dev/null || die "the broker ($pid) did not stop within 20 s; see $var/broker.log"
  rm -f "$var/run/broker.pid"
  echo "the broker has stopped"
}

start_broker() {
  grep -q 'tool:broker.admit_server' "$var/countersign.yaml" || die "this appliance was made by an earlier version: deploy/quickstart.sh clean"
  stop_broker
  mkdir -p "$broker_state/files" "$broker_state/fs-server"
  cp tests/broker/file_server.py "$broker_state/fs-server/server.py"
  rm -rf "$broker_state/state" "$broker_state/files"/*
  cat >"$broker_state/broker.yaml" <<YAML
# The quickstart's broker: one user is agent and person (trial). deploy/config/broker.yaml explains every option.
state: state
socket: $COUNTERSIGN_BROKER
signer: $COUNTERSIGN_SIGNER
trial: true
agents:
  web-runner: {uid: $(id -u), allow: ["fs:list"], deny: ["fs:secrets"]}
servers:
  fs: {command: [/usr/bin/python3, fs-server/server.py, files], source: fs-server, read_write: [files]}
approvals: {default: once}
YAML
  # Paths in a command line are the server's own.
  sed -i "s|fs-server/server.py, files\]|$broker_state/fs-server/server.py, $broker_state/files]|" "$broker_state/broker.yaml"
  setsid "$bin/countersign" broker serve --config "$broker_state/broker.yaml" </dev/null >>"$var/broker.log" 2>&1 &
  local pid=$!
  echo "$pid $(start_of "$pid")" >"$var/run/broker.pid"
  disown "$pid"
  for _ in {1..100}; do
    "$bin/countersign" broker proposals --json >/dev/null 2>&1 && return
    sleep 0.1
  done
  tail -n 20 "$var/broker.log" >&2
  die "the broker does not answer"
}

readonly asked='"\(.error): request \(.request_id)"'

# Vets the five sample trees; the verdict of each is known.
vet_samples() {
  local trees="$broker_state/trees" tree verdict code
  chmod -R u+w "$trees" 2>/dev/null || true
  rm -rf "$trees" "$broker_state/vetting"
  python3 tests/vectors/vetting/materialise.py "$trees" >/dev/null
  python3 tests/vectors/vetting/make_local_osv_db.py "$broker_state/osv" >/dev/null
  # Those of the real scanners that need no data of an operator's run where they are installed; gitleaks has rules of its own.
  local gitleaks='{"enabled": false}'
  if command -v gitleaks >/dev/null; then
    printf '[extend]\nuseDefault = true\n' >"$broker_state/gitleaks.toml"
    gitleaks="$(jq -nc --arg command "$(command -v gitleaks)" '{command: $command, data: "gitleaks.toml"}')"
  fi
  echo "{\"advisories\": \"osv\", \"scanners\": {\"gitleaks\": $gitleaks}}" >"$broker_state/vetting.json"
  for tree in evil:fail:3 clean:pass:0 warn:warn:0 silenced:fail:3 padded:fail:3; do
    IFS=: read -r tree verdict code <<<"$tree"
    step "$code" "Vetting the sample server \"$tree\"" '"\(.verdict): \(.verdict_reasons | join("; "))"' \
      "$bin/countersign" broker vet --source-path "$trees/$tree-server" --proposal-id "$tree" --policy "$broker_state/vetting.json" \
      --output-dir "$broker_state/vetting" --json
    must "the verdict on $tree is another one" grep -q "\"verdict\":\"$verdict\"" "$demo/stdout"
  done
  tell_scanners "$broker_state/vetting/evil_FINDINGS.json"
}

# Which programs of others looked, which could not, and which are not there: a verdict is worth what looked.
tell_scanners() {
  local each missing=()
  echo "  scanners on \"evil\": $(jq -r '[.scanners[] | select(.outcome == "clean" or .outcome == "findings") | .scanner + (if .version == "" then "" else " (" + .version + ")" end)] | join(", ")' "$1")"
  echo "  that did not look: $(jq -r '[.scanners[] | select(.outcome == "unavailable" or .outcome == "failed") | .scanner + " (" + .error + ")"] | join(", ") | if . == "" then "none" else . end' "$1")"
  for each in gitleaks osv-scanner clamscan semgrep bandit trivy pip-audit; do
    command -v "$each" >/dev/null || missing+=("$each")
  done
  echo "  not installed here: ${missing[*]:-none}; docs/vetting.md says how a policy sets each up"
}

broker_demo() {
  demo="$var/demo"
  start_broker
  printf '\n--- tools behind approval (%s) ---\n' "${COUNTERSIGN_BROKER#"$root"/}"
  vet_samples
  local call=("$bin/countersign" broker call --json --tool-id)
  step 3 "A tool server that nobody vetted and approved does not start" '"\(.error): \(.rule)"' "${call[@]}" fs:list
  step 0 "It is proposed, and vetted at once" '"proposal \(.id): \(.vetting_status)"' \
    "$bin/countersign" broker propose --server-name fs --source-path "$broker_state/fs-server" --json
  local proposal
  proposal="$(jq -r .id "$demo/stdout")"
  step 0 "Alice admits it, with her own key" '"\(.status), vetted \(.vetting_status)"' \
    "$bin/countersign" broker approve --request-id "$proposal" --approver alice@company.example --ssh-key "$var/keys/alice" --json
  step 0 "A tool of the agent's list runs" '"\(.server) answered, trace \(.trace_id)"' "${call[@]}" fs:list
  local write=("${call[@]}" fs:write --args '{"path":"note.txt","text":"hello"}')
  step 4 "Another tool: a person is asked" "$asked" "${write[@]}"
  local request
  request="$(jq -r .request_id "$demo/stdout")"
  step 0 "What waits, as people see it" '.[] | "\(.id): \(.summary) \(.args | tojson)"' "$bin/countersign" broker pending --json
  step 0 "Alice approves this call, once, with her own key" '"\(.status), \(.mode)"' \
    "$bin/countersign" broker approve --request-id "$request" --approver alice@company.example --ssh-key "$var/keys/alice" --once --json
  step 0 "The call comes again and runs; its trace is signed" '"\(.result.content[0].text), trace \(.trace_id)"' "${write[@]}"
  jq .trace "$demo/stdout" >"$demo/broker_trace.json"
  must "the tool did not run" grep -q hello "$broker_state/files/note.txt"
  step 0 "The trace, verified" '"\(.signature_status): \(.verdict), key \(.key_id)"' \
    "$bin/countersign" trace verify "$demo/broker_trace.json" --json
  step 4 "The same call once more asks again" "$asked" "${write[@]}"
  step 4 "So does another argument" "$asked" "${call[@]}" fs:write --args '{"path":"note.txt","text":"other"}'
  step 3 "What is denied to the agent nobody can approve" '"\(.error): \(.rule)"' "${call[@]}" fs:secrets
  step 0 "Everything is in one chain" '"\(.records) records, head \(.head[0:16])"' "$bin/countersign" broker audit --verify --json
}
