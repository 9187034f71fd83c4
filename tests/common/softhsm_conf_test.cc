#include "common/softhsm_conf.h"

#include <gtest/gtest.h>

namespace countersign::test {
namespace {

TEST(SoftHsmConf, NamesItsTokenDirectoryAsSoftHsmReadsIt) {
  EXPECT_EQ(softhsm_tokendir("directories.tokendir = /var/lib/tokens\nobjectstore.backend = file\n"),
            "/var/lib/tokens");
  EXPECT_EQ(softhsm_tokendir("directories.tokendir=/a\r\n"), "/a");
  EXPECT_EQ(softhsm_tokendir("  directories.tokendir = /a # of the trace role"), "/a");
  EXPECT_EQ(softhsm_tokendir("directories.tokendir = /a\ndirectories.tokendir = /b\n"), "/b");
}

TEST(SoftHsmConf, OfACommentOrAnotherNameNamesNone) {
  EXPECT_EQ(softhsm_tokendir("# directories.tokendir = /a\n"), "");
  EXPECT_EQ(softhsm_tokendir("my.directories.tokendir = /a\ndirectories.tokendir\n"), "");
  EXPECT_EQ(softhsm_tokendir(""), "");
}

}  // namespace
}  // namespace countersign::test
