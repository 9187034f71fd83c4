// JSON where it must cost little, on the path of a signature: one pass, one block of memory, names and texts as views.
// What Json is for everything else; both accept the same texts and write the same bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <memory_resource>
#include <string>
#include <string_view>
#include <utility>

#include "common/json.h"

namespace countersign {

// One value. Belongs to the JsonTree that made it, and is linked into at most one array or object.
struct JsonNode {
  enum class Kind : std::uint8_t { Null, Bool, Integer, Double, Text, Array, Object };

  std::string_view name;      // of a member of an object
  std::string_view text;      // of a Text
  std::int64_t integer = 0;   // of an Integer; of a Bool 0 or 1
  double number = 0;          // of a Double
  JsonNode* first = nullptr;  // of an Array's elements or an Object's members, in their order
  JsonNode* last = nullptr;
  JsonNode* next = nullptr;  // of the same array or object
  std::uint32_t count = 0;   // elements or members
  Kind kind = Kind::Null;

  bool is(Kind which) const { return kind == which; }
  bool is_number() const { return kind == Kind::Integer || kind == Kind::Double; }
  double as_double() const { return kind == Kind::Integer ? static_cast<double>(integer) : number; }

  // The member of that name; null where this is no object or has none.
  const JsonNode* find(std::string_view member) const;
  JsonNode* find(std::string_view member) { return const_cast<JsonNode*>(std::as_const(*this).find(member)); }
  // The text of a string member; empty where there is none or it is no string.
  std::string_view text_of(std::string_view member) const;

  void clear();                                         // of elements or members
  void append(JsonNode& child);                         // behind the last one
  void insert_after(JsonNode* place, JsonNode& child);  // null: before the first one
  // Takes the member of that name out and gives it; null where there is none.
  JsonNode* take(std::string_view member);

  // for (const JsonNode& element : array.children())
  template <typename Node>
  struct Range {
    struct Iterator {
      Node* at;
      Node& operator*() const { return *at; }
      Iterator& operator++() {
        at = at->next;
        return *this;
      }
      bool operator!=(const Iterator& other) const { return at != other.at; }
    };
    Node* head;
    Iterator begin() const { return {head}; }
    Iterator end() const { return {nullptr}; }
  };
  Range<const JsonNode> children() const { return {first}; }
  Range<JsonNode> children() { return {first}; }

  // As Json's functions of those names.
  std::string canonical() const;
  Digest digest() const { return sha256(canonical()); }
  std::string compact() const;
  void append_compact(std::string& out) const;
  Json json() const;
};

// The memory of nodes, and which of them is meant. Copies share both.
class JsonTree {
 public:
  JsonTree(const Json& value);  // NOLINT: a copy of all of it
  // Accepts and refuses as Json::parse does. `text` must outlive the nodes.
  static Result<JsonTree> parse(std::string_view text);

  JsonNode& root() const { return *root_; }
  // Another node as root, in the same memory.
  JsonTree at(JsonNode& root) const { return JsonTree(memory_, root); }

  // New nodes, and texts that live as long as they do.
  JsonNode& make(JsonNode::Kind kind) const;
  JsonNode& make_text(std::string_view viewed) const;
  JsonNode& make_number(std::uint64_t value) const;  // a double where it exceeds int64
  JsonNode& make_copy(const Json& value) const;
  std::string_view keep(std::string_view text) const;
  // Free to be linked elsewhere and to be given other children; what is below its children is shared.
  JsonNode& copy(const JsonNode& node) const;

 private:
  using Memory = std::pmr::monotonic_buffer_resource;
  JsonTree(std::shared_ptr<Memory> memory, JsonNode& root) : memory_(std::move(memory)), root_(&root) {}
  std::shared_ptr<Memory> memory_;
  JsonNode* root_ = nullptr;
};

}  // namespace countersign
