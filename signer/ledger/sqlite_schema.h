// The tables of the ledger. All are STRICT; what must be impossible is a constraint.
#pragma once

namespace countersign::ledger {

inline constexpr int kApplicationId = 0x43536c67;  // "CSlg"
inline constexpr int kSchemaVersion = 1;

// Columns named idx are the record's index. Bodies stand last in their row, and leaf hashes in a table of their own, so
// that folding the tree does not read the documents. `nodes` keeps the roots of complete subtrees of 256, 65536, …
// leaves: a root or a proof of any size then reads some hundred hashes. A leaf's bytes are not stored, they are built
// from the columns. `checksum` is SHA-256 over what no leaf commits to, compared at every reading.
//
// Each index on a digest costs a page written per row, more than the row itself: there are as few as can be.
inline constexpr const char* kSchema = R"(
CREATE TABLE meta(
  id INTEGER PRIMARY KEY CHECK (id = 1),
  size INTEGER NOT NULL,
  root BLOB NOT NULL CHECK (length(root) = 32),
  high_water INTEGER,
  since_boot INTEGER,
  boot_id TEXT,
  sequence_ceiling INTEGER NOT NULL,
  key_set_version INTEGER NOT NULL,
  checksum BLOB NOT NULL
) STRICT;
CREATE TABLE records(
  idx INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  type TEXT NOT NULL,
  role TEXT NOT NULL,
  kid TEXT NOT NULL,
  body_digest BLOB NOT NULL,
  signature_digest BLOB NOT NULL,
  peer_uid INTEGER NOT NULL,
  request_id TEXT NOT NULL,
  effects TEXT NOT NULL,
  body BLOB NOT NULL
) STRICT;
CREATE TABLE leaves(
  idx INTEGER PRIMARY KEY,
  hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE TABLE nodes(
  level INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID;
CREATE TABLE decisions(
  idx INTEGER PRIMARY KEY REFERENCES records(idx),
  intent BLOB NOT NULL,
  policy BLOB NOT NULL,
  verdict TEXT NOT NULL,
  at INTEGER NOT NULL,
  peer_uid INTEGER NOT NULL,
  trace BLOB NOT NULL
) STRICT;
CREATE INDEX decisions_by_intent ON decisions(intent);
CREATE INDEX decisions_required ON decisions(at) WHERE verdict = 'require_approval';
CREATE TABLE intents(
  intent BLOB PRIMARY KEY,
  json TEXT NOT NULL,
  checksum BLOB NOT NULL
) STRICT;
CREATE TABLE redemptions(
  token_id TEXT PRIMARY KEY,
  token_digest BLOB NOT NULL UNIQUE,
  idx INTEGER NOT NULL REFERENCES records(idx)
) STRICT, WITHOUT ROWID;
CREATE TABLE executions(
  trace BLOB PRIMARY KEY,
  idx INTEGER NOT NULL REFERENCES records(idx)
) STRICT, WITHOUT ROWID;
CREATE TABLE minted(
  token_id TEXT PRIMARY KEY,
  token_digest BLOB NOT NULL UNIQUE,
  intent BLOB NOT NULL,
  policy BLOB NOT NULL,
  idx INTEGER NOT NULL REFERENCES records(idx)
) STRICT;
CREATE INDEX minted_by_intent ON minted(intent);
CREATE TABLE idempotency(
  peer_uid INTEGER NOT NULL,
  key TEXT NOT NULL,
  request_digest BLOB NOT NULL,
  answer TEXT NOT NULL,
  checksum BLOB NOT NULL,
  UNIQUE (peer_uid, key)
) STRICT;
CREATE TABLE keys(
  kid TEXT PRIMARY KEY,
  role TEXT NOT NULL,
  algorithm TEXT NOT NULL,
  state TEXT NOT NULL,
  idx INTEGER NOT NULL REFERENCES records(idx)
) STRICT;
CREATE UNIQUE INDEX one_active_key ON keys(role, algorithm) WHERE state = 'active';
CREATE TABLE outbox(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  event TEXT NOT NULL,
  dedupe_key TEXT UNIQUE,
  at INTEGER NOT NULL,
  body TEXT NOT NULL,
  window_ends INTEGER NOT NULL,
  count INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  due INTEGER
) STRICT;
CREATE INDEX outbox_due ON outbox(due) WHERE due IS NOT NULL;
)";

}  // namespace countersign::ledger
