#!/usr/bin/env bash
# Quoted includes start with a top-level folder, so that an arrow cannot be hidden in a relative path, and packages stay
# in the one folder that may touch them.
set -euo pipefail
cd "$1"
wrong=0
report() {
  if [[ -n "$2" ]]; then
    printf '%s\n%s\n' "$1" "$2"
    wrong=1
  fi
}
# The folders that the root CMakeLists.txt declares as components.
mapfile -t sources < <(sed -nE 's/^component\([a-z_0-9-]+ +([a-z_0-9]+).*/\1/p' CMakeLists.txt | sort -u)
((${#sources[@]} > 1)) || { echo "CMakeLists.txt declares no components: this test looks at nothing."; exit 1; }
report 'Write quoted includes from the top folder ("gate/intent/intent.h"):' \
  "$(grep -rnE '^#include "' "${sources[@]}" --include='*.cc' --include='*.h' |
    grep -vE "#include \"($(IFS='|'; echo "${sources[*]}"))/" || true)"
report 'Only signer/transport includes Beast and Asio:' \
  "$(grep -rnE '#include <boost/(beast|asio)' "${sources[@]}" | grep -v '^signer/transport/' || true)"
report 'Only common/strict_yaml includes yaml-cpp:' \
  "$(grep -rn '#include <yaml-cpp' "${sources[@]}" | grep -v '^common/strict_yaml' || true)"
report 'Only pkcs11/ includes Cryptoki and libp11:' \
  "$(grep -rnE '#include <(p11-kit/|libp11|pkcs11)' "${sources[@]}" | grep -v '^pkcs11/' || true)"
report 'Only common/sqlite and signer/ledger include SQLite:' \
  "$(grep -rnE '#include <(SQLiteCpp|sqlite3)' "${sources[@]}" | grep -vE '^(common/sqlite|signer/ledger)/' || true)"
report 'Only common/curl includes libcurl:' \
  "$(grep -rn '#include <curl' "${sources[@]}" | grep -v '^common/curl/' || true)"
report 'gate/ and the services above it reach tokens only through the socket:' \
  "$(grep -rnE '#include "(pkcs11|signer/(holder|ledger|daemon))/' gate packs command || true)"
exit "$wrong"
