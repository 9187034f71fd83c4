#!/usr/bin/env bash
# Installs what tests need, builds, runs everything; ends with ctest's summary.
#   tests/run.sh           dev and ASan+UBSan builds, all tests, format check, quickstart twice with the dev build
#   tests/run.sh --quick   dev build and its tests only
#   tests/run.sh --full    also TSan, all of UBSan, valgrind, 500 supervised starts, long torture and fuzzing, a release built twice
set -euo pipefail
cd "$(dirname "$0")/.."

mode=normal
case "${1:-}" in
  "") ;;
  --quick) mode=quick ;;
  --full) mode=full ;;
  *)
    echo "usage: tests/run.sh [--quick|--full]" >&2
    exit 6
    ;;
esac

deploy/install-packages.sh build run test
jobs="$(nproc)"
export CTEST_OUTPUT_ON_FAILURE=1
# So that a second clone on the same machine finds what the first one compiled.
export CCACHE_BASEDIR="$PWD" CCACHE_NOHASHDIR=1
# A machine's own providers must not decide a test.
export OPENSSL_CONF=/dev/null
step() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }

build() {
  step "build $1"
  # Where nothing is built yet it is built once and whole, which is quicker with the files of a target together.
  local together=()
  [[ -e "build/$1" ]] || together=(-DCOUNTERSIGN_TOGETHER=ON)
  cmake --preset "$1" "${together[@]}" >/dev/null
  cmake --build "build/$1" -j "$jobs" | tail -n 1
}

# Tool servers and what is vetted run in a sandbox, which needs user namespaces. Inside a chroot the kernel makes none, for root
# neither; a CI machine must have them.
not_here=
broker=--broker
if [[ "${CI:-}" != true ]] && ! bwrap --unshare-all --ro-bind / / true 2>/dev/null; then
  not_here=sandbox
  broker=
  echo "NOT RUN: tests of the broker and of vetting (label sandbox), because bwrap cannot make user namespaces here"
fi

# run_tests PRESET [LABEL]: all its tests but those with that label. Half the time of a test with whole appliances is waiting (for
# the disk, for each other's answers), so twice as many run at once as there are cores.
run_tests() {
  step "tests $1"
  local without="$not_here${2:+${not_here:+|}$2}"
  ctest --test-dir "build/$1" -j "$((2 * jobs))" --no-tests=error ${without:+-LE "^($without)\$"} >"build/$1/ctest.log" 2>&1 || {
    cat "build/$1/ctest.log"
    exit 1
  }
  tail -n 40 "build/$1/ctest.log"
}

# Long versions of tests that ran short above. They have no time limit of their own: ctest's is made for the short ones.
long_runs() {
  step "${COUNTERSIGN_STARTS:=500} supervised starts under load"
  export COUNTERSIGN_STARTS
  build/dev/bin/supervisor_test --gtest_filter=Supervisor.StartsEveryTimeUnderLoad
  local each kills="${COUNTERSIGN_KILLS:-1000}"
  step "$kills kills: torture/kill_test"
  COUNTERSIGN_KILLS="$kills" tests/torture/kill_test.py build/dev/bin
  # Each of these starts an appliance or a ceremony anew after every kill: two to twenty seconds.
  for each in keys/halt_kill_test keys/publish_kill_test ceremonies/kill_test ceremonies/custodian_kill_test; do
    step "$((kills / 10)) kills: $each"
    COUNTERSIGN_KILLS="$((kills / 10))" "tests/$each.py" build/dev/bin
  done
  step "${COUNTERSIGN_FUZZ_ROUNDS:=5000} mutations of each file of the fuzzing corpus"
  export COUNTERSIGN_FUZZ_ROUNDS
  local parser
  for parser in tests/fuzz/corpus/*; do
    "build/asan-ubsan/bin/fuzz_$(basename "$parser")" "$parser"
  done
}

# sanitizer_lane PRESET TEST…: builds and runs these test programs. Nothing of ours or of others' is suppressed.
sanitizer_lane() {
  local preset="$1" each
  shift
  step "build $preset"
  cmake --preset "$preset" >/dev/null
  cmake --build "build/$preset" -j "$jobs" --target "$@" | tail -n 1
  for each in "$@"; do
    step "$preset $each"
    TSAN_OPTIONS="halt_on_error=1" COUNTERSIGN_STARTS=40 "build/$preset/bin/$each" --gtest_brief=1
  done
}

# What parses and builds documents; its processes are the test's own.
valgrind_lane() {
  local each
  for each in common_test keymgmt_test channel_test log_test statement_test; do
    step "valgrind $each"
    valgrind --quiet --error-exitcode=1 --leak-check=full --suppressions=tests/support/valgrind.supp \
      "build/dev/bin/$each" --gtest_brief=1
  done
}

full_lanes() {
  long_runs
  # What has threads, and whole appliances around it.
  sanitizer_lane tsan ledger_test transport_test channel_test client_test notifier_test supervisor_test daemon_test
  # What reads and makes documents, with the checks of null pointers and alignment that asan-ubsan leaves out.
  local gate_tests=(gate_test gate_{document,intent,context,policy,state,decision,explanation,call,evidence,trace,voice}_test)
  sanitizer_lane ubsan common_test keymgmt_test statement_test channel_test ledger_test log_test "${gate_tests[@]}" packs_test vetting_test
  valgrind_lane
  step "a release, built twice"
  COUNTERSIGN_FULL=1 tests/release/script_test.py build/dev/bin
}

if [[ "$mode" != quick ]]; then
  step "format"
  git ls-files '*.cc' '*.h' '*.c' | xargs -r clang-format --dry-run -Werror
fi

build dev
run_tests dev
if [[ "$mode" != quick ]]; then
  step "quickstart, again with the broker"
  COUNTERSIGN_PRESET=dev bash deploy/quickstart.sh
  COUNTERSIGN_PRESET=dev bash deploy/quickstart.sh $broker
  bash deploy/quickstart.sh stop

  build asan-ubsan
  export ASAN_OPTIONS="detect_leaks=1"
  # What is killed at random points was killed 60 times above; here fewer do. The label is explained in tests/CMakeLists.txt.
  COUNTERSIGN_KILLS="${COUNTERSIGN_KILLS:-10}" run_tests asan-ubsan once
fi
if [[ "$mode" == full ]]; then
  full_lanes
fi

step "done"
[[ -z "$not_here" ]] || echo "NOT RUN: what has the label sandbox (see above)"
# ctest's own closing lines, of the last build tested.
grep -E '^[0-9]+% tests passed|^Total Test time' "build/dev/ctest.log" "build/asan-ubsan/ctest.log" 2>/dev/null || true
