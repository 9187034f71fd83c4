#!/usr/bin/env bash
# Reading a secret is spelled reveal(); this is the whole list of places that may: PINs, the passphrase of a custodian,
# the secret by which the broker knows an agent,
# the token that it shows to a tool server of others,
# and those of its notices: the key of a webhook's signatures, the password of a mail server,
# the key of reply codes.
set -euo pipefail
cd "$1"
found="$(grep -rln 'reveal()' common pkcs11 keymgmt signer gate command --include='*.cc' | sort)"
allowed="$(sort <<'LIST'
command/broker/broker_connection.cc
gate/broker/broker_config.cc
gate/broker/http_upstream.cc
gate/notices/mail_channel.cc
gate/notices/reply_codes.cc
gate/notices/webhook_channel.cc
keymgmt/custodian_key.cc
pkcs11/custodian_token.cc
pkcs11/token.cc
signer/holder/setup.cc
signer/custody/pin_store.cc
LIST
)"
extra="$(comm -23 <(echo "$found") <(echo "$allowed"))"
if [[ -n "$extra" ]]; then
  echo "These files read a secret and are not on the list in $0; add them with a reason, or do not read it there:"
  echo "$extra"
  exit 1
fi
