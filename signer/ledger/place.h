// The files of a ledger in their folder: `ledger.db`, SQLite's `-wal` and `-shm`, `.lock`, `.suspect`. Only for the
// folder's own .cc files.
#pragma once

#include <string>

#include "common/locked_file.h"
#include "common/result.h"

namespace countersign::ledger {

std::string lock_path(const std::string& ledger);
std::string folder_of(const std::string& path);

// What cannot be looked at counts as there.
bool is_there(const std::string& path);

// What errno says of `act`: reason "ledger_full" or "ledger_failed".
Error failed(const std::string& act, const std::string& path);

// A ledger has one writer. A file of its own: closing any descriptor of the ledger itself would drop SQLite's locks on
// it (fcntl(2)). Fails with Unavailable, reason "ledger_in_use".
Result<LockedFile> take_lock(const std::string& ledger);

// A file that is shorter than it says is found here even where no check reads its last pages. After a crash the WAL has
// what the file lacks.
Status check_length(const std::string& path);

// SQLite calls a file that ends too early corrupt as well, or reads zeroes at its end; operators look for different
// causes. Only asked after the connections are closed: closing any other descriptor of the file would drop their locks.
Error classified(Error error, const std::string& path);

}  // namespace countersign::ledger
