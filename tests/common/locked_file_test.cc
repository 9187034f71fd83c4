#include "common/locked_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/temporary_folder.h"

namespace countersign {
namespace {

using Wait = LockedFile::Wait;

TEST(LockedFile, IsHeldByOneUntilItIsClosed) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "lock";
  {
    Result<LockedFile> first = LockedFile::open(path, O_RDWR, 0600, Wait::No);
    ASSERT_TRUE(first) << first.error().detail;
    const LockedFile moved = *std::move(first);
    const Result<LockedFile> second = LockedFile::open(path, O_RDONLY, 0600, Wait::No);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::Conflict);
    EXPECT_EQ(second.error().reason, "locked");
  }
  EXPECT_TRUE(LockedFile::open(path, O_RDONLY, 0600, Wait::Yes));
  struct stat facts {};
  ASSERT_EQ(stat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0600U);
}

TEST(LockedFile, IsNoLinkAndNeedsItsFolder) {
  const test::TemporaryFolder folder;
  std::filesystem::create_symlink(folder / "elsewhere", folder / "lock");
  for (const char* name : {"lock", "missing/lock"}) {
    const Result<LockedFile> file = LockedFile::open(folder / name, O_RDWR, 0600, Wait::No);
    ASSERT_FALSE(file) << name;
    EXPECT_EQ(file.error().code, ErrorCode::Unavailable);
    EXPECT_TRUE(file.error().reason.empty());
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "elsewhere"));
}

}  // namespace
}  // namespace countersign
