#!/usr/bin/env bash
# Each public header compiles alone. That of NAME.cc does so where NAME.cc includes it first and compiles, which the build
# has shown; the others are compiled here.
set -euo pipefail
cd "$1"
compiler="$2"
flags=(-std=c++20 -fsyntax-only -I. $(pkg-config --cflags p11-kit-1))
headers="$(find common pkcs11 keymgmt signer gate command packs -name '*.h' | sort)"
[[ "$(wc -l <<<"$headers")" -gt 20 ]]
while read -r header; do
  source="${header%.h}.cc"
  [[ -f "$source" && "$(grep -m1 '^#include' "$source")" == "#include \"$header\"" ]] || printf '%s\n' "$header"
done <<<"$headers" |
  xargs -P "$(nproc)" -I{} sh -c 'printf "#include \"%s\"\n" "{}" | "$0" -x c++ - "$@" || { echo "{} does not compile alone"; exit 255; }' \
    "$compiler" "${flags[@]}"
