// gait's key flags. They mean key-file mode: signing with keys from files, without ledger and single use. This build
// signs with the signer only; it says so instead of ignoring a flag.
#pragma once

#include <span>

#include "command/arguments.h"
#include "common/result.h"

namespace countersign::command {

// Rows for the flags of every command that gait has too; --help does not list them.
std::span<const Flag> key_file_flags();

// Fails with Invalid, reason "key_file_mode", where one of them was given.
Status refuse_key_files(const Arguments& arguments);

}  // namespace countersign::command
