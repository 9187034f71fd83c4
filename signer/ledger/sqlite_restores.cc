#include "signer/ledger/sqlite_restores.h"

#include "signer/ledger/findings.h"

namespace countersign::ledger {
namespace {

constexpr const char* kRestores =
    "SELECT s.idx, s.at, r.body FROM restores s LEFT JOIN records r ON r.idx = s.idx ORDER BY s.idx";
constexpr const char* kKeep = "INSERT INTO restores(idx, at) VALUES(?, ?)";

}  // namespace

Result<std::vector<Restore>> restores_in(Connection& connection) {
  std::vector<Restore> restores;
  Query rows(connection, kRestores);
  while (rows.next()) {
    const Result<Json> body = Json::parse(rows.text(2));
    const Json* accepts = body ? body->find("accepts_loss") : nullptr;
    if (accepts == nullptr || !accepts->is_bool()) {
      return corrupt("record " + std::to_string(rows.number(0)) + " is no restore");
    }
    restores.push_back({rows.number(0), rows.time(1), accepts->as_bool(), std::string(body->text("reason"))});
  }
  if (!rows.good()) return rows.failure("read the restores");
  return restores;
}

Status keep_restore(Connection& connection, std::uint64_t index, UtcTime at) {
  return Query(connection, kKeep, index, at).run();
}

std::string restore_body(const Restore& restore, const TreeHead& backup, const Json& anchors,
                         const std::string& moved_aside) {
  return Json::object({{"accepts_loss", restore.accepts_loss},
                       {"anchors", anchors},
                       {"backup", Json::object({{"root", backup.root.hex()}, {"size", backup.size}})},
                       {"moved_aside", moved_aside},
                       {"reason", restore.reason}})
      .compact();
}

}  // namespace countersign::ledger
