#!/usr/bin/env bash
# Only countersign-holder may link or name a PKCS#11 library; only it holds Cryptoki code.
set -euo pipefail
cd "$1"
wrong=0
for program in countersign countersignd; do
  if ldd "$program" | grep -iE 'libp11|pkcs11|p11-kit|softhsm'; then
    echo "$program links PKCS#11: move that code behind signer/holder."
    wrong=1
  fi
  if nm -C "$program" 2>/dev/null | grep -E 'countersign::pkcs11::'; then
    echo "$program holds code of pkcs11/: move it behind signer/holder."
    wrong=1
  fi
done
# The check must be able to fail: the holder does hold that code.
nm -C countersign-holder | grep 'countersign::pkcs11::' >/dev/null || {
  echo "countersign-holder holds no pkcs11/ code: this test looks at the wrong thing."
  wrong=1
}
if ldd countersign | grep -E 'libcurl|prometheus'; then
  echo "countersign links libraries of the daemon."
  wrong=1
fi
exit "$wrong"
