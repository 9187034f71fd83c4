#include "gate/policy/policy_fields.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "common/json.h"

namespace countersign::gate {
namespace {

constexpr std::string_view kTextTag = "tag:yaml.org,2002:str";

enum class ScalarKind { Bool, Integer, Huge, Float, Text };

struct Scalar {
  ScalarKind kind = ScalarKind::Text;
  bool flag = false;
  std::int64_t integer = 0;
  double number = 0;
};

// Digits of `base` with underscores between them; false where `text` is none. Beyond int64: Huge.
bool read_integer(std::string_view text, int base, bool negative, Scalar& out) {
  std::string digits;
  for (const char c : text) {
    if (c != '_') digits += c;
  }
  if (digits.empty()) return false;
  std::uint64_t magnitude = 0;
  const char* end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, magnitude, base);
  if (read.ptr != end) return false;
  constexpr std::uint64_t kMost = std::uint64_t{1} << 63;
  if (read.ec != std::errc() || magnitude > kMost || (magnitude == kMost && !negative)) {
    out.kind = ScalarKind::Huge;
    return true;
  }
  out.kind = ScalarKind::Integer;
  out.integer = static_cast<std::int64_t>(negative ? 0 - magnitude : magnitude);
  return true;
}

// YAML 1.2 numbers with goccy's liberties: underscores, and a leading 0 for octal.
bool read_number(std::string_view text, Scalar& out) {
  if (text.empty()) return false;
  const bool negative = text.front() == '-';
  if (text.front() == '-' || text.front() == '+') text.remove_prefix(1);
  if (text.empty() || text.front() == '_' || text.back() == '_') return false;
  const std::string_view prefix = text.substr(0, 2);
  if (prefix == "0x" || prefix == "0X") return read_integer(text.substr(2), 16, negative, out);
  if (prefix == "0o") return read_integer(text.substr(2), 8, negative, out);
  if (prefix == "0b") return read_integer(text.substr(2), 2, negative, out);
  if (text.size() > 1 && text.front() == '0' && text.find_first_of(".eE89") == std::string_view::npos) {
    return read_integer(text.substr(1), 8, negative, out);
  }
  if (text.find_first_not_of("0123456789_") == std::string_view::npos) return read_integer(text, 10, negative, out);
  if (text.find_first_not_of("0123456789_.eE+-") != std::string_view::npos) return false;
  std::string digits;
  for (const char c : text) {
    if (c != '_') digits += c;
  }
  double value = 0;
  const char* end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, value);
  if (read.ec != std::errc() || read.ptr != end) return false;
  out.kind = ScalarKind::Float;
  out.number = negative ? -value : value;
  return true;
}

Scalar scalar_of(const YamlNode& node) {
  Scalar out;
  // gait ignores tags, apart from YAML's own for texts.
  const bool tagged = !node.tag.empty() && node.tag != kTextTag;
  if (!node.plain && !tagged) return out;
  const std::string& text = node.scalar;
  if (text == "true" || text == "True" || text == "TRUE" || text == "false" || text == "False" || text == "FALSE") {
    out.kind = ScalarKind::Bool;
    out.flag = text.front() == 't' || text.front() == 'T';
    return out;
  }
  read_number(text, out);
  return out;
}

std::string text_of(const YamlNode& node) {
  const Scalar scalar = scalar_of(node);
  switch (scalar.kind) {
    case ScalarKind::Bool:
      return scalar.flag ? "true" : "false";
    case ScalarKind::Integer:
      return std::to_string(scalar.integer);
    case ScalarKind::Float:
      return ecmascript_number(scalar.number);
    case ScalarKind::Huge:
    case ScalarKind::Text:
      return node.scalar;
  }
  return node.scalar;
}

// What goccy calls a node where it expected another kind of node, and where it decodes it into a Go value.
struct KindName {
  std::string_view node;
  std::string_view value;
};

KindName kind_of(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::Null:
      return {"null", "nil"};
    case YamlNode::Kind::Sequence:
      return {"sequence", "[]interface {}"};
    case YamlNode::Kind::Map:
      return {"mapping", "map[string]interface {}"};
    case YamlNode::Kind::Scalar:
      break;
  }
  switch (const Scalar scalar = scalar_of(node); scalar.kind) {
    case ScalarKind::Bool:
      return {"boolean", "bool"};
    case ScalarKind::Integer:
      return {"int", scalar.integer < 0 ? "int64" : "uint64"};
    case ScalarKind::Huge:
      return {"int", "uint64"};
    case ScalarKind::Float:
      return {"float", "float64"};
    case ScalarKind::Text:
      return {"string", "string"};
  }
  return {"string", "string"};
}

}  // namespace

bool reads_as_number(std::string_view text) {
  Scalar scalar;
  return read_number(text, scalar);
}

std::string yaml_position(int line, int column) {
  return "[" + std::to_string(std::max(line, 1)) + ":" + std::to_string(std::max(column, 1)) + "] ";
}

PolicyFields::PolicyFields(const YamlNode& node, std::string_view structure, FirstError& error)
    : node_(node), structure_(structure), error_(error) {
  check_kind();
}

PolicyFields::PolicyFields(const YamlNode& node, std::string_view structure, const PolicyFields& owner,
                           std::string_view name, std::optional<std::size_t> index)
    : node_(node), structure_(structure), place_(owner.place_, name, index), error_(owner.error_) {
  check_kind();
}

