// RFC 8785 against the input and output files of its reference implementation, where they lie beside the tree.
// json_test.cc has cases of our own.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/shared_fixtures.h"

namespace countersign {
namespace {

TEST(JcsFixtures, AreReproducedByteForByte) {
  const auto folder = test::shared_fixtures("jcs");
  if (!folder) GTEST_SKIP() << "the files of RFC 8785's reference implementation are not beside the tree";
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*folder + "/input")) {
    const std::string name = entry.path().filename().string();
    const Result<Json> value = Json::parse(test::fixture_text(entry.path().string()));
    ASSERT_TRUE(value) << name << ": " << value.error().detail;
    std::string wanted = test::fixture_text(*folder + "/output/" + name);
    while (wanted.ends_with('\n')) wanted.pop_back();
    EXPECT_EQ(value->canonical(), wanted) << name;
    ++files;
  }
  EXPECT_GE(files, 6);
}

}  // namespace
}  // namespace countersign
