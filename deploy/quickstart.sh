#!/usr/bin/env bash
# From a bare Debian 12 to the approval runbook on SoftHSM, in ./var/:
#   deploy/quickstart.sh         installs what is missing, builds, starts the appliance, runs the runbook; safe to repeat
#   deploy/quickstart.sh --broker  the same, and tools behind approval: a real tool server, vetted, admitted, called
#   deploy/quickstart.sh stop    ends the appliance
#   deploy/quickstart.sh clean   ends it and removes ./var/
# COUNTERSIGN_PRESET=dev takes the programs of another preset of CMakePresets.json; tests/run.sh tests this script with what it has built.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 077

readonly root="$PWD"
readonly var="$root/var"
readonly preset="${COUNTERSIGN_PRESET:-release}"
readonly build="$root/build/$preset"
readonly bin="$build/bin"
readonly policy=deploy/examples/production-change.policy.yaml
readonly intent=deploy/examples/production-change.intent.json
export COUNTERSIGN_SIGNER="$var/run/sign.sock"
# A variable of the caller must not decide who approves.
unset COUNTERSIGN_APPROVER_KEY SSH_AUTH_SOCK

die() {
  echo "quickstart: $*" >&2
  exit 1
}

# --- the appliance -------------------------------------------------------------------------------------------------

# When a process started, in clock ticks since boot; readable also of processes that forbid to be looked into.
start_of() {
  sed -E 's/^.*\) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20
}

# The pid of our running supervisor, or of the process of another pid file, empty where there is none. A pid alone proves
# nothing: it is used again.
running() {
  local pid start
  read -r pid start 2>/dev/null <"$var/run/${1:-countersignd}.pid" || return 0
  [[ -n "$start" && "$(start_of "$pid")" == "$start" ]] && echo "$pid"
  return 0
}

stop() {
  local pid
  pid="$(running)"
  if [[ -z "$pid" ]]; then
    echo "the appliance is not running"
    return
  fi
  kill -TERM "$pid"
  # tail ends when the process does; it looks ten times a second.
  timeout 20 tail --pid="$pid" -s 0.1 -f /dev/null || die "countersignd ($pid) did not stop within 20 s; see $var/countersignd.log"
  rm -f "$var/run/countersignd.pid"
  echo "the appliance has stopped"
}

prepare() {
  [[ -e "$var/.ready" ]] && return
  echo "making tokens, keys and configuration in $var"
  mkdir -p "$var"/{run,keys,demo}
  local person
  for person in alice bob gate; do
    [[ -e "$var/keys/$person.pub" ]] ||
      ssh-keygen -q -t ed25519 -N '' -C "$person (test-only, quickstart)" -f "$var/keys/$person"
  done
  local module=/usr/lib/softhsm/libsofthsm2.so
  [[ -e "$module" ]] || module="$(dpkg -L libsofthsm2 | grep '/libsofthsm2\.so$' | head -n 1)"
  cat >"$var/roster.yaml" <<ROSTER
verifiers:
  - {name: gate, roles: [trace], ssh_key: "$(cat "$var/keys/gate.pub")"}
closed: [trace]
ROSTER
  local digest
  # Blocked (exit 3) without its context, but the digest is there.
  digest="$("$bin/countersign" gate eval --policy "$policy" --intent "$intent" --check --json 2>/dev/null | jq -r .policy_digest || true)"
  [[ "$digest" =~ ^[0-9a-f]{64}$ ]] || die "the shipped policy could not be evaluated"
  sed -e "s|@MODULE@|$module|; s|@UID@|$(id -u)|; s|@POLICY_DIGEST@|$digest|" deploy/quickstart.yaml.in >"$var/countersign.yaml"
  # Tokens, PINs, keys and ledger; what an interrupted run left unfinished it goes on with.
  "$bin/countersignd" init --config "$var/countersign.yaml" >"$var/init.log" 2>&1 || {
    cat "$var/init.log" >&2
    die "countersignd init failed"
  }
  touch "$var/.ready"
}

