// What the files of a call pack say of the call, and whether they agree (docs/voice.md, "Call pack").
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "common/result.h"
#include "packs/call_record.h"
#include "packs/zip_archive.h"

namespace countersign::packs {

// The files of a call pack beside its manifest and its proof records, sorted by name. `run_id` of the runpack.
std::vector<ZipFile> call_files(const CallRecord& record, const std::string& run_id, const std::string& runpack);

// Whether the files of the pack of `source_ref` are all there, read strictly, and agree with one another; gait's
// checks, and that the runpack is one. Fails with VerificationFailed, in gait's words where gait refuses too.
Status check_call_files(const std::vector<ZipFile>& files, std::string_view source_ref);

}  // namespace countersign::packs
