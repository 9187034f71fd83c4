#!/usr/bin/env bash
# Installs what is missing of the named groups of debian-packages.txt (build run test). Never calls apt when all is there;
# stops before anything would be removed.
set -euo pipefail
list="$(dirname "$0")/debian-packages.txt"

missing=()
while read -r group package; do
  [[ -z "$group" || "$group" == \#* ]] && continue
  [[ " $* " == *" $group "* ]] || continue
  [[ "$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null)" == "install ok installed" ]] || missing+=("$package")
done <"$list"
if [[ ${#missing[@]} -eq 0 ]]; then
  exit 0
fi

as_root=()
if [[ "$(id -u)" -ne 0 ]]; then
  command -v sudo >/dev/null || {
    echo "missing Debian packages: ${missing[*]}" >&2
    echo "Install them as root, then run this again: apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  }
  as_root=(sudo)
fi

echo "installing from Debian: ${missing[*]}"
"${as_root[@]}" apt-get update -qq
plan="$("${as_root[@]}" env LC_ALL=C apt-get -s install --no-install-recommends "${missing[@]}")"
if grep -q '^Remv ' <<<"$plan"; then
  echo "apt would remove packages to install these; nothing was changed:" >&2
  grep '^Remv ' <<<"$plan" >&2
  exit 1
fi
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
