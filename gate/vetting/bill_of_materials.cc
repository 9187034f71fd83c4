#include "gate/vetting/bill_of_materials.h"

#include <map>

namespace countersign::vetting {
namespace {

std::string uuid_of(const Digest& digest) {
  std::string hex = digest.hex().substr(0, 32);
  hex[12] = '8';                                            // version 8: made as an application likes
  hex[16] = "89ab"[static_cast<std::size_t>(hex[16]) & 3];  // variant of RFC 9562
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" + hex.substr(16, 4) + "-" +
         hex.substr(20, 12);
}

}  // namespace

Json bill_of_materials(const std::string& name, const Tree& tree, const std::vector<Package>& packages) {
  const std::string digest = tree.digest().hex();
  // A component for each package, which may lie in several places: CycloneDX wants each bom-ref once.
  std::map<std::string, std::pair<const Package*, Json::Array>> by_reference;
  for (const Package& package : packages) {
    auto& [first, places] = by_reference[purl(package)];
    first = &package;
    places.push_back(Json::object({{"name", "countersign:path"}, {"value", package.path}}));
  }
  Json::Array components;
  for (auto& [reference, component] : by_reference) {
    components.push_back(Json::object({{"bom-ref", reference},
                                       {"type", "library"},
                                       {"name", component.first->name},
                                       {"version", component.first->version},
                                       {"purl", reference},
                                       {"properties", std::move(component.second)}}));
  }
  Json::Array files;
  for (const TreeEntry& entry : tree.entries) {
    if (entry.kind != TreeEntry::Kind::File) continue;
    files.push_back(
        Json::object({{"type", "file"},
                      {"name", entry.path},
                      {"hashes", Json::Array{Json::object({{"alg", "SHA-256"}, {"content", entry.digest.hex()}})}}}));
  }
  return Json::object(
      {{"$schema", "http://cyclonedx.org/schema/bom-1.5.schema.json"},
       {"bomFormat", "CycloneDX"},
       {"specVersion", "1.5"},
       {"serialNumber", "urn:uuid:" + uuid_of(tree.digest())},
       {"version", 1},
       {"metadata",
        Json::object({{"component",
                       Json::object({{"bom-ref", "tree:" + digest},
                                     {"type", "application"},
                                     {"name", name},
                                     {"hashes", Json::Array{Json::object({{"alg", "SHA-256"}, {"content", digest}})}},
                                     {"components", std::move(files)}})}})},
       {"components", std::move(components)}});
}

}  // namespace countersign::vetting
