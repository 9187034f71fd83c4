#include "common/sqlite/connection.h"

#include <sqlite3.h>

#include <chrono>
#include <filesystem>
#include <limits>

namespace countersign::sqlite {
namespace {

constexpr int kBusyMilliseconds = 2000;

bool is_corrupt(int code) {
  return code == SQLITE_CORRUPT || code == SQLITE_NOTADB || code == SQLITE_FORMAT;
}

Error error_of(std::string_view owner, int code, int extended, std::string_view act, const char* message) {
  const std::string name(owner);
  const std::string detail =
      "cannot " + std::string(act) + ": " + message + " (SQLite " + std::to_string(extended) + ")";
  if (is_corrupt(code)) return Error{ErrorCode::Refused, detail, name + "_corrupt"};
  if (code == SQLITE_FULL) {
    return Error{ErrorCode::Unavailable, detail, name + "_full", "Free space on the " + name + "'s file system."};
  }
  if (code == SQLITE_BUSY || code == SQLITE_LOCKED) return Error{ErrorCode::Unavailable, detail, name + "_in_use"};
  return Error{ErrorCode::Unavailable, detail, name + "_failed"};
}

// The file as a URI (sqlite.org/uri.html), each byte of its absolute path escaped that could mean something.
std::string immutable_uri(const std::string& path) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::error_code ignored;
  std::string uri = "file://";
  for (const char c : std::filesystem::absolute(path, ignored).string()) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
                       c == '.' || c == '-' || c == '_';
    if (plain) {
      uri += c;
    } else {
      uri += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return uri + "?immutable=1";
}

}  // namespace

Error failure_of(int code, std::string_view act) {
  return error_of("ledger", code & 0xff, code, act, sqlite3_errstr(code));
}

std::int64_t column_of(UtcTime time) {
  return (time - UtcTime::from_unix(0)).count();
}

UtcTime time_of(std::int64_t column) {
  if (column == std::numeric_limits<std::int64_t>::min()) return UtcTime();
  return UtcTime::from_unix(0) + std::chrono::nanoseconds(column);
}

void Connection::Close::operator()(sqlite3* connection) const {
  sqlite3_close_v2(connection);
}

void Connection::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

Result<Connection> Connection::open(const std::string& path, Access access, std::string_view owner) {
  // Each connection is used under one lock of its owner, so SQLite needs none of its own.
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  switch (access) {
    case Access::ReadOnly:
      flags |= SQLITE_OPEN_READONLY;
      break;
    case Access::Immutable:
      flags |= SQLITE_OPEN_READONLY | SQLITE_OPEN_URI;
      break;
    case Access::ReadWrite:
      flags |= SQLITE_OPEN_READWRITE;
      break;
    case Access::Create:
      flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
      break;
  }
  const std::string name = access == Access::Immutable ? immutable_uri(path) : path;
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(name.c_str(), &raw, flags, nullptr);
  Connection connection;
  connection.owner_ = owner;
  connection.connection_.reset(raw);
  if (code != SQLITE_OK) return error_of(owner, code & 0xff, code, "open " + path, sqlite3_errstr(code));
  sqlite3_busy_timeout(raw, kBusyMilliseconds);
  // A schema that somebody changed may not run code of his, nor may any statement edit the file behind SQLite's back.
  sqlite3_db_config(raw, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  return connection;
}

Status Connection::execute(const char* sql) {
  if (sqlite3_exec(connection_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    return failure(std::string("run ") + sql);
  }
  return ok();
}

bool Connection::in_transaction() const {
  return sqlite3_get_autocommit(connection_.get()) == 0;
}

int Connection::changes() const {
  return sqlite3_changes(connection_.get());
}

Error Connection::failure(std::string_view act) const {
  const int extended = sqlite3_extended_errcode(connection_.get());
  return error_of(owner_, extended & 0xff, extended, act, sqlite3_errmsg(connection_.get()));
}

bool Connection::failed_for_space() const {
  return (sqlite3_errcode(connection_.get()) & 0xff) == SQLITE_FULL;
}

bool Connection::failed_as_corrupt() const {
  return is_corrupt(sqlite3_errcode(connection_.get()) & 0xff);
}

sqlite3_stmt* Connection::prepared(const char* sql) {
  auto& statement = statements_[sql];
  if (statement == nullptr) {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v3(connection_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr) != SQLITE_OK) {
      return nullptr;  // every use of the Query fails with SQLite's message
    }
    statement.reset(raw);
  }
  return statement.get();
}

Query::~Query() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

bool Query::next() {
  code_ = statement_ == nullptr ? SQLITE_ERROR : sqlite3_step(statement_);
  return code_ == SQLITE_ROW;
}

bool Query::good() const {
  return code_ == SQLITE_OK || code_ == SQLITE_ROW || code_ == SQLITE_DONE;
}

bool Query::refused() const {
  return (code_ & 0xff) == SQLITE_CONSTRAINT;
}

Status Query::run() {
  while (next()) {
  }
  if (!good()) return failure("write the " + std::string(connection_.owner_));
  return ok();
}

std::int64_t Query::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

bool Query::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

std::string_view Query::text(int column) const {
  return text_of(blob(column));
}

ByteView Query::blob(int column) const {
  const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_, column));
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

Digest Query::digest(int column) const {
  const Result<Digest> digest = Digest::from_bytes(blob(column));
  return digest.has_value() ? *digest : Digest();
}

void Query::bind(std::int64_t value) {
  sqlite3_bind_int64(statement_, position_, value);
}

// A null pointer would bind NULL where empty text is meant.
void Query::bind(std::string_view text) {
  sqlite3_bind_text64(statement_, position_, text.data() == nullptr ? "" : text.data(), text.size(), SQLITE_STATIC,
                      SQLITE_UTF8);
}

void Query::bind(ByteView blob) {
  sqlite3_bind_blob64(statement_, position_, blob.data() == nullptr ? "" : static_cast<const void*>(blob.data()),
                      blob.size(), SQLITE_STATIC);
}

}  // namespace countersign::sqlite
