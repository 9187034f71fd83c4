// What a template wants shown: its controls, and which files of a pack belong to each (gait-formats §16.2).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"

namespace countersign::packs {

struct Control {
  std::string_view id;
  std::string_view title;
  std::span<const std::string_view> types;  // a file of one of these belongs to it
  std::span<const std::string_view> names;  // and one whose name contains one of these
};

struct Template {
  std::string_view id;
  std::span<const Control> controls;
};

// "soc2", "pci", "incident_response"; any other name is the last, as gait has it.
const Template& template_named(std::string_view name);

// gait's control_index: every control with the paths of its evidence, sorted. `contents` as in the manifest.
Json control_index(const Template& chosen, const Json& contents);

}  // namespace countersign::packs
