// Where a value stands in its document, as people write it: "rules[3].match.tool_names". A place knows its owner's and
// becomes a text only where something is wrong there.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace countersign::gate {

class DocumentPlace {
 public:
  DocumentPlace() = default;  // the document itself
  // Below `owner`, which outlives this, as `name` does; `index` in a list of that name.
  DocumentPlace(const DocumentPlace& owner, std::string_view name, std::optional<std::size_t> index = std::nullopt)
      : owner_(&owner), name_(name), index_(index) {}

  std::string text() const;  // empty of the document itself
  // The path of a member here, and of an element of it where it is a list.
  std::string of(std::string_view member, std::optional<std::size_t> index = std::nullopt) const;
  // The same without indexes, as Go names the fields of its structures.
  std::string go_path() const;

 private:
  const DocumentPlace* owner_ = nullptr;
  std::string_view name_;
  std::optional<std::size_t> index_;
};

}  // namespace countersign::gate
