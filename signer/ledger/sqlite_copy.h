// Copying a database page by page. Only for the folder's own .cc files.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "common/result.h"
#include "signer/ledger/sqlite_connection.h"

namespace countersign::ledger {

// Copies what `from` sees into the file `to`, which must not exist or be empty. Within a read transaction of `from`
// that is one state, whoever writes meanwhile; `progress` gets pages done and in all. `to` is not synced.
Status copy_database(Connection& from, const std::string& to,
                     const std::function<void(std::uint64_t done, std::uint64_t all)>& progress);

}  // namespace countersign::ledger
