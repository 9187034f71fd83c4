#!/usr/bin/env bash
# Installs what tests need, builds, runs everything; ends with ctest's summary.
#   tests/run.sh           dev and ASan+UBSan builds, all tests, format check, quickstart twice
#   tests/run.sh --quick   dev build and its tests only
#   tests/run.sh --full    also TSan, valgrind, 500 supervised starts, long torture and fuzzing
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
if [[ "$mode" == full ]]; then
  export COUNTERSIGN_STARTS="${COUNTERSIGN_STARTS:-500}" COUNTERSIGN_KILLS="${COUNTERSIGN_KILLS:-1000}"
fi

step() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }

build() {
  step "build $1"
  cmake --preset "$1" >/dev/null
  cmake --build "build/$1" -j "$jobs" | tail -n 1
}

run_tests() {
  step "tests $1"
  ctest --test-dir "build/$1" -j "$jobs" --no-tests=error "${@:2}" >"build/$1/ctest.log" 2>&1 || {
    cat "build/$1/ctest.log"
    exit 1
  }
  tail -n 40 "build/$1/ctest.log"
}

if [[ "$mode" != quick ]]; then
  step "format"
  git ls-files '*.cc' '*.h' '*.c' | xargs -r clang-format --dry-run -Werror
fi

build dev
run_tests dev
if [[ "$mode" != quick ]]; then
  build asan-ubsan
  export ASAN_OPTIONS="detect_leaks=1"
  run_tests asan-ubsan
  step "quickstart, twice"
  bash deploy/quickstart.sh
  bash deploy/quickstart.sh
  bash deploy/quickstart.sh stop
fi
if [[ "$mode" == full ]]; then
  build tsan
  TSAN_OPTIONS="halt_on_error=1" run_tests tsan
  step "valgrind"
  valgrind --quiet --error-exitcode=1 --leak-check=full \
    build/dev/bin/common_test >build/dev/valgrind.log
fi

step "done"
# ctest's own closing lines, of the last build tested.
grep -E '^[0-9]+% tests passed|^Total Test time' "build/dev/ctest.log" "build/asan-ubsan/ctest.log" 2>/dev/null || true
