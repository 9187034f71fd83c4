// What is read is written and read again as the same value (1.0 and 1 are one); the canonical form is a fixed point.
// Json and JsonTree accept and refuse the same texts and write the same bytes.
#include <cstdlib>

#include "common/json_tree.h"

namespace {

void compare_tree(std::string_view text) {
  const auto json = countersign::Json::parse(text);
  const auto tree = countersign::JsonTree::parse(text);
  if (json.has_value() != tree.has_value()) std::abort();
  if (!json) {
    // Of several repeated members either may name another.
    if (json.error().reason != tree.error().reason) std::abort();
    return;
  }
  if (tree->root().compact() != json->compact() || tree->root().canonical() != json->canonical()) std::abort();
  if (!(tree->root().json() == *json)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using countersign::Json;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  compare_tree(text);
  for (const bool gait : {false, true}) {
    const auto json = Json::parse(text, Json::Limits{.gait = gait});
    if (!json) continue;
    const auto again = Json::parse(json->compact());
    if (!again || again->canonical() != json->canonical()) std::abort();
    const std::string canonical = json->canonical();
    const auto canonical_again = Json::parse(canonical);
    if (!canonical_again || canonical_again->canonical() != canonical) std::abort();
    if (!Json::parse(json->gait_file()) || !Json::parse(json->gait_line())) std::abort();
  }
  return 0;
}
