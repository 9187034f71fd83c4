#include "gate/policy/yaml_writer.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "common/clock.h"
#include "common/json.h"
#include "gate/policy/policy_fields.h"

namespace countersign::gate {
namespace {

constexpr std::string_view kReserved[] = {"null",  "Null", "NULL",  "~",     "true",  "True", "TRUE", "false", "False",
                                          "FALSE", "y",    "Y",     "yes",   "Yes",   "YES",  "n",    "N",     "no",
                                          "No",    "NO",   "on",    "On",    "ON",    "off",  "Off",  "OFF",   ".inf",
                                          ".Inf",  ".INF", "-.inf", "-.Inf", "-.INF", ".nan", ".NaN", ".NAN",  "-"};
constexpr std::string_view kOpening = "*&[{}],!|>%'\"@ `";

bool digits_at(std::string_view text, std::size_t at, std::size_t count) {
  if (at + count > text.size()) return false;
  return std::all_of(text.begin() + static_cast<std::ptrdiff_t>(at),
                     text.begin() + static_cast<std::ptrdiff_t>(at + count),
                     [](char c) { return c >= '0' && c <= '9'; });
}

// 2006-01-02, with " 15:04:05" or as RFC 3339; 15:4.
bool is_time(std::string_view text) {
  if (const std::size_t colon = text.find(':'); colon != std::string_view::npos && text.size() <= 5) {
    const std::size_t after = text.size() - colon - 1;
    return colon > 0 && colon <= 2 && digits_at(text, 0, colon) && after >= 1 && after <= 2 &&
           digits_at(text, colon + 1, after);
  }
  const bool date = text.size() >= 10 && digits_at(text, 0, 4) && text[4] == '-' && digits_at(text, 5, 2) &&
                    text[7] == '-' && digits_at(text, 8, 2);
  if (!date) return false;
  if (text.size() == 10) return true;
  if (text[10] == ' ') {
    return text.size() == 19 && digits_at(text, 11, 2) && text[13] == ':' && digits_at(text, 14, 2) &&
           text[16] == ':' && digits_at(text, 17, 2);
  }
  return UtcTime::parse(text).has_value();
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

bool needs_quotes(std::string_view text) {
  if (text.empty() || std::find(std::begin(kReserved), std::end(kReserved), text) != std::end(kReserved)) return true;
  if (reads_as_number(text) || kOpening.find(text.front()) != std::string_view::npos) return true;
  if (text.back() == ':' || text.back() == ' ' || is_time(text) || has_control(text)) return true;
  if (text.find_first_of("#\\") != std::string_view::npos) return true;
  return text.find(": ") != std::string_view::npos || text.find("- ") != std::string_view::npos;
}

std::string quoted(std::string_view text) {
  constexpr std::array<std::pair<char, char>, 9> kEscapes = {{{'\a', 'a'},
                                                              {'\b', 'b'},
                                                              {'\f', 'f'},
                                                              {'\n', 'n'},
                                                              {'\r', 'r'},
                                                              {'\t', 't'},
                                                              {'\v', 'v'},
                                                              {'\\', '\\'},
                                                              {'"', '"'}}};
  std::string out = "\"";
  for (const char c : text) {
    const auto* escape =
        std::find_if(kEscapes.begin(), kEscapes.end(), [c](const auto& row) { return row.first == c; });
    if (escape != kEscapes.end()) {
      out += '\\';
      out += escape->second;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      std::array<char, 8> hex{};
      std::snprintf(hex.data(), hex.size(), "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += hex.data();
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace

std::string yaml_scalar(std::string_view text) {
  return needs_quotes(text) ? quoted(text) : std::string(text);
}

void YamlWriter::name(std::string_view name, std::string_view value) {
  if (starts_element_) {
    out_.append(indent_ - 2, ' ').append("- ");
    starts_element_ = false;
  } else {
    out_.append(indent_, ' ');
  }
  out_.append(name).append(":");
  if (!value.empty()) out_.append(" ").append(value);
  out_ += '\n';
}

void YamlWriter::text(std::string_view member, std::string_view value) {
  name(member, yaml_scalar(value));
}

void YamlWriter::texts(std::string_view member, const std::vector<std::string>& values) {
  name(member, values.empty() ? "[]" : "");
  for (const std::string& value : values)
    out_.append(indent_, ' ').append("- ").append(yaml_scalar(value)).append("\n");
}

void YamlWriter::integer(std::string_view member, std::int64_t value) {
  name(member, std::to_string(value));
}

void YamlWriter::optional_integer(std::string_view member, std::optional<std::int64_t> value) {
  name(member, value ? std::to_string(*value) : "null");
}

void YamlWriter::number(std::string_view member, double value) {
  std::string text = ecmascript_number(value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  name(member, text);
}

void YamlWriter::flag(std::string_view member, bool value) {
  name(member, value ? "true" : "false");
}

void YamlWriter::optional_flag(std::string_view member, std::optional<bool> value) {
  name(member, !value ? "null" : *value ? "true" : "false");
}

void YamlWriter::open(std::string_view member) {
  name(member, "");
  indent_ += 2;
}

void YamlWriter::close() {
  indent_ -= 2;
}

void YamlWriter::open_list(std::string_view member, bool empty) {
  name(member, empty ? "[]" : "");
}

void YamlWriter::open_element() {
  indent_ += 2;
  starts_element_ = true;
}

void YamlWriter::close_element() {
  indent_ -= 2;
}

}  // namespace countersign::gate
