// Answers by idempotency key: a caller that repeats a request gets what it got, and nothing is counted, brokered or
// redeemed again. In memory and bounded; what was forgotten is still recognised by the signer (docs/gate-service.md).
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "common/digest.h"
#include "common/json.h"
#include "common/result.h"

namespace countersign::command {

class RecordedAnswers {
 public:
  explicit RecordedAnswers(std::size_t most = 4096) : most_(most) {}

  // The answer to the request whose digest is `request`: the recorded one, or that of `decide`, which is recorded where
  // it is one; a failure is not. Keys are each caller's own. From any thread.
  // Fails with Conflict, reason idempotency_conflict, where the key was used for another request, and
  // idempotency_in_flight while the first one is not answered.
  Result<Json> answer(std::uint32_t uid, const std::string& key, const Digest& request,
                      const std::function<Result<Json>()>& decide);

 private:
  using Key = std::pair<std::uint32_t, std::string>;
  struct Row {
    Digest request;
    Json answer;  // null while it is in flight
  };
  std::size_t most_;
  std::mutex mutex_;
  std::map<Key, Row> rows_;  // guarded by mutex_, as is what follows
  std::list<Key> answered_;  // the oldest first
};

}  // namespace countersign::command
