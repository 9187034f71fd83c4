#include "gate/vetting/bill_of_materials.h"

#include <gtest/gtest.h>

namespace countersign::vetting {
namespace {

// CycloneDX 1.5, `bom-ref`: "Every bom-ref must be unique within the BOM."
TEST(BillOfMaterials, NamesAPackageOnceWithItsPlaces) {
  const std::vector<Package> packages = {{Ecosystem::Npm, "@s/ms", "2.1.3", "package-lock.json"},
                                         {Ecosystem::Npm, "@s/ms", "2.1.3", "node_modules/@s/ms/package.json"},
                                         {Ecosystem::PyPI, "idna", "3.6", "requirements.txt"}};
  const Json bill = bill_of_materials("server", Tree{}, packages);
  const Json::Array& components = bill.find("components")->as_array();
  ASSERT_EQ(components.size(), 2U);
  EXPECT_EQ(components[0].text("bom-ref"), "pkg:npm/%40s/ms@2.1.3");
  EXPECT_EQ(components[0].find("properties")->as_array().size(), 2U);
  EXPECT_EQ(components[1].text("bom-ref"), "pkg:pypi/idna@3.6");
  EXPECT_EQ(purl({Ecosystem::Debian, "libssl3", "3.0.11-1~deb12u2", "", "12", "openssl", ""}),
            "pkg:deb/debian/libssl3@3.0.11-1~deb12u2?distro=debian-12");
  EXPECT_EQ(purl({Ecosystem::Alpine, "libstdc++", "12.2.1-r4", "", "v3.18", "gcc", ""}),
            "pkg:apk/alpine/libstdc%2B%2B@12.2.1-r4?distro=alpine-3.18");
}

}  // namespace
}  // namespace countersign::vetting
