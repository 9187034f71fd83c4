#include "common/durable_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace countersign {
namespace {

class DurableFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "durable-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string in(const std::string& name) const { return folder_ + "/" + name; }

  std::string folder_;
};

TEST_F(DurableFile, IsWrittenWholeWithItsModeAndMissingFolders) {
  ASSERT_TRUE(write_durable(in("a/b/file"), "one", 0600));
  ASSERT_TRUE(write_durable(in("a/b/file"), "two", 0640));
  EXPECT_EQ(*read_file(in("a/b/file")), "two");
  struct stat facts {};
  ASSERT_EQ(stat(in("a/b/file").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0640U);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(in("a/b")), {}), 1) << "no temporary file stays";
}

TEST_F(DurableFile, NeverFollowsALinkNorReplacesADevice) {
  ASSERT_TRUE(write_durable(in("target"), "precious", 0600));
  ASSERT_EQ(symlink(in("target").c_str(), in("link").c_str()), 0);
  const Status through_link = write_durable(in("link"), "x", 0600);
  ASSERT_FALSE(through_link);
  EXPECT_EQ(through_link.error().code, ErrorCode::Refused);
  ASSERT_EQ(mkfifo(in("pipe").c_str(), 0600), 0);
  EXPECT_FALSE(write_durable(in("pipe"), "x", 0600));
  EXPECT_EQ(*read_file(in("target")), "precious");
}

TEST_F(DurableFile, ReadingIsBounded) {
  ASSERT_TRUE(write_durable(in("file"), std::string(1000, 'x'), 0600));
  EXPECT_TRUE(read_file(in("file"), 1000));
  EXPECT_EQ(read_file(in("file"), 999).error().code, ErrorCode::TooLarge);
  EXPECT_EQ(read_file(in("none")).error().code, ErrorCode::NotFound);
  EXPECT_FALSE(read_file(folder_));
  ASSERT_EQ(mkfifo(in("pipe").c_str(), 0600), 0);
  EXPECT_FALSE(read_file(in("pipe"))) << "and does not wait for a writer";
}

TEST_F(DurableFile, PrivateFilesMustBePrivate) {
  ASSERT_TRUE(write_durable(in("pin"), "1234\n", 0400));
  const Result<int> opened = open_private_file(in("pin"));
  ASSERT_TRUE(opened);
  close(*opened);

  ASSERT_EQ(symlink(in("pin").c_str(), in("link").c_str()), 0);
  EXPECT_EQ(open_private_file(in("link")).error().code, ErrorCode::Refused);
  ASSERT_EQ(chmod(in("pin").c_str(), 0440), 0);
  EXPECT_EQ(open_private_file(in("pin")).error().code, ErrorCode::Refused);
  EXPECT_EQ(open_private_file(in("none")).error().code, ErrorCode::NotFound);
  EXPECT_EQ(open_private_file(folder_).error().code, ErrorCode::Refused);
}

}  // namespace
}  // namespace countersign
