// The version of a ledger's tables, and how an older ledger becomes one of this program's. Only for the folder's own
// .cc files.
#pragma once

#include "common/result.h"
#include "signer/ledger/sqlite_connection.h"

namespace countersign::ledger {

// Application id, schema version and every table and index as they were created. Gives the version, of kSchemas. Fails
// with Refused, reason "ledger_version" (the hint says what to do) or "ledger_corrupt".
Result<int> check_schema(Connection& connection);

// Makes a ledger of version `from`, as check_schema gave it, one of kSchemaVersion: all steps in one transaction, so
// that a crash leaves the old ledger or the new one. No leaf is touched. Fails as the connection does.
Status migrate(Connection& connection, int from);

}  // namespace countersign::ledger
