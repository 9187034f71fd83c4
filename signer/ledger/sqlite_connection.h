// SQLite as the ledger's own .cc files use it.
#pragma once

#include "common/sqlite/connection.h"

namespace countersign::ledger {

using sqlite::column_of;
using sqlite::Connection;
using sqlite::failure_of;
using sqlite::Query;
using sqlite::time_of;

}  // namespace countersign::ledger
