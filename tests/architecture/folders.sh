#!/usr/bin/env bash
# The folder of each component has its row in docs/architecture.md, and no row is of a folder that is none.
set -euo pipefail
cd "$1"
wrong=0
# As CMakeLists.txt declares them, and as the tables name them.
declared="$(sed -nE 's/^component\([a-z_0-9-]+ +([a-z_0-9/]+).*/\1/p' CMakeLists.txt | sort)"
rows="$(grep -oE '^\| `[^|]*' docs/architecture.md | grep -oE '`[a-z_0-9/-]+`' | tr -d '\140' | sed 's,/$,,' | sort)"
[[ "$(wc -l <<<"$declared")" -gt 20 ]] || { echo "CMakeLists.txt declares no components: this test looks at nothing."; exit 1; }
missing="$(comm -23 <(echo "$declared") <(echo "$rows"))"
if [[ -n "$missing" ]]; then
  printf 'Say in docs/architecture.md what these folders are:\n%s\n' "$missing"
  wrong=1
fi
while read -r folder; do
  [[ -d "$folder" || -e "$folder.h" ]] || { echo "docs/architecture.md has a row of $folder, which is no folder."; wrong=1; }
done <<<"$rows"
exit "$wrong"
