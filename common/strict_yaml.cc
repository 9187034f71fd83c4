#include "common/strict_yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <sstream>

#include "common/clock.h"

namespace countersign {
namespace {

// Thrown and caught in this file only: yaml-cpp has no other way to stop a parse.
struct Refusal {
  YamlFault fault;
  Refusal(std::string what, const YAML::Mark& mark) {
    fault.what = std::move(what);
    fault.line = mark.line + 1;
    fault.column = mark.column + 1;
  }
};

// Builds our tree from yaml-cpp's events. Aliases are expanded by copy, under the node limit, so that an expansion bomb
// costs no more than the limit.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const YamlLimits& limits) : limits_(limits) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { complete(node_at(mark), anchor, mark); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto known = anchors_.find(anchor);
    if (known == anchors_.end()) throw Refusal{"an alias inside its own anchor", mark};
    count(known->second, mark);
    YamlNode copy = known->second;
    place(std::move(copy), mark);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode node = node_at(mark);
    node.plain = tag == "?";
    node.tag = tag == "?" || tag == "!" ? "" : tag;
    if (node.plain && (value.empty() || value == "~" || value == "null" || value == "Null" || value == "NULL")) {
      node.kind = YamlNode::Kind::Null;
    } else {
      node.kind = YamlNode::Kind::Scalar;
      node.scalar = value;
    }
    // A plain `null` as a key is still the text of that key.
    if (expects_key() && node.kind == YamlNode::Kind::Null) {
      node.kind = YamlNode::Kind::Scalar;
      node.scalar = value;
    }
    complete(std::move(node), anchor, mark);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::Sequence, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::Map, mark, tag, anchor);
  }
  void OnMapEnd() override { close(); }

  YamlNode root;

  // The innermost sequence that is not closed yet; null where there is none.
  const YamlNode* open_sequence() const {
    for (auto open = open_.rbegin(); open != open_.rend(); ++open) {
      if (open->node.kind == YamlNode::Kind::Sequence) return &open->node;
    }
    return nullptr;
  }

 private:
  struct Open {
    YamlNode node;
    YAML::anchor_t anchor = 0;
    YAML::Mark mark;
    bool has_key = false;
    std::string key;
    YAML::Mark key_mark;
  };

  static YamlNode node_at(const YAML::Mark& mark) {
    YamlNode node;
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    return node;
  }

  bool expects_key() const {
    return !open_.empty() && open_.back().node.kind == YamlNode::Kind::Map && !open_.back().has_key;
  }

  void open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (expects_key()) throw Refusal{"a key that is no scalar", mark};
    if (open_.size() >= limits_.depth) throw Refusal{"nested too deeply", mark};
    Open frame;
    frame.node = node_at(mark);
    frame.node.kind = kind;
    frame.mark = mark;
    frame.node.tag = tag == "?" || tag == "!" ? "" : tag;
    frame.anchor = anchor;
    open_.push_back(std::move(frame));
  }

  void close() {
    Open frame = std::move(open_.back());
    open_.pop_back();
    complete(std::move(frame.node), frame.anchor, frame.mark);
  }

  void count(const YamlNode& node, const YAML::Mark& mark) {
    if (++nodes_ > limits_.nodes) throw Refusal{"too many nodes", mark};
    for (const YamlNode& element : node.sequence) count(element, mark);
    for (const auto& member : node.map) count(member.second, mark);
  }

  void complete(YamlNode node, YAML::anchor_t anchor, const YAML::Mark& mark) {
    if (++nodes_ > limits_.nodes) throw Refusal{"too many nodes", mark};
    if (anchor != 0) anchors_[anchor] = node;
    place(std::move(node), mark);
  }

  void place(YamlNode node, const YAML::Mark& mark) {
    if (open_.empty()) {
      root = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == YamlNode::Kind::Sequence) {
      parent.node.sequence.push_back(std::move(node));
      return;
    }
    if (!parent.has_key) {
      if (node.kind != YamlNode::Kind::Scalar) throw Refusal{"a key that is no scalar", mark};
      if (const YamlNode* first = parent.node.find(node.scalar)) {
        Refusal refusal{"the key \"" + node.scalar.substr(0, 64) + "\" stands twice", mark};
        refusal.fault.kind = YamlFault::Kind::RepeatedKey;
        refusal.fault.key = node.scalar;
        refusal.fault.first_line = first->key_line;
        refusal.fault.first_column = first->key_column;
        throw refusal;
      }
      parent.key = std::move(node.scalar);
      parent.key_mark = mark;
      parent.has_key = true;
      return;
    }
    node.key_line = parent.key_mark.line + 1;
    node.key_column = parent.key_mark.column + 1;
    parent.node.map.emplace_back(std::move(parent.key), std::move(node));
    parent.has_key = false;
  }

  const YamlLimits& limits_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, YamlNode> anchors_;
  std::size_t nodes_ = 0;
};

// Tells whether anything stands after the first document.
class AnotherDocument : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
};

Error yaml_error(int line, const std::string& what) {
  return Error{ErrorCode::Invalid, "YAML, line " + std::to_string(line) + ": " + what};
}

