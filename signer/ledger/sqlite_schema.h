// The tables of the ledger. All are STRICT; what must be impossible is a constraint.
#pragma once

namespace countersign::ledger {

inline constexpr int kApplicationId = 0x43536c67;  // "CSlg"
inline constexpr int kSchemaVersion = 3;           // the first that was released

// Columns named idx are the record's index. What every signature writes is appended: its record, and the one row of
// `meta`. All that hangs on random digests is written rarely (tokens, executions, required approvals) or sorted and
// many at a time:
//   tiles      the leaf hashes of 256 records each, once they are complete; the hashes of later records are made from
//              the records. A leaf's bytes are not stored, they are built from the columns
//   nodes      the roots of complete subtrees of 256, 65536, … leaves: a root or proof of any size reads some hundred
//              hashes
//   decisions  where the decisions on an intent are, by the first eight bytes of its digest; written for 1,024 records
//              at a time, in buckets of 16,384, so that the rows of one writing lie on few pages however large the
//              table. What it points at is compared with the record, so only a missing row could mislead
//   required   the latest require_approval on an intent and policy, and whether it is their latest decision (`pending`)
//   restores   the records of kind "restored": what was minted or permitted before the newest of them counts no more
// Answers of idempotency keys are kept for a time and then deleted, oldest first (in the order of their rowid).
// Bodies stand last in their row. `checksum` is SHA-256 over what no leaf commits to, compared at every reading.
inline constexpr const char* kTables = R"(
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
CREATE TABLE tiles(
  idx INTEGER PRIMARY KEY,
  hashes BLOB NOT NULL CHECK (length(hashes) = 8192)
) STRICT;
CREATE TABLE nodes(
  level INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID;
CREATE TABLE decisions(
  bucket INTEGER NOT NULL,
  intent INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  PRIMARY KEY (bucket, intent, idx)
) STRICT, WITHOUT ROWID;
CREATE TABLE required(
  intent BLOB NOT NULL,
  policy BLOB NOT NULL,
  idx INTEGER NOT NULL REFERENCES records(idx),
  at INTEGER NOT NULL,
  pending INTEGER NOT NULL CHECK (pending IN (0, 1)),
  PRIMARY KEY (intent, policy)
) STRICT, WITHOUT ROWID;
CREATE INDEX required_pending ON required(idx) WHERE pending = 1;
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
CREATE INDEX redemptions_by_record ON redemptions(idx);
CREATE TABLE executions(
  trace BLOB PRIMARY KEY,
  idx INTEGER NOT NULL REFERENCES records(idx)
) STRICT, WITHOUT ROWID;
CREATE INDEX executions_by_record ON executions(idx);
CREATE TABLE minted(
  token_id TEXT PRIMARY KEY,
  token_digest BLOB NOT NULL UNIQUE,
  intent BLOB NOT NULL,
  policy BLOB NOT NULL,
  idx INTEGER NOT NULL REFERENCES records(idx)
) STRICT;
CREATE INDEX minted_by_intent ON minted(intent);
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
CREATE TABLE idempotency(
  peer_uid INTEGER NOT NULL,
  key TEXT NOT NULL,
  request_digest BLOB NOT NULL,
  answer TEXT NOT NULL,
  checksum BLOB NOT NULL,
  at INTEGER NOT NULL,
  UNIQUE (peer_uid, key)
) STRICT;
CREATE TABLE restores(
  idx INTEGER PRIMARY KEY REFERENCES records(idx),
  at INTEGER NOT NULL
) STRICT;
)";

}  // namespace countersign::ledger
