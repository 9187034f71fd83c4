// Writes YAML as gait's encoder does: members in the order they are given, lists at the indentation of their name,
// a scalar plain where it reads back as that text, otherwise in double quotes with Go's escapes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace countersign::gate {

class YamlWriter {
 public:
  void text(std::string_view name, std::string_view value);
  void texts(std::string_view name, const std::vector<std::string>& values);
  void integer(std::string_view name, std::int64_t value);
  void optional_integer(std::string_view name, std::optional<std::int64_t> value);
  void number(std::string_view name, double value);
  void flag(std::string_view name, bool value);
  void optional_flag(std::string_view name, std::optional<bool> value);

  void open(std::string_view name);  // a mapping below `name`, until close
  void close();
  void open_list(std::string_view name, bool empty);  // elements between open_element and close_element
  void open_element();
  void close_element();

  std::string take() { return std::move(out_); }

 private:
  void name(std::string_view name, std::string_view value);
  std::string out_;
  std::size_t indent_ = 0;
  bool starts_element_ = false;
};

// The scalar that reads back as `text`.
std::string yaml_scalar(std::string_view text);

}  // namespace countersign::gate
