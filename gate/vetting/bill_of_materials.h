// The software bill of materials of a tree: CycloneDX 1.5, the same bytes for the same tree.
#pragma once

#include <string>
#include <vector>

#include "common/json.h"
#include "gate/vetting/package.h"
#include "gate/vetting/tree.h"

namespace countersign::vetting {

// `name` is what the tree is of. Its serial number is made from the tree's digest (a UUID of RFC 9562 version 8). Every
// package is a component with its purl, every file one of the subject with its SHA-256.
Json bill_of_materials(const std::string& name, const Tree& tree, const std::vector<Package>& packages);

}  // namespace countersign::vetting