YamlFault fault_of(const YAML::Exception& failure, const TreeBuilder& builder) {
  YamlFault fault;
  fault.line = failure.mark.line + 1;
  fault.column = failure.mark.column + 1;
  fault.what = failure.msg;
  if (failure.msg == YAML::ErrorMsg::TAB_IN_INDENTATION) fault.kind = YamlFault::Kind::Tab;
  const YamlNode* open = builder.open_sequence();
  if (open != nullptr && failure.msg == YAML::ErrorMsg::END_OF_SEQ_FLOW) {
    fault.kind = YamlFault::Kind::OpenSequence;
    fault.line = open->line;
    fault.column = open->column;
  }
  return fault;
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  for (const auto& member : map) {
    if (member.first == key) return &member.second;
  }
  return nullptr;
}

Result<YamlNode> parse_yaml(std::string_view text, const YamlLimits& limits, YamlFault* fault) {
  if (text.size() > limits.bytes) {
    return Error{ErrorCode::TooLarge, "a YAML document larger than " + std::to_string(limits.bytes) + " bytes"};
  }
  if (text.find('\0') != std::string_view::npos) return yaml_error(1, "a NUL byte");
  TreeBuilder builder(limits);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return YamlNode{};
    AnotherDocument rest;
    if (limits.single_document && parser.HandleNextDocument(rest)) return yaml_error(1, "more than one document");
  } catch (const Refusal& refusal) {
    if (fault != nullptr) *fault = refusal.fault;
    return yaml_error(refusal.fault.line, refusal.fault.what);
  } catch (const YAML::Exception& failure) {
    if (fault != nullptr) *fault = fault_of(failure, builder);
    return yaml_error(failure.mark.line + 1, failure.msg);
  }
  return std::move(builder.root);
}

YamlFields::YamlFields(const YamlNode& node, std::string path) : node_(node), path_(std::move(path)) {}

std::string YamlFields::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

const YamlNode* YamlFields::take(std::string_view key) {
  taken_.emplace_back(key);
  return node_.find(key);
}

bool YamlFields::has(std::string_view key) const {
  return node_.find(key) != nullptr;
}

Result<std::string> YamlFields::required_text(std::string_view key) {
  if (!has(key))
    return Error{ErrorCode::Invalid, path_of(key) + " is missing (line " + std::to_string(node_.line) + ")"};
  return text(key, "");
}

Result<std::string> YamlFields::text(std::string_view key, std::string_view otherwise) {
  const YamlNode* node = take(key);
  if (node == nullptr) return std::string(otherwise);
  if (node->kind != YamlNode::Kind::Scalar) {
    return Error{ErrorCode::Invalid, path_of(key) + " must be a text (line " + std::to_string(node->line) + ")"};
  }
  return node->scalar;
}

Result<bool> YamlFields::boolean(std::string_view key, bool otherwise) {
  const YamlNode* node = take(key);
  if (node == nullptr) return otherwise;
  if (node->kind == YamlNode::Kind::Scalar && node->plain && node->scalar == "true") return true;
  if (node->kind == YamlNode::Kind::Scalar && node->plain && node->scalar == "false") return false;
  return Error{ErrorCode::Invalid, path_of(key) + " must be true or false (line " + std::to_string(node->line) + ")"};
}

Result<std::int64_t> YamlFields::integer(std::string_view key, std::int64_t otherwise, std::int64_t least,
                                         std::int64_t most) {
  const YamlNode* node = take(key);
  if (node == nullptr) return otherwise;
  std::int64_t value = 0;
  const char* end = node->scalar.data() + node->scalar.size();
  const auto read = std::from_chars(node->scalar.data(), end, value);
  if (node->kind != YamlNode::Kind::Scalar || !node->plain || read.ec != std::errc() || read.ptr != end ||
      value < least || value > most) {
    return Error{ErrorCode::Invalid, path_of(key) + " must be a whole number from " + std::to_string(least) + " to " +
                                         std::to_string(most) + " (line " + std::to_string(node->line) + ")"};
  }
  return value;
}

Result<std::chrono::nanoseconds> YamlFields::duration(std::string_view key, std::chrono::nanoseconds otherwise) {
  const YamlNode* node = take(key);
  if (node == nullptr) return otherwise;
  if (node->kind == YamlNode::Kind::Scalar) {
    const Result<std::chrono::nanoseconds> span = parse_duration(node->scalar);
    if (span && span->count() > 0) return *span;
  }
  return Error{ErrorCode::Invalid, path_of(key) + " must be a duration above zero such as 15m, 1h30m or 90s (line " +
                                       std::to_string(node->line) + ")"};
}

Result<std::vector<std::string>> YamlFields::texts(std::string_view key) {
  const YamlNode* node = take(key);
  std::vector<std::string> out;
  if (node == nullptr) return out;
  if (node->kind == YamlNode::Kind::Sequence) {
    for (const YamlNode& element : node->sequence) {
      if (element.kind != YamlNode::Kind::Scalar) break;
      out.push_back(element.scalar);
    }
    if (out.size() == node->sequence.size()) return out;
  }
  return Error{ErrorCode::Invalid, path_of(key) + " must be a list of texts (line " + std::to_string(node->line) + ")"};
}

Status YamlFields::finish() const {
  if (node_.kind == YamlNode::Kind::Null) return ok();
  if (node_.kind != YamlNode::Kind::Map) {
    return Error{ErrorCode::Invalid, (path_.empty() ? "the document" : path_) + " must be a mapping (line " +
                                         std::to_string(node_.line) + ")"};
  }
  for (const auto& member : node_.map) {
    if (std::find(taken_.begin(), taken_.end(), member.first) == taken_.end()) {
      return Error{ErrorCode::Invalid,
                   path_of(member.first) + " is not a known option (line " + std::to_string(member.second.line) + ")"};
    }
  }
  return ok();
}

}  // namespace countersign
