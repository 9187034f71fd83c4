#include "gate/document/document_place.h"

namespace countersign::gate {
namespace {

std::string under(std::string owner, std::string_view name) {
  if (!owner.empty()) owner += '.';
  return owner.append(name);
}

}  // namespace

std::string DocumentPlace::text() const {
  return owner_ == nullptr ? std::string() : owner_->of(name_, index_);
}

std::string DocumentPlace::of(std::string_view member, std::optional<std::size_t> index) const {
  std::string out = under(text(), member);
  if (index) out += "[" + std::to_string(*index) + "]";
  return out;
}

std::string DocumentPlace::go_path() const {
  return owner_ == nullptr ? std::string() : under(owner_->go_path(), name_);
}

}  // namespace countersign::gate
