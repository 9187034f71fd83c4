// Server-sent events as they come (WHATWG HTML, §9.2): the data of each, whole. Identifiers and retry times are not
// kept.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace countersign::broker {

class EventStream {
 public:
  // Called with the data of each event of the type "message"; true ends the reading.
  using OnEvent = std::function<bool(const std::string& data)>;
  explicit EventStream(OnEvent on_event) : on_event_(std::move(on_event)) {}

  // True once nothing more is wanted.
  bool take(std::string_view bytes);

 private:
  bool end_line();
  OnEvent on_event_;
  std::string line_;
  std::string data_;
  std::string type_;
  bool has_data_ = false;
  bool after_return_ = false;
  bool enough_ = false;
};

}  // namespace countersign::broker
