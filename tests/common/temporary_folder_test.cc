#include "common/temporary_folder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/support/temporary_folder.h"

namespace countersign {
namespace {

TEST(TemporaryFolder, IsPrivateGoesWithItsOwnerAndNeedsItsParent) {
  const test::TemporaryFolder parent;
  std::string path;
  {
    const Result<TemporaryFolder> folder = TemporaryFolder::make(parent.path());
    ASSERT_TRUE(folder) << folder.error().detail;
    path = folder->path();
    struct stat facts {};
    ASSERT_EQ(stat(path.c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 07777, 0700U);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_EQ(TemporaryFolder::make(parent / "nowhere").error().reason, "folder_unwritable");
}

}  // namespace
}  // namespace countersign