void PolicyFields::check_kind() {
  if (node_.kind != YamlNode::Kind::Map && node_.kind != YamlNode::Kind::Null) {
    misplaced(node_, "mapping", place_.text());
  }
}

PolicyFields::~PolicyFields() {
  for (const auto& member : node_.map) {
    if (std::find(taken_.begin(), taken_.end(), member.first) == taken_.end()) {
      error_.add(
          yaml_position(member.second.key_line, member.second.key_column) + "unknown field \"" + member.first + "\"",
          place_.of(member.first));
    }
  }
}

const YamlNode* PolicyFields::take(std::string_view name) {
  taken_.push_back(name);
  const YamlNode* node = node_.find(name);
  return node == nullptr || node->kind == YamlNode::Kind::Null ? nullptr : node;
}

void PolicyFields::mistyped(const YamlNode& node, std::string_view wanted, std::string place) {
  error_.add(yaml_position(node.line, node.column) + "cannot unmarshal " + std::string(kind_of(node).value) +
                 " into Go struct field " + std::string(structure_) + " of type " + std::string(wanted),
             std::move(place));
}

void PolicyFields::misplaced(const YamlNode& node, std::string_view wanted, std::string place) {
  error_.add(yaml_position(node.line, node.column) + std::string(kind_of(node).node) + " was used where " +
                 std::string(wanted) + " is expected",
             std::move(place));
}

void PolicyFields::text(std::string_view name, std::string& out) {
  const YamlNode* node = take(name);
  if (node == nullptr) return;
  if (node->kind != YamlNode::Kind::Scalar) return mistyped(*node, "string", place_.of(name));
  out = text_of(*node);
}

void PolicyFields::texts(std::string_view name, std::vector<std::string>& out) {
  const YamlNode* node = sequence(name);
  if (node == nullptr) return;
  for (std::size_t i = 0; i < node->sequence.size(); ++i) {
    const YamlNode& element = node->sequence[i];
    if (element.kind == YamlNode::Kind::Null) continue;
    if (element.kind != YamlNode::Kind::Scalar) return mistyped(element, "string", place_.of(name, i));
    out.push_back(text_of(element));
  }
}

void PolicyFields::optional_integer(std::string_view name, std::optional<std::int64_t>& out) {
  const YamlNode* node = take(name);
  if (node == nullptr) return;
  if (node->kind != YamlNode::Kind::Scalar) return mistyped(*node, "int", place_.of(name));
  Scalar scalar = scalar_of(*node);
  if (!node->plain) read_number(node->scalar, scalar);  // '5' counts
  constexpr double kBeyond = 9223372036854775808.0;     // 2^63
  if (scalar.kind == ScalarKind::Integer) {
    out = scalar.integer;
  } else if (scalar.kind == ScalarKind::Float && scalar.number > -kBeyond && scalar.number < kBeyond) {
    out = static_cast<std::int64_t>(std::trunc(scalar.number));
  } else if (scalar.kind == ScalarKind::Huge || scalar.kind == ScalarKind::Float) {
    error_.add(yaml_position(node->line, node->column) + "cannot unmarshal " + node->scalar +
                   " into Go value of type int ( overflow )",
               place_.of(name));
  } else {
    mistyped(*node, "int", place_.of(name));
  }
}

void PolicyFields::integer(std::string_view name, std::int64_t& out) {
  std::optional<std::int64_t> value;
  optional_integer(name, value);
  if (value) out = *value;
}

void PolicyFields::optional_boolean(std::string_view name, std::optional<bool>& out) {
  const YamlNode* node = take(name);
  if (node == nullptr) return;
  const Scalar scalar = scalar_of(*node);
  if (node->kind != YamlNode::Kind::Scalar || scalar.kind != ScalarKind::Bool)
    return mistyped(*node, "bool", place_.of(name));
  out = scalar.flag;
}

void PolicyFields::boolean(std::string_view name, bool& out) {
  std::optional<bool> value;
  optional_boolean(name, value);
  if (value) out = *value;
}

void PolicyFields::number(std::string_view name, double& out) {
  const YamlNode* node = take(name);
  if (node == nullptr) return;
  if (node->kind != YamlNode::Kind::Scalar) return mistyped(*node, "float64", place_.of(name));
  Scalar scalar = scalar_of(*node);
  if (!node->plain) read_number(node->scalar, scalar);
  if (scalar.kind == ScalarKind::Integer) {
    out = static_cast<double>(scalar.integer);
  } else if (scalar.kind == ScalarKind::Float) {
    out = scalar.number;
  } else {
    mistyped(*node, "float64", place_.of(name));
  }
}

const YamlNode* PolicyFields::mapping(std::string_view name) {
  const YamlNode* node = take(name);
  if (node == nullptr || node->kind == YamlNode::Kind::Map) return node;
  misplaced(*node, "mapping", place_.of(name));
  return nullptr;
}

const YamlNode* PolicyFields::sequence(std::string_view name) {
  const YamlNode* node = take(name);
  if (node == nullptr || node->kind == YamlNode::Kind::Sequence) return node;
  misplaced(*node, "sequence", place_.of(name));
  return nullptr;
}

}  // namespace countersign::gate
