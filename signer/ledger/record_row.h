// A record as its row holds it.
#pragma once

#include "signer/ledger/sqlite_connection.h"
#include "signer/ledger/store.h"

namespace countersign::ledger {

inline constexpr const char* kInsertRecord =
    "INSERT INTO records(idx, at, kind, type, role, kid, body_digest, signature_digest, peer_uid, request_id, effects, "
    "body) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

// In the order that record_in reads; the body follows.
#define COUNTERSIGN_RECORD_COLUMNS                                                                            \
  "r.idx, r.at, r.kind, r.type, r.role, r.kid, r.body_digest, r.signature_digest, r.peer_uid, r.request_id, " \
  "r.effects, r.body"
inline constexpr int kEffectsColumn = 10;
inline constexpr int kBodyColumn = 11;

// Without its body.
inline Record record_in(const Query& row) {
  Record record;
  record.at = row.time(1);
  record.kind = row.text(2);
  record.type = row.text(3);
  record.role = row.text(4);
  record.kid = row.text(5);
  record.body_digest = row.digest(6);
  record.signature_digest = row.digest(7);
  record.peer_uid = static_cast<std::uint32_t>(row.integer(8));
  record.request_id = row.text(9);
  return record;
}

}  // namespace countersign::ledger
