#include "common/json_tree.h"

#include <cstring>
#include <unordered_set>
#include <vector>

#include "common/json_lexer.h"

namespace countersign {
namespace {

// Of a tree's memory at first: what a trace's request and document need.
constexpr std::size_t kUsualMemory = std::size_t{24} << 10;

template <typename T>
T* allocate(std::pmr::memory_resource& memory) {
  return ::new (memory.allocate(sizeof(T), alignof(T))) T();
}

std::string_view kept(std::pmr::memory_resource& memory, std::string_view text) {
  if (text.empty()) return {};
  char* copy = static_cast<char*>(memory.allocate(text.size(), 1));
  text.copy(copy, text.size());
  return {copy, text.size()};
}

// Makes nodes of what the lexer finds.
class Builder {
 public:
  Builder(std::string_view text, std::pmr::memory_resource& memory) : text_(text), memory_(memory) {}

  void begin_object() { open(JsonNode::Kind::Object); }
  void begin_array() { open(JsonNode::Kind::Array); }
  bool end_object() {
    const Level& level = open_.back();
    if (level.node->count > json_lexer::kFewMembers) {
      std::unordered_set<std::string_view> seen;
      for (const JsonNode& member : level.node->children()) {
        if (!seen.insert(member.name).second) repeated = member.name;
      }
    } else if (level.similar) {
      for (const JsonNode& member : level.node->children()) {
        if (level.node->find(member.name) != &member) repeated = member.name;
      }
    }
    open_.pop_back();
    return repeated.empty();
  }
  void end_array() { open_.pop_back(); }
  void key(std::string_view name) { key_ = viewed(name); }
  void text(std::string_view text) { add(JsonNode::Kind::Text).text = viewed(text); }
  void value(std::int64_t value) { add(JsonNode::Kind::Integer).integer = value; }
  void value(double value) { add(JsonNode::Kind::Double).number = value; }
  void value(bool value) { add(JsonNode::Kind::Bool).integer = value ? 1 : 0; }
  void value(std::nullptr_t) { add(JsonNode::Kind::Null); }

  JsonNode* whole = nullptr;
  std::string_view repeated;  // the member that stood twice

 private:
  struct Level {
    JsonNode* node;
    std::uint64_t seen = 0;  // a bit for each length and first and last letter of a name
    bool similar = false;    // two names have the same bit: only then can one stand twice
  };

  void open(JsonNode::Kind kind) { open_.push_back({&add(kind)}); }

  JsonNode& add(JsonNode::Kind kind) {
    JsonNode& node = *allocate<JsonNode>(memory_);
    node.kind = kind;
    if (open_.empty()) {
      whole = &node;
      return node;
    }
    Level& level = open_.back();
    if (level.node->kind == JsonNode::Kind::Object) {
      node.name = std::exchange(key_, {});
      const std::uint64_t bit = bit_of(node.name);
      level.similar = level.similar || (level.seen & bit) != 0;
      level.seen |= bit;
    }
    level.node->append(node);
    return node;
  }

  static std::uint64_t bit_of(std::string_view name) {
    if (name.empty()) return 1;
    const auto mixed =
        5 * name.size() + 3 * static_cast<unsigned char>(name.front()) + 7 * static_cast<unsigned char>(name.back());
    return std::uint64_t{1} << (mixed % 64);
  }

  // What holds no escape stands in the text as it is; the rest is in a buffer of the lexer.
  std::string_view viewed(std::string_view part) {
    const std::less_equal<const char*> before;
    const bool inside =
        before(text_.data(), part.data()) && before(part.data() + part.size(), text_.data() + text_.size());
    return inside ? part : kept(memory_, part);
  }

