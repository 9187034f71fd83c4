// What is read of a source, and what is not.
#include <gtest/gtest.h>

#include <filesystem>

#include "common/durable_file.h"
#include "gate/vetting/advisories.h"
#include "gate/vetting/signatures.h"
#include "gate/vetting/tree.h"
#include "tests/support/temporary_folder.h"

namespace countersign::vetting {
namespace {

class Source : public testing::Test {
 protected:
  Source() {
    std::filesystem::create_directories(tree() + "/a/b");
    EXPECT_TRUE(write_durable(tree() + "/a/b/deep", "12345", 0644));
    EXPECT_TRUE(write_durable(tree() + "/top", "67890", 0644));
  }
  std::string tree() const { return folder_ / "tree"; }
  std::string read(const TreeLimits& limits) const {
    const Result<Tree> found = read_tree(tree(), limits);
    return found ? "read" : found.error().reason;
  }

  test::TemporaryFolder folder_;
};

TEST_F(Source, IsReadUpToItsLimitsAndNoFurther) {
  const TreeLimits just{.files = 2, .bytes = 10, .file_bytes = 5, .depth = 2};
  EXPECT_EQ(read(just), "read");
  for (const auto change :
       {+[](TreeLimits& limits) { limits.files = 1; }, +[](TreeLimits& limits) { limits.bytes = 9; },
        +[](TreeLimits& limits) { limits.file_bytes = 4; }, +[](TreeLimits& limits) { limits.depth = 1; }}) {
    TreeLimits limits = just;
    change(limits);
    EXPECT_EQ(read(limits), "source_too_large");
  }
}

TEST_F(Source, ThatIsNotThereIsNotAnEmptyOne) {
  EXPECT_EQ(read_tree(folder_ / "nowhere", {}).error().reason, "source_unreadable");
  EXPECT_EQ(read_tree(tree() + "/top", {}).error().reason, "source_unreadable");
}

TEST_F(Source, IsCopiedWholeOrNotAtAll) {
  std::vector<TreeEntry> left_out;
  EXPECT_EQ(copy_tree(tree(), folder_ / "nowhere", {}, left_out).error().reason, "store_unwritable");
  std::filesystem::create_directory(folder_ / "copy");
  const Result<Tree> copy = copy_tree(tree(), folder_ / "copy", {}, left_out);
  ASSERT_TRUE(copy) << copy.error().detail;
  EXPECT_EQ(copy->digest(), read_tree(tree(), {})->digest());
}

TEST_F(Source, ThatChangedAfterItWasReadIsNotScanned) {
  const Tree found = *read_tree(tree(), {});
  const TreeEntry& top = found.entries.back();
  EXPECT_EQ(*content_of(found, top), "67890");
  ASSERT_TRUE(write_durable(tree() + "/top", "67891", 0644));
  EXPECT_EQ(content_of(found, top).error().reason, "source_changed");
}

TEST(Signatures, AreListedInTwoForms) {
  Signatures signatures;
  EXPECT_TRUE(
      signatures.add_list("# a comment\n\npattern shell eval\\(\n" + std::string(64, 'a') + ":12:worm\r\n", "list"));
  for (const std::string& bad :
       {std::string("pattern"), std::string("pattern shell"), std::string("pattern shell ("), std::string("worm"),
        std::string(64, 'a') + ":worm", std::string(63, 'a') + ":12:worm", std::string(64, 'a') + ":many:worm"}) {
    const Status added = signatures.add_list("# first\n" + bad + "\n", "list");
    ASSERT_FALSE(added) << bad;
    EXPECT_EQ(added.error().reason, "signature_list") << bad;
    EXPECT_NE(added.error().detail.find("list:2"), std::string::npos) << added.error().detail;
  }
}

TEST_F(Source, IsLookedUpInADatabaseThatIsThere) {
  EXPECT_TRUE(look_up(folder_.path(), {}));
  EXPECT_EQ(look_up(folder_ / "nowhere", {}).error().reason, "advisories_missing");
}

}  // namespace
}  // namespace countersign::vetting
