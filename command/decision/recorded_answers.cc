#include "command/decision/recorded_answers.h"

namespace countersign::command {

Result<Json> RecordedAnswers::answer(std::uint32_t uid, const std::string& key, const Digest& request,
                                     const std::function<Result<Json>()>& decide) {
  const Key whose{uid, key};
  {
    const std::lock_guard lock(mutex_);
    const auto [row, is_new] = rows_.try_emplace(whose, Row{request, {}});
    if (!is_new && row->second.request != request) {
      return Error{ErrorCode::Conflict, "this idempotency key was used for another request", "idempotency_conflict",
                   "take a new key for a new request"};
    }
    if (!is_new && row->second.answer.is_null()) {
      return Error{ErrorCode::Conflict, "the first request with this idempotency key is not answered yet",
                   "idempotency_in_flight", "ask again in a moment"};
    }
    if (!is_new) return row->second.answer;
  }
  Result<Json> decided = decide();
  const std::lock_guard lock(mutex_);
  if (!decided) {
    rows_.erase(whose);
    return decided;
  }
  rows_.at(whose).answer = *decided;
  answered_.push_back(whose);
  if (answered_.size() > most_) {
    rows_.erase(answered_.front());
    answered_.pop_front();
  }
  return decided;
}

}  // namespace countersign::command
