#include "signer/ledger/sqlite_check.h"

#include <string>
#include <vector>

#include "signer/ledger/findings.h"
#include "signer/ledger/sqlite_schema.h"

namespace countersign::ledger {
namespace {

constexpr const char* kObjects = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
constexpr const char* kApplication = "PRAGMA application_id";
constexpr const char* kVersion = "PRAGMA user_version";

Result<std::int64_t> one_integer(Connection& connection, const char* sql) {
  Query row(connection, sql);
  if (!row.next()) return connection.failure("read the ledger");
  return row.integer(0);
}

std::vector<std::string> objects_of(Connection& connection) {
  std::vector<std::string> objects;
  Query rows(connection, kObjects);
  while (rows.next()) objects.emplace_back(rows.text(0));
  return objects;
}

Error other_version(std::int64_t version) {
  const std::string detail = "the ledger has schema version " + std::to_string(version) + ", this program knows " +
                             std::to_string(kSchemaVersion) + " alone";
  return Error{ErrorCode::Refused, detail, "ledger_version",
               version > kSchemaVersion
                   ? "A newer version of the program wrote it: run that one, or restore a backup made before the "
                     "upgrade with `countersign ledger restore`."
                   : "No released version wrote it and none reads it: restore a backup of schema " +
                         std::to_string(kSchemaVersion) + " with `countersign ledger restore`."};
}

}  // namespace

Status check_schema(Connection& connection) {
  ASSIGN_OR_RETURN(const std::int64_t application, one_integer(connection, kApplication));
  ASSIGN_OR_RETURN(const std::int64_t version, one_integer(connection, kVersion));
  if (application != kApplicationId) return corrupt("the file is a SQLite database, but no ledger");
  if (version != kSchemaVersion) return other_version(version);
  // A dropped unique index would let a token be redeemed twice without any hash being wrong.
  ASSIGN_OR_RETURN(Connection pattern, Connection::open(":memory:", Connection::Access::Create));
  RETURN_IF_ERROR(pattern.execute(kTables));
  if (objects_of(connection) == objects_of(pattern)) return ok();
  return corrupt("the tables of the ledger are not the ones it was made with");
}

}  // namespace countersign::ledger
