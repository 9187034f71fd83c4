#include "gate/notices/reply_codes.h"

#include <algorithm>
#include <filesystem>

#include "common/durable_file.h"
#include "common/hmac.h"
#include "common/secret_source.h"
#include "common/sqlite/connection.h"
#include "common/text.h"

namespace countersign::notices {
namespace {

using sqlite::Connection;
using sqlite::Query;

constexpr std::size_t kDigits = 6;
constexpr std::uint64_t kCodes = 1'000'000;
constexpr std::size_t kKeyBytes = 32;
constexpr std::int64_t kMostSalts = 1000;
constexpr std::size_t kLongestReply = 1000;
constexpr std::string_view kBetween = " \t\r\n,.:;!";

// No two requests that wait have the same code.
constexpr const char* kTables = R"(
CREATE TABLE IF NOT EXISTS reply_codes(
  request TEXT PRIMARY KEY,
  salt INTEGER NOT NULL,
  digest BLOB NOT NULL UNIQUE,
  wrong INTEGER NOT NULL,
  spent INTEGER NOT NULL,
  expires INTEGER NOT NULL
) STRICT;
)";

Error unknown_code() {
  return Error{ErrorCode::Refused, "no request that waits has this code", "reply_code_unknown",
               "codes end with their request, after one answer and after a few wrong ones: countersign broker pending"};
}

std::string_view next_word(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBetween), text.size()));
  const std::string_view word = text.substr(0, text.find_first_of(kBetween));
  text.remove_prefix(word.size());
  return word;
}

}  // namespace

Result<Reply> read_reply(std::string_view text) {
  const Error not_understood{ErrorCode::Invalid, "an answer is \"no CODE\", perhaps with a reason, or \"yes CODE\"",
                             "reply_not_understood"};
  if (text.size() > kLongestReply || !is_utf8(text)) return not_understood;
  const std::string answer = lowered(next_word(text));
  Reply reply;
  reply.yes = answer == "yes" || answer == "y";
  if (!reply.yes && answer != "no" && answer != "n") return not_understood;
  reply.code = next_word(text);
  if (reply.code.size() != kDigits || reply.code.find_first_not_of("0123456789") != std::string::npos) {
    return not_understood;
  }
  text.remove_prefix(std::min(text.find_first_not_of(kBetween), text.size()));
  reply.reason = trimmed(text);
  if (reply.yes && !reply.reason.empty()) return not_understood;
  return reply;
}

Result<std::unique_ptr<ReplyCodes>> ReplyCodes::open(broker::BrokerStore& store, const std::string& key_file,
                                                     std::int64_t attempts, const Clock& clock) {
  if (!std::filesystem::exists(std::filesystem::symlink_status(key_file))) {
    RETURN_IF_ERROR(write_durable(key_file, to_base64(random_bytes(kKeyBytes)) + "\n", 0600));
  }
  ASSIGN_OR_RETURN(SecretBytes key, secret_from("file:" + key_file, ""));
  if (key.reveal().size() < kKeyBytes) {
    return Error{ErrorCode::Invalid, key_file + " is no key of reply codes", "bad_reply_key",
                 "remove it: a new one is made"};
  }
  RETURN_IF_ERROR(store.change([](Connection& connection) { return connection.execute(kTables); }));
  return std::unique_ptr<ReplyCodes>(new ReplyCodes(store, std::move(key), attempts, clock));
}

std::string ReplyCodes::made_of(std::string_view request, std::int64_t salt) const {
  const Digest made = hmac_sha256(key_.reveal(), {view_of("countersign-reply-code\n"), view_of(request), view_of("\n"),
                                                  view_of(std::to_string(salt))});
  std::uint64_t number = 0;
  for (const std::uint8_t byte : made.bytes().first(sizeof number)) number = number << 8 | byte;
  std::string code = std::to_string(number % kCodes);
  return std::string(kDigits - code.size(), '0') + code;
}

Digest ReplyCodes::digest_of(std::string_view code) const {
  return hmac_sha256(key_.reveal(), {view_of("countersign-reply-digest\n"), view_of(code)});
}

Result<std::optional<std::string>> ReplyCodes::code_of(const broker::ToolRequest& request) {
  std::optional<std::string> code;
  const UtcTime now = clock_.now();
  RETURN_IF_ERROR(store_.change([&](Connection& connection) -> Status {
    {
      Query row(connection, "SELECT salt, digest, wrong, spent FROM reply_codes WHERE request = ?", request.id);
      if (row.next()) {
        const std::string made = made_of(request.id, row.integer(0));
        const bool dead = row.integer(2) >= attempts_ || row.integer(3) != 0;
        if (dead) return ok();
        if (digest_of(made) == row.digest(1)) {
          code = made;
          return ok();
        }
      }
    }
    Query forget(connection,
                 "DELETE FROM reply_codes WHERE expires <= ? OR request = ? OR request NOT IN (SELECT id FROM requests "
                 "WHERE status = 'pending')",
                 now, request.id);
    RETURN_IF_ERROR(forget.run());
    for (std::int64_t salt = 0; salt < kMostSalts; ++salt) {
      const std::string made = made_of(request.id, salt);
      const Digest digest = digest_of(made);
      Query insert(connection,
                   "INSERT INTO reply_codes(request, salt, digest, wrong, spent, expires) VALUES (?, ?, ?, 0, 0, ?)",
                   request.id, salt, digest, request.expires_at);
      const Status inserted = insert.run();
      if (!inserted && insert.refused()) continue;  // another request has this code
      RETURN_IF_ERROR(inserted);
      code = made;
      return ok();
    }
    return ok();
  }));
  return code;
}

Result<std::string> ReplyCodes::request_of(std::string_view code, broker::AuditEvent refused) {
  const Digest digest = digest_of(code);
  const UtcTime now = clock_.now();
  std::string found;
  store_.read([&](Connection& connection) {
    Query row(
        connection,
        "SELECT request FROM reply_codes JOIN requests ON requests.id = request WHERE digest = ? AND spent = 0 AND "
        "wrong < ? AND expires > ? AND status = 'pending'",
        digest, attempts_, now);
    if (row.next()) found = row.text(0);
  });
  if (!found.empty()) return found;
  RETURN_IF_ERROR(store_.change(std::move(refused), [&](Connection& connection) -> Status {
    Query count(connection, "UPDATE reply_codes SET wrong = wrong + 1");
    return count.run();
  }));
  return unknown_code();
}

Status ReplyCodes::spend(const std::string& request, broker::AuditEvent event) {
  return store_.change(std::move(event), [&](Connection& connection) -> Status {
    Query mark(connection, "UPDATE reply_codes SET spent = 1 WHERE request = ? AND spent = 0", request);
    RETURN_IF_ERROR(mark.run());
    if (connection.changes() == 1) return ok();
    Error error = unknown_code();
    error.code = ErrorCode::Conflict;
    return error;
  });
}

}  // namespace countersign::notices
