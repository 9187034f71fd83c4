// One-time codes by which people answer a notice: "no 123456".
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/result.h"
#include "common/secret_bytes.h"
#include "gate/broker/broker_store.h"

namespace countersign::notices {

// What a person said: yes or no, the code, and after a no perhaps why.
struct Reply {
  bool yes = false;
  std::string code;    // six digits
  std::string reason;  // empty for none
};
// "no 123456", "No, 123456: use staging", "yes 123456". Fails with Invalid, reason "reply_not_understood", on anything
// else: also on a yes that goes on, which may be a condition.
Result<Reply> read_reply(std::string_view text);

class ReplyCodes {
 public:
  // Codes are made of a key in `key_file` (mode 0600), which is made where it is missing, so that broker.db, which
  // holds digests under the same key, tells none. A code ends with its request, after one answer, and after `attempts`
  // wrong ones. `store` and `clock` outlive it. Fails as the store does, and where the key cannot be read.
  static Result<std::unique_ptr<ReplyCodes>> open(broker::BrokerStore& store, const std::string& key_file,
                                                  std::int64_t attempts, const Clock& clock);

  // The code of a request that waits, the same each time; nothing where it cannot be answered by one any more.
  Result<std::optional<std::string>> code_of(const broker::ToolRequest& request);

  // The request that waits for an answer with this code. Fails with Refused, reason "reply_code_unknown"; that counts
  // against every code that could have been meant, and `refused` is recorded.
  Result<std::string> request_of(std::string_view code, broker::AuditEvent refused);
  // The code of that request was used. Fails with Conflict, reason "reply_code_unknown", where somebody was quicker.
  Status spend(const std::string& request, broker::AuditEvent event);

 private:
  ReplyCodes(broker::BrokerStore& store, SecretBytes key, std::int64_t attempts, const Clock& clock)
      : store_(store), key_(std::move(key)), attempts_(attempts), clock_(clock) {}
  std::string made_of(std::string_view request, std::int64_t salt) const;
  Digest digest_of(std::string_view code) const;

  broker::BrokerStore& store_;
  SecretBytes key_;
  std::int64_t attempts_;
  const Clock& clock_;
};

}  // namespace countersign::notices
