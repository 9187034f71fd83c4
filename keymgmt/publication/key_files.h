// A key set in the forms that people have tools for, made in one step and checked against each other: keyset.json,
// jwks.json (RFC 7517), allowed_signers (ssh-keygen -Y), <role>/<kid>.pem, <role>/<kid>.pub (minisign, signify),
// <role>/public.key (gait's base64).
#pragma once

#include <map>
#include <string>

#include "common/result.h"
#include "keymgmt/key_set.h"

namespace countersign::publication {

// Content by path below the publication directory.
using Files = std::map<std::string, std::string, std::less<>>;

// The same bytes for the same set. Keys whose signatures count no more (retired before they signed, compromised) stand
// in keyset.json alone. <role>/public.key is the role's active Ed25519 key, or where none is active the one that was
// published first and counts.
Files key_files(const keymgmt::KeySet& keys);

// Reads every form back as its tools do and compares the keys, windows and names with the set's. Fails with Internal,
// reason "key_files_differ".
Status check_key_files(const Files& files, const keymgmt::KeySet& keys);

// The files of keys in `keys` that count no more, which must not lie where they once lay.
std::vector<std::string> dropped_key_files(const keymgmt::KeySet& keys);

// allowed_signers(5) of ssh-keygen: YYYYMMDDHHMMSSZ.
std::string ssh_time(UtcTime moment);

}  // namespace countersign::publication
