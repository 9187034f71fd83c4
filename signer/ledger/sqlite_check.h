// Whether a file is a ledger of this program. Only for the folder's own .cc files.
#pragma once

#include "common/result.h"
#include "signer/ledger/sqlite_connection.h"

namespace countersign::ledger {

// Application id, schema version and every table and index as they were created. Fails with Refused, reason
// "ledger_version" (the hint says what to do) or "ledger_corrupt".
Status check_schema(Connection& connection);

}  // namespace countersign::ledger