start() {
  local pid
  pid="$(running)"
  if [[ -n "$pid" && -n "$(find "$bin" -name 'countersign*' -newer "$var/run/countersignd.pid")" ]]; then
    echo "the programs were built anew: starting the appliance again"
    stop
    pid=""
  fi
  if [[ -z "$pid" ]]; then
    (
      # Detached: its own session, and none of our caller's descriptors.
      for descriptor in "/proc/$BASHPID/fd"/*; do
        descriptor="${descriptor##*/}"
        [[ "$descriptor" -gt 2 ]] && eval "exec $descriptor>&-"
      done
      exec setsid "$bin/countersignd" --config "$var/countersign.yaml" </dev/null >>"$var/countersignd.log" 2>&1
    ) &
    pid=$!
    echo "$pid $(start_of "$pid")" >"$var/run/countersignd.pid"
    disown "$pid"
  fi
  "$bin/countersign" status --wait 15s >/dev/null || {
    tail -n 20 "$var/countersignd.log" >&2
    die "the appliance is not ready"
  }
  echo "the appliance runs (pid $pid), listening at $COUNTERSIGN_SIGNER"
}

# --- the runbook ---------------------------------------------------------------------------------------------------

# A command as somebody in this folder would type it.
typed() {
  local word
  for word in "$@"; do
    word="${word#"$bin"/}"
    word="${word#"$root"/}"
    [[ "$word" =~ ^[A-Za-z0-9_./:,@=+-]+$ ]] || word="'$word'"
    printf ' %s' "$word"
  done
}

steps=0
# step EXPECTED_EXIT WHAT FILTER COMMAND…: prints the command and, by the jq filter, what it answered; ends the quickstart
# where it exits otherwise.
step() {
  local expected="$1" what="$2" filter="$3" code=0
  shift 3
  steps=$((steps + 1))
  printf '\n%d. %s\n   $%s\n' "$steps" "$what" "$(typed "$@")"
  "$@" >"$demo/stdout" 2>"$demo/stderr" || code=$?
  if [[ "$code" -ne "$expected" ]]; then
    # What it answered instead has members of its own.
    cat "$demo/stdout" "$demo/stderr" >&2
    die "step $steps exited with $code instead of $expected"
  fi
  if [[ -n "$filter" ]]; then
    jq -r "$filter" "$demo/stdout" | sed 's/^/   /'
  else
    sed 's/^/   /' "$demo/stdout"
    [[ "$code" -eq 0 ]] || sed 's/^/   /' "$demo/stderr"
  fi
  printf '   exit %d\n' "$code"
}

must() {
  local what="$1"
  shift
  "$@" || die "$what"
}

readonly decision='"verdict \(.verdict): \(.reason_codes | join(", "))"'
readonly minted='"token \(.token_id), until \(.expires_at)"'
readonly refusal='"\(.error_detail.code // .error.code): \(.error_detail.message // .error.message)"'

# Sets `approve` to the command with which PERSON, with the key of KEY, approves SCOPES.
approve_as() {
  approve=("$bin/countersign" approve --intent-digest "$intent_digest" --policy-digest "$policy_digest" --ttl 15m --scope "$3"
    --approver "$1@company.example" --reason-code CHG-2041 --ssh-key "$var/keys/$2" --out "$demo/token_$1.json" --json)
}

