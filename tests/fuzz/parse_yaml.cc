// Whatever it is, YAML is read or refused within its limits.
#include "common/strict_yaml.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto node = countersign::parse_yaml(text, {.nodes = 1000});
  if (node) {
    countersign::YamlFields fields(*node, "");
    (void)fields.text("a", "");
    (void)fields.texts("b");
    (void)fields.finish();
  }
  return 0;
}
