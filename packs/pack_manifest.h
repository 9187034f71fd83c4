// gait's manifest of a pack (schema "gait.pack.manifest"), as packs of runs and of calls have it.
#pragma once

#include <string>
#include <vector>

#include "common/json.h"
#include "common/result.h"
#include "packs/proof_records.h"
#include "packs/zip_archive.h"

namespace countersign::packs {

inline constexpr const char* kPackVersion = "1.0.0";
// Every pack is of this time, so that equal runs and equal calls make equal packs.
inline constexpr const char* kPackCreatedAt = "1980-01-01T00:00:00Z";

// The manifest of these files, sorted by name and without the manifest itself; with its pack_id, without signatures.
Json pack_manifest(const std::vector<ZipFile>& files, const PackNames& names);

// Its id: the digest with an empty pack_id and without signatures.
std::string pack_id_of(Json manifest);

// The manifest in an archive: known members alone, in file order. Fails with Invalid, reason "bad_pack", where the
// archive has none, and with VerificationFailed, reason "bad_manifest", where it is none: another schema, a member that
// is missing or too many.
Result<Json> read_pack_manifest(const std::vector<ZipFile>& files);

// What proof records are about: all files but the manifest and the records, by name.
std::vector<ZipFile> proven_files(const std::vector<ZipFile>& files);

}  // namespace countersign::packs
