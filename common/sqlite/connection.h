// One connection to SQLite and its cached statements: bind by position, read by column, no exceptions. Only for the .cc
// files of a store: the signer's ledger, the broker's store.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace countersign::sqlite {

// Times in columns: nanoseconds since 1970; the years before 1678 (an absent time) and after 2262 saturate.
std::int64_t column_of(UtcTime time);
UtcTime time_of(std::int64_t column);

// A failure of SQLite that no connection remembers, as Connection::failure of the ledger.
Error failure_of(int code, std::string_view act);

class Connection {
 public:
  // Immutable: a file that nobody writes, read without locks and without making anything beside it.
  enum class Access { ReadOnly, Immutable, ReadWrite, Create };
  // `owner` is what the file is to its reader ("ledger"): reasons of failures begin with it. A literal.
  static Result<Connection> open(const std::string& path, Access access, std::string_view owner = "ledger");
  Connection(Connection&&) = default;
  Connection& operator=(Connection&&) = default;

  // Runs statements that give no rows.
  Status execute(const char* sql);
  bool in_transaction() const;
  int changes() const;
  // The last failure as an error: reasons OWNER "_full", "_corrupt", "_in_use", otherwise "_failed".
  Error failure(std::string_view act) const;
  sqlite3* raw() const { return connection_.get(); }
  bool failed_for_space() const;
  bool failed_as_corrupt() const;

 private:
  friend class Query;
  Connection() = default;
  struct Close {
    void operator()(sqlite3* connection) const;
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  // Prepared once; `sql` must be a literal, its address is the key.
  sqlite3_stmt* prepared(const char* sql);

  std::string_view owner_ = "ledger";
  std::unique_ptr<sqlite3, Close> connection_;
  std::unordered_map<const char*, std::unique_ptr<sqlite3_stmt, Finalize>> statements_;
};

// One use of a cached statement. What is bound is not copied, so it must live as long as the Query.
class Query {
 public:
  template <typename... Values>
  Query(Connection& connection, const char* sql, Values&&... values)
      : connection_(connection), statement_(connection.prepared(sql)) {
    (add<Values>(values), ...);
  }
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  bool next();           // true: there is a row
  bool good() const;     // no failure so far
  bool refused() const;  // a constraint of the schema said no
  // Runs to the end; for statements that give no rows.
  Status run();
  Error failure(std::string_view act) const { return connection_.failure(act); }

  std::int64_t integer(int column) const;
  std::uint64_t number(int column) const { return static_cast<std::uint64_t>(integer(column)); }
  bool is_null(int column) const;
  std::string_view text(int column) const;  // until the next row
  ByteView blob(int column) const;          // until the next row
  Digest digest(int column) const;          // all zero where the column holds anything but 32 bytes
  UtcTime time(int column) const { return time_of(integer(column)); }

 private:
  template <typename Value>
  void add(const std::remove_reference_t<Value>& value) {
    using Plain = std::remove_cvref_t<Value>;
    ++position_;
    if constexpr (std::is_same_v<Plain, std::nullopt_t>) {
      // Unbound parameters are NULL.
    } else if constexpr (std::is_same_v<Plain, UtcTime>) {
      bind(column_of(value));
    } else if constexpr (std::is_integral_v<Plain>) {
      bind(static_cast<std::int64_t>(value));
    } else if constexpr (std::is_same_v<Plain, std::optional<UtcTime>>) {
      if (value) bind(column_of(*value));
    } else if constexpr (std::is_same_v<Plain, std::optional<std::string_view>>) {
      if (value) bind(*value);
    } else if constexpr (std::is_same_v<Plain, Digest>) {
      static_assert(std::is_lvalue_reference_v<Value>, "a temporary would be gone before the query runs");
      bind(value.bytes());
    } else if constexpr (std::is_same_v<Plain, ByteView>) {
      bind(value);
    } else {
      static_assert(std::is_lvalue_reference_v<Value> || !std::is_same_v<Plain, std::string>,
                    "a temporary would be gone before the query runs");
      bind(std::string_view(value));
    }
  }
  void bind(std::int64_t value);
  void bind(std::string_view text);
  void bind(ByteView blob);

  Connection& connection_;
  sqlite3_stmt* statement_;
  int position_ = 0;
  int code_ = 0;
};

}  // namespace countersign::sqlite
