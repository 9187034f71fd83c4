// The publication directory that any static server serves. Each file is written whole (temp, sync, rename, directory
// sync) and only where it differs; what is named is there before what names it, and timestamp.json comes last, so that
// a crash anywhere leaves the former state valid.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"
#include "keymgmt/publication/repository.h"

namespace countersign::publication {

// What is to lie in the directory: the forms of `keys` under their plain names (the signer's word, for those without a
// TUF client), and where there is a repository its metadata and hashed targets.
Files directory_files(const keymgmt::KeySet& keys, const Repository* repository);

// Makes the directory where there is none, readable by everybody: a process that is confined cannot do it any more.
// Fails with Unavailable.
Status make_directory(const std::string& directory);

// Nobody else publishes there, and nothing newer lies there. Fails with Refused: "older_key_set" (a newer key set or
// timestamp of ours lies there: an older state was restored), "two_publishers" (the same version with other content,
// signed by our keys, or a repository with another root),
// "published_damaged" (keyset.json cannot be understood, and there is no repository to tell what was published last).
Status check_directory(const std::string& directory, const keymgmt::KeySet& keys, const Repository* repository);

// Removes the plain files of keys that count no more, then writes. Gives the paths that lay there with a content that
// we did not write last (`expected`: what we wrote last time; empty at the first). Fails with Unavailable.
Result<std::vector<std::string>> write_directory(const std::string& directory, const Files& files,
                                                 const std::vector<std::string>& dropped, const Files& expected);

// All of it for a key set whose metadata nobody signs: keyset.json, jwks.json, allowed_signers, <role>/<kid>.pem,
// <role>/<kid>.pub, <role>/public.key. Fails with Refused as check_directory does, with Unavailable.
Status publish_without_repository(const keymgmt::KeySet& keys, const std::string& directory);

}  // namespace countersign::publication
