#include "command/approval/token_storage.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/temporary_folder.h"

namespace countersign::command {
namespace {

namespace fs = std::filesystem;

TEST(TokenStorage, IsFineInAnOrdinaryFolder) {
  const test::TemporaryFolder folder;
  EXPECT_FALSE(storage_warning(folder / "token.json"));
  EXPECT_FALSE(storage_warning(folder / "not/yet/made/token.json"));
}

TEST(TokenStorage, WarnsInAGitWorkTreeAndBelow) {
  const test::TemporaryFolder folder;
  fs::create_directories(folder / "repository/deep/er");
  fs::create_directory(folder / "repository/.git");
  for (const char* name : {"repository/token.json", "repository/deep/er/token.json"}) {
    const auto warning = storage_warning(folder / name);
    ASSERT_TRUE(warning) << name;
    EXPECT_NE(warning->find("git work tree"), std::string::npos);
  }
}

TEST(TokenStorage, FollowsALinkIntoAWorkTree) {
  const test::TemporaryFolder folder;
  fs::create_directories(folder / "repository/.git");
  fs::create_directory_symlink(folder / "repository", folder / "link");
  EXPECT_TRUE(storage_warning(folder / "link/token.json"));
}

TEST(TokenStorage, TakesARedirectionFromGroupAndOthers) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "token.json";
  const int descriptor = ::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
  ASSERT_EQ(::fchmod(descriptor, 0644), 0);
  EXPECT_EQ(private_redirection(descriptor), path);
  struct stat facts {};
  ASSERT_EQ(::stat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600U);
  ::close(descriptor);
}

TEST(TokenStorage, KnowsThatAPipeIsNoFile) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  EXPECT_FALSE(private_redirection(ends[1]));
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace countersign::command