runbook() {
  demo="$var/demo"
  local out="$demo/gait-out"
  rm -rf "$out" "$demo/tenants" "$demo"/token_*.json
  mkdir -p "$demo/tenants/tenant-4711"
  echo "customer data" >"$demo/tenants/tenant-4711/data"
  # What the agent read, just now: the shipped envelope with the times of this run.
  jq --arg now "$(date -u +%Y-%m-%dT%H:%M:%SZ)" '.created_at = $now | .records[].retrieved_at = $now' \
    deploy/examples/production-change.context.json >"$demo/context.json"

  # A run of its own, so that its evidence is told apart from earlier ones'.
  local run_id
  run_id="run_$(date -u +%Y%m%dT%H%M%S)_$$"
  jq --arg run "$run_id" '.context.run_id = $run' deploy/examples/production-change.intent.json >"$demo/intent.json"

  local evaluate=("$bin/countersign" gate eval --policy "$policy" --intent "$demo/intent.json" --trace-out "$out/trace.json"
    --approval-audit-out "$out/approval_audit.json" --json)
  local with_context=("${evaluate[@]}" --context-envelope "$demo/context.json")

  step 3 "An agent wants to retire a tenant. Without evidence of its context: blocked" "$decision" "${evaluate[@]}"
  must "the context reasons are missing" grep -q context_evidence_missing "$demo/stdout"

  step 4 "With its context: two people have to approve" "$decision" "${with_context[@]}"
  intent_digest="$(jq -r .intent_digest "$demo/stdout")"
  policy_digest="$(jq -r .policy_digest "$demo/stdout")"
  must "the approve line is missing" grep -q "countersign approve --intent-digest $intent_digest" "$demo/stderr"

  local scopes="tenant.retire,phase:apply,destructive:apply"
  approve_as alice bob "$scopes"
  step 3 "Somebody claims to be alice, with bob's key: refused, and the security owner is told" "$refusal" "${approve[@]}"
  approve_as alice alice "*"
  step 3 "A wildcard instead of a tool: refused, and the security owner is told" "$refusal" "${approve[@]}"

  approve_as alice alice "$scopes"
  step 0 "Alice approves" "$minted" "${approve[@]}"
  step 4 "One approval is not enough; nothing is redeemed" "$decision" "${with_context[@]}" --approval-token "$demo/token_alice.json"

  approve_as bob bob "$scopes"
  step 0 "Bob approves" "$minted" "${approve[@]}"
  local both=(--approval-token "$demo/token_alice.json" --approval-token-chain "$demo/token_bob.json")
  step 0 "Both approvals: allowed, and both are redeemed with the decision" "$decision" "${with_context[@]}" "${both[@]}"
  cp "$out/trace.json" "$demo/allow.json"

  local run=("$bin/countersign" run --trace "$demo/allow.json" --intent "$demo/intent.json" --policy-digest "$policy_digest" -- deploy/examples/retire-tenant.sh tenant-4711)
  step 3 "Another command line than the approved one: nothing runs" "" \
    "$bin/countersign" run --trace "$demo/allow.json" --intent "$demo/intent.json" -- deploy/examples/retire-tenant.sh tenant-4712
  step 0 "The approved command runs" "" "${run[@]}"
  must "the tenant is still there" test ! -e "$demo/tenants/tenant-4711"
  step 3 "The same permit again: nothing runs" "" "${run[@]}"
  step 4 "The same approvals again: each was redeemed once" "$decision" "${with_context[@]}" "${both[@]}"
  must "the consumed approvals are not named" grep -q approval_token_consumed "$demo/stdout"

  step 0 "The trace of the allow, verified by countersign" '"\(.signature_status): \(.verdict), key \(.key_id)"' \
    "$bin/countersign" trace verify "$demo/allow.json" --json
  local kid
  kid="$("$bin/countersign" keys list --role trace --json | jq -r '.keys[] | select(.state == "active") | .kid')"
  step 0 "The same by jq and openssl alone, with the published key" "" by_hand "$demo/allow.json" "$var/published/trace/$kid.pem"

  rotation "$demo/allow.json"
  evidence_pack "$run_id"
  notified
}

# Everything about the run in one archive that a stranger verifies with the pinned root alone.
evidence_pack() {
  local run_id="$1" pack="$demo/evidence_pack.zip"
  grep -q "^log:" "$var/countersign.yaml" || {
    printf '\nThis appliance was made by an earlier version; after "deploy/quickstart.sh clean" the run is packed, too.\n'
    return
  }
  step 0 "An incident: everything about this run from the ledger, with proofs from the log" \
    '"pack \(.pack_id), \(.log_proofs) log proofs"' "$bin/countersign" guard pack --run "$run_id" --case-id INC-1 \
    --template incident_response --policy "$policy" --published "$var/published" --out "$pack" --json
  step 0 "A stranger verifies it, with the pack and the root alone" \
    '"\(.signature_status): \(.documents_verified) documents, \(.documents_logged) of them proven in the log"' \
    env -i "$bin/countersign" guard verify "$pack" --root "$var/published/1.root.json" --profile strict --json
  printf '\nTo read: unzip -p %s report.txt   (report.html, too)\n' "${pack#"$root"/}"
}