  std::string_view text_;
  std::pmr::memory_resource& memory_;
  std::vector<Level> open_;
  std::string_view key_;
};

JsonNode& copied(std::pmr::memory_resource& memory, const Json& value) {
  JsonNode& node = *allocate<JsonNode>(memory);
  if (value.is_bool()) {
    node.kind = JsonNode::Kind::Bool;
    node.integer = value.as_bool() ? 1 : 0;
  } else if (value.is_integer()) {
    node.kind = JsonNode::Kind::Integer;
    node.integer = value.as_integer();
  } else if (value.is_number()) {
    node.kind = JsonNode::Kind::Double;
    node.number = value.as_double();
  } else if (value.is_string()) {
    node.kind = JsonNode::Kind::Text;
    node.text = kept(memory, value.as_string());
  } else if (value.is_array()) {
    node.kind = JsonNode::Kind::Array;
    for (const Json& element : value.as_array()) node.append(copied(memory, element));
  } else if (value.is_object()) {
    node.kind = JsonNode::Kind::Object;
    for (const Json::Member& member : value.as_object()) {
      JsonNode& child = copied(memory, member.second);
      child.name = kept(memory, member.first);
      node.append(child);
    }
  }
  return node;
}

}  // namespace

const JsonNode* JsonNode::find(std::string_view member) const {
  if (kind != Kind::Object) return nullptr;
  for (const JsonNode& child : children()) {
    if (child.name == member) return &child;
  }
  return nullptr;
}

std::string_view JsonNode::text_of(std::string_view member) const {
  const JsonNode* child = find(member);
  return child != nullptr && child->kind == Kind::Text ? child->text : std::string_view();
}

void JsonNode::clear() {
  first = nullptr;
  last = nullptr;
  count = 0;
}

void JsonNode::append(JsonNode& child) {
  insert_after(last, child);
}

void JsonNode::insert_after(JsonNode* place, JsonNode& child) {
  JsonNode*& before = place == nullptr ? first : place->next;
  child.next = before;
  before = &child;
  if (last == place) last = &child;
  ++count;
}

JsonNode* JsonNode::take(std::string_view member) {
  JsonNode* before = nullptr;
  for (JsonNode* child = first; child != nullptr; before = child, child = child->next) {
    if (child->name != member) continue;
    (before == nullptr ? first : before->next) = child->next;
    if (last == child) last = before;
    --count;
    child->next = nullptr;
    return child;
  }
  return nullptr;
}

Json JsonNode::json() const {
  switch (kind) {
    case Kind::Null:
      return Json();
    case Kind::Bool:
      return Json(integer != 0);
    case Kind::Integer:
      return Json(integer);
    case Kind::Double:
      return Json(number);
    case Kind::Text:
      return Json(text);
    case Kind::Array: {
      Json::Array out;
      out.reserve(count);
      for (const JsonNode& element : children()) out.push_back(element.json());
      return Json(std::move(out));
    }
    case Kind::Object: {
      Json::Object out;
      out.reserve(count);
      for (const JsonNode& member : children()) out.emplace_back(member.name, member.json());
      return Json(std::move(out));
    }
  }
  __builtin_unreachable();
}

JsonTree::JsonTree(const Json& value) : memory_(std::make_shared<Memory>(kUsualMemory)) {
  root_ = &copied(*memory_, value);
}

Result<JsonTree> JsonTree::parse(std::string_view text) {
  const Json::Limits limits;
  if (text.size() > limits.bytes) return json_lexer::too_large(text.size(), limits.bytes);
  auto memory = std::make_shared<Memory>(kUsualMemory);
  Builder builder(text, *memory);
  RETURN_IF_ERROR(json_lexer::read(text, limits, builder));
  return JsonTree(std::move(memory), *builder.whole);
}

JsonNode& JsonTree::make(JsonNode::Kind kind) const {
  JsonNode& node = *allocate<JsonNode>(*memory_);
  node.kind = kind;
  return node;
}

JsonNode& JsonTree::make_text(std::string_view viewed) const {
  JsonNode& node = make(JsonNode::Kind::Text);
  node.text = viewed;
  return node;
}

JsonNode& JsonTree::make_number(std::uint64_t value) const {
  return make_copy(Json(value));
}

JsonNode& JsonTree::make_copy(const Json& value) const {
  return copied(*memory_, value);
}

std::string_view JsonTree::keep(std::string_view text) const {
  return kept(*memory_, text);
}

JsonNode& JsonTree::copy(const JsonNode& node) const {
  JsonNode& out = *allocate<JsonNode>(*memory_);
  out = node;
  out.next = nullptr;
  out.clear();
  for (const JsonNode& child : node.children()) {
    JsonNode& same = *allocate<JsonNode>(*memory_);
    same = child;
    out.append(same);
  }
  return out;
}

}  // namespace countersign
