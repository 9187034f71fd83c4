#!/usr/bin/env bash
# Each public header compiles alone.
set -euo pipefail
cd "$1"
compiler="$2"
all="$(mktemp -d)"
trap 'rm -rf "$all"' EXIT
flags=(-std=c++20 -fsyntax-only -I. $(pkg-config --cflags p11-kit-1))
find common pkcs11 keymgmt signer gate command -name '*.h' | sort >"$all/headers"
[[ "$(wc -l <"$all/headers")" -gt 20 ]]
xargs -P "$(nproc)" -I{} sh -c 'printf "#include \"%s\"\n" "{}" | "$0" -x c++ - "$@" || { echo "{} does not compile alone"; exit 255; }' \
  "$compiler" "${flags[@]}" <"$all/headers"