# A rotation of the trace key with overlap: its one verifier acknowledges the new key, so nothing waits. Once.
rotation() {
  local before="$1" trust="$var/trust" published="$var/published" keys new
  [[ -e "$var/roster.yaml" ]] || {
    printf '\nThis appliance was made by an earlier version; after "deploy/quickstart.sh clean" a key is rotated, too.\n'
    return
  }
  keys="$("$bin/countersign" keys list --role trace --json)"
  new="$(jq -r '[.keys[] | select(.state == "staged" or .state == "standby")][0].kid // empty' <<<"$keys")"
  if [[ -z "$new" && "$(jq '.keys | length' <<<"$keys")" -gt 1 ]]; then
    printf '\nThe trace key was rotated on an earlier run.\n'
    return
  fi
  if [[ -z "$new" ]]; then
    step 0 "A successor of the trace key is made and published; it signs nothing yet" '"staged \(.staged[0].kid)"' \
      "$bin/countersignd" stage trace --config "$var/countersign.yaml" --json
    new="$(jq -r '.staged[0].kid' "$demo/stdout")"
    step 3 "It may not sign while a verifier could lack it" "$refusal" "$bin/countersign" keys activate "$new" --json
  fi
  step 0 "The verifier fetches the published keys" '"\(.keys) keys, to be believed until \(.expires_at)"' \
    "$bin/countersign" keys sync --from "$published" --trust "$trust" --root "$published/1.root.json" --json
  step 0 "It tells the signer so" '"acknowledged \(.acknowledged | join(", "))"' \
    "$bin/countersign" keys ack --trust "$trust" --verifier gate --ssh-key "$var/keys/gate" --json
  must "the holders did not come back" "$bin/countersign" status --wait 15s >/dev/null
  step 0 "So the new key takes over at once" '"active \(.active | join(", ")), retiring \(.retiring | join(", "))"' \
    "$bin/countersign" keys activate "$new" --json
  step 0 "What the former key signed still verifies, with the keys as the verifier has them" \
    '"\(.signature_status): \(.verdict), key \(.key_id)"' "$bin/countersign" trace verify "$before" --trust "$trust" --json
}

# gait's envelope, checked with tools that know nothing of us (docs/statements.md).
by_hand() {
  local trace="$1" key="$2"
  cat <<'TEXT'
jq -cSj 'del(.signature,.countersign)' TRACE | openssl dgst -sha256 -binary > digest    (its hex is .signature.signed_digest)
jq -r .signature.sig TRACE | openssl base64 -d -A > signature
openssl pkeyutl -verify -rawin -pubin -inkey KEY -in digest -sigfile signature
TEXT
  jq -cSj 'del(.signature,.countersign)' "$trace" | openssl dgst -sha256 -binary >"$demo/digest"
  [[ "$(od -An -v -tx1 "$demo/digest" | tr -d ' \n')" == "$(jq -r .signature.signed_digest "$trace")" ]] || {
    echo "the digest differs"
    return 2
  }
  jq -r .signature.sig "$trace" | openssl base64 -d -A >"$demo/signature"
  openssl pkeyutl -verify -rawin -pubin -inkey "$key" -in "$demo/digest" -sigfile "$demo/signature"
}

# Both refusals reach the security owner's file. The notifier delivers beside the answers, so a line may come a moment
# later; what it told in the last ten minutes it does not tell again.
notified() {
  local event
  for event in approval_proof_invalid scope_wildcard; do
    for _ in {1..100}; do
      grep -qs "$event" "$var/security.jsonl" && break
      sleep 0.1
    done
    grep -qs "$event" "$var/security.jsonl" || die "the security owner was not told of $event"
  done
  printf '\nThe security owner was told, in %s:\n' "${var#"$root"/}/security.jsonl"
  jq -r '"   \(.at // "") \(.event)"' "$var/security.jsonl" | tail -n 5
}

# shellcheck source=quickstart-broker.sh
source deploy/quickstart-broker.sh

# --- what was asked for --------------------------------------------------------------------------------------------

case "${1:-}" in
  "" | --broker) ;;
  stop)
    stop_broker
    stop
    exit 0
    ;;
  clean)
    stop_broker
    stop
    chmod -R u+w "$var" 2>/dev/null || true # snapshots are read-only
    rm -rf "$var"
    echo "removed $var"
    exit 0
    ;;
  *)
    echo "usage: deploy/quickstart.sh [--broker|stop|clean]" >&2
    exit 6
    ;;
esac

packages=(build run)
[[ "${1:-}" == --broker ]] && packages+=(broker)
deploy/install-packages.sh "${packages[@]}"
if [[ ! -e "$build/build.ninja" ]]; then
  cmake --preset "$preset" >/dev/null
fi
echo "building (the first time takes a while)"
cmake --build "$build" -j "$(nproc)" >"$build/build.log" 2>&1 || {
  tail -n 40 "$build/build.log" >&2
  die "the build failed; see ${build#"$root"/}/build.log"
}
prepare
start
runbook
[[ "${1:-}" == --broker ]] && broker_demo

cat <<TEXT

Done. The appliance stays up:
   export PATH=$bin:\$PATH COUNTERSIGN_SIGNER=$COUNTERSIGN_SIGNER
   countersign status
   deploy/quickstart.sh stop      ends it;  deploy/quickstart.sh clean  also removes $var
TEXT
