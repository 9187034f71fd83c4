// YAML as a tree in which nothing is lost or merged silently: repeated keys, excess depth, size and alias expansion are
// errors. What a scalar means is the reader's business; Fields reads configuration strictly.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/result.h"

namespace countersign {

struct YamlNode {
  enum class Kind { Null, Scalar, Sequence, Map };
  Kind kind = Kind::Null;
  std::string scalar;  // the text, of a Scalar
  bool plain = false;  // a Scalar without quotes or block style
  std::string tag;     // "!" tags as written, empty for none
  std::vector<YamlNode> sequence;
  std::vector<std::pair<std::string, YamlNode>> map;  // in file order, keys unique
  int line = 0;                                       // 1-based, as the others
  int column = 0;
  int key_line = 0;  // of the key it stands under, in a Map
  int key_column = 0;

  const YamlNode* find(std::string_view key) const;
};

struct YamlLimits {
  std::size_t bytes = std::size_t{1} << 20;
  std::size_t depth = 64;
  std::size_t nodes = 100'000;  // after aliases are expanded
  bool single_document = true;  // a second document is an error; otherwise it is ignored
};

// What stopped a parse, for those who say it in other words.
struct YamlFault {
  enum class Kind { Other, RepeatedKey, OpenSequence, Tab };
  Kind kind = Kind::Other;
  int line = 0;  // 1-based, of what is wrong: the second key, the bracket that is never closed
  int column = 0;
  std::string key;  // of a RepeatedKey; it stood first at:
  int first_line = 0;
  int first_column = 0;
  std::string what;  // in our words
};

// Parses the first document. An empty text is a Null node. Plain `null`, `~` and nothing are Null.
// Fails with Invalid naming the line on bad syntax, repeated keys, keys that are no scalars, and exceeded limits; then
// `fault` tells more, where one is given.
Result<YamlNode> parse_yaml(std::string_view text, const YamlLimits& limits, YamlFault* fault = nullptr);

// Reads the members of one mapping, each once; `finish` refuses what nobody asked for. Errors name the path
// ("roles.trace.token").
class YamlFields {
 public:
  // `node` must outlive this. A Null node reads as an empty mapping.
  YamlFields(const YamlNode& node, std::string path);

  const YamlNode* take(std::string_view key);  // null where absent
  bool has(std::string_view key) const;
  Result<std::string> required_text(std::string_view key);
  Result<std::string> text(std::string_view key, std::string_view otherwise);
  Result<bool> boolean(std::string_view key, bool otherwise);  // true|false only
  Result<std::int64_t> integer(std::string_view key, std::int64_t otherwise, std::int64_t least, std::int64_t most);
  Result<std::chrono::nanoseconds> duration(std::string_view key,
                                            std::chrono::nanoseconds otherwise);  // Go's form, > 0
  Result<std::vector<std::string>> texts(std::string_view key);                   // a list of scalars, or absent

  // Fails with Invalid if the node is no mapping or holds a key that was not taken.
  Status finish() const;
  std::string path_of(std::string_view key) const;

 private:
  const YamlNode& node_;
  std::string path_;
  std::vector<std::string> taken_;
};

}  // namespace countersign
