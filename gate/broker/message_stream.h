// JSON-RPC with one child over its standard streams, one object a line: several requests may be under way, and whoever
// waits for an answer reads for all.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/json.h"
#include "common/result.h"

namespace countersign::broker {

class MessageStream {
 public:
  using Deadline = std::chrono::steady_clock::time_point;
  // With each notification, on any thread that uses the stream; must not use the stream itself.
  using OnNote = std::function<void(const Json& message)>;

  // Owns `descriptor`, which does not block.
  MessageStream(int descriptor, OnNote on_note) : descriptor_(descriptor), on_note_(std::move(on_note)) {}
  MessageStream(const MessageStream&) = delete;
  MessageStream& operator=(const MessageStream&) = delete;
  ~MessageStream();  // nobody uses it any more

  // The result. Fails with Refused, reason "server_error", where the child answers with an error; with Unavailable,
  // reason "not_sent", where the stream was broken before; with others where nobody knows what the child did.
  Result<Json> request(const std::string& method, Json params, Deadline until);
  Status tell(const Json& message, Deadline until);
  // Takes in what the child has said already, without waiting for more. Fails where the stream is broken.
  Status listen();

 private:
  using Lock = std::unique_lock<std::mutex>;
  Status write(const Json& message, Deadline until);
  Result<Json> wait_for(std::int64_t id, Deadline until);
  void read_some(Lock& lock, Deadline until);
  void take_in(Lock& lock);
  void take_line(const std::string& line, std::vector<Json>& asked);
  void give_up(Error error);

  const int descriptor_;
  const OnNote on_note_;
  std::mutex write_mutex_;  // of a whole message
  std::mutex mutex_;
  std::condition_variable news_;
  std::int64_t next_id_ = 1;  // guarded by mutex_, as all that follows
  std::map<std::int64_t, std::optional<Json>> waiting_;
  bool reading_ = false;  // somebody waits for bytes
  std::string buffer_;
  std::optional<Error> broken_;
};

}  // namespace countersign::broker
