#!/usr/bin/env bash
# The destructive tool of the example: removes one tenant's data from ./var/demo and notes that it did.
set -euo pipefail
tenant="$1"
[[ "$tenant" =~ ^tenant-[0-9]+$ ]]
rm -r "var/demo/tenants/$tenant"
echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) retired $tenant" >>var/demo/retired.log
echo "retired $tenant"
