#include "gate/broker/event_stream.h"

#include <utility>

namespace countersign::broker {

bool EventStream::take(std::string_view bytes) {
  for (const char c : bytes) {
    if (enough_) return true;
    const bool second_of_pair = c == '\n' && after_return_;
    after_return_ = c == '\r';
    if (second_of_pair) continue;
    if (c != '\n' && c != '\r') {
      line_ += c;
    } else if (end_line()) {
      enough_ = true;
    }
  }
  return enough_;
}

// Handles a whole line; true where its event was the last one wanted.
bool EventStream::end_line() {
  const std::string line = std::exchange(line_, {});
  if (line.empty()) {
    const std::string data = std::exchange(data_, {});
    const std::string type = std::exchange(type_, {});
    return std::exchange(has_data_, false) && (type.empty() || type == "message") && on_event_(data);
  }
  const std::size_t colon = line.find(':');
  const std::string field = line.substr(0, colon);
  std::string value = colon == std::string::npos ? "" : line.substr(colon + 1);
  if (value.starts_with(' ')) value.erase(0, 1);
  if (field == "event") type_ = value;
  if (field != "data") return false;
  if (std::exchange(has_data_, true)) data_ += '\n';
  data_ += value;
  return false;
}

}  // namespace countersign::broker
