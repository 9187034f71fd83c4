#include "gate/vetting/version.h"

#include <gtest/gtest.h>

namespace countersign::vetting {
namespace {

struct Order {
  const char* name;
  Ecosystem ecosystem;
  std::vector<const char*> ascending;
};

class VersionOrder : public testing::TestWithParam<Order> {};

TEST_P(VersionOrder, IsThatOfItsEcosystem) {
  const auto& all = GetParam().ascending;
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t k = 0; k < all.size(); ++k) {
      const auto order = compare_versions(GetParam().ecosystem, all[i], all[k]);
      ASSERT_TRUE(order.has_value()) << all[i] << " " << all[k];
      EXPECT_EQ(*order < 0, i < k) << all[i] << " " << all[k];
      EXPECT_EQ(*order == 0, i == k) << all[i] << " " << all[k];
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Table, VersionOrder,
    testing::Values(
        // Semantic Versioning 2.0.0 §11, the example of the specification and beyond.
        Order{"Npm",
              Ecosystem::Npm,
              {"0", "0.0.8", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2",
               "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.9.0", "1.10.0", "4.17.15", "4.17.21",
               "18446744073709551616.0.0"}},
        Order{"Go", Ecosystem::Go, {"v0.0.0-20200101000000-abcdef012345", "v0.1.0", "1.2.0", "v1.10.0"}},
        // Debian Policy §5.6.12.
        Order{"Debian", Ecosystem::Debian, {"0",          "1.0~~",          "1.0~~a",         "1.0~",
                                            "1.0",        "1.0-1~deb12u1",  "1.0-1",          "1.0-1+b1",
                                            "1.0-1.1",    "1.0-2",          "1.0-10",         "1.0a-1",
                                            "1.0+dfsg-1", "1.0.1-1",        "1.2-1",          "1.10-1",
                                            "1.10-1-1",   "2.36-9+deb12u3", "2.36-9+deb12u4", "2.36-9+deb12u10",
                                            "1:0.1",      "2:0.0"}},
        // apk-tools 2, test/version.data in spirit: pre-releases, letters, zeros in front, patches, revisions.
        Order{"Alpine",
              Ecosystem::Alpine,
              {"0",      "0.1_alpha", "0.1_alpha1", "0.1_beta",  "0.1_pre2",    "0.1_rc1", "0.1_rc1-r1",
               "0.1",    "0.1-r0",    "0.1-r1",     "0.1-r10",   "0.1_git2023", "0.1_p1",  "0.1_p1-r2",
               "0.1_p2", "0.1a",      "0.1b",       "0.1.00",    "0.1.0",       "0.1.01",  "0.1.1",
               "0.1.2",  "0.1.10",    "0.2",        "3.0.11-r0", "3.0.12-r0"}},
        // PEP 440, "Summary of permitted suffixes and relative ordering".
        Order{"PyPI",
              Ecosystem::PyPI,
              {"1.dev0",
               "1.0.dev456",
               "1.0a1",
               "1.0a2.dev456",
               "1.0a12.dev456",
               "1.0a12",
               "1.0b1.dev456",
               "1.0b2",
               "1.0b2.post345.dev456",
               "1.0b2.post345",
               "1.0rc1.dev456",
               "1.0rc1",
               "1.0",
               "1.0+abc.5",
               "1.0+abc.7",
               "1.0+5",
               "1.0.post456.dev34",
               "1.0.post456",
               "1.0.15",
               "1.1.dev1",
               "2.10",
               "2.11.3",
               "1!0.1"}}),
    [](const auto& info) { return info.param.name; });

TEST(VersionOrder, TakesSpellingsOfOneVersionForOne) {
  EXPECT_EQ(compare_versions(Ecosystem::PyPI, "1.0.0", "1"), 0);
  EXPECT_EQ(compare_versions(Ecosystem::PyPI, "v1.0-ALPHA_1", "1.0a1"), 0);
  EXPECT_EQ(compare_versions(Ecosystem::PyPI, "1.0-1", "1.0.post1"), 0);
  EXPECT_EQ(compare_versions(Ecosystem::Npm, "1.2.3+build", "v1.2.3"), 0);
}

TEST(VersionOrder, DoesNotGuess) {
  for (const char* each : {"", "latest", "1.x", "git+https://example", "1.2.3.4"}) {
    EXPECT_FALSE(compare_versions(Ecosystem::Npm, each, "1.0.0").has_value()) << each;
  }
  for (const char* each : {"", ":1", "x:1", "1.0-", "1_0", "1.0 "}) {
    EXPECT_FALSE(compare_versions(Ecosystem::Debian, each, "1.0").has_value()) << each;
  }
  for (const char* each : {"", "latest", "1..0", "1.0_new", "1.0-1", "1.0-r", "1.0ab"}) {
    EXPECT_FALSE(compare_versions(Ecosystem::Alpine, each, "1.0").has_value()) << each;
  }
  for (const char* each : {"", "latest", "1.0a1x", "==1.0", "1.0+"}) {
    EXPECT_FALSE(compare_versions(Ecosystem::PyPI, each, "1.0").has_value()) << each;
  }
}

}  // namespace
}  // namespace countersign::vetting
