#include "pkcs11/token_directory.h"

#include <sys/mount.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "common/durable_file.h"
#include "pkcs11/failure.h"
#include "tests/pkcs11/pkcs11_fixture.h"
#include "tests/support/child_process.h"

namespace countersign::pkcs11 {
namespace {

namespace fs = std::filesystem;

class Guard : public OpenToken {
 protected:
  void empty_token_object() { fs::resize_file(token_.token_object(), 0); }
  std::string copy() const {
    return token_.tokens() + ".copies/" + fs::path(token_.token_object()).parent_path().filename().string() +
           "/token.object";
  }
};

TEST_F(Guard, KeepsACopyOutsideTheTokenDirectory) {
  ASSERT_OK(open());
  const auto content = read_file(copy());
  ASSERT_OK(content);
  EXPECT_EQ(content->size(), fs::file_size(token_.token_object()));
  struct stat facts {};
  ASSERT_EQ(stat(copy().c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600U);
}

TEST_F(Guard, BringsAnEmptiedTokenBackAndSaysSo) {
  ASSERT_OK(open());
  empty_token_object();
  const auto session = open();
  ASSERT_OK(session);
  ASSERT_EQ(session->restored().size(), 1U);
  EXPECT_TRUE(token_.token_object().find(session->restored().front()) != std::string::npos);
}

TEST_F(Guard, BringsARemovedTokenObjectBack) {
  ASSERT_OK(open());
  fs::remove(token_.token_object());
  const auto session = open();
  ASSERT_OK(session);
  EXPECT_EQ(session->restored().size(), 1U);
}

TEST_F(Guard, WithoutACopySaysThatTheTokenIsLost) {
  empty_token_object();
  const auto session = open();
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().reason, kTokenNotFound);
  EXPECT_NE(session.error().hint.find("backup"), std::string::npos) << session.error().hint;
}

TEST_F(Guard, NeverOverwritesAGoodCopyWithATornFile) {
  ASSERT_OK(open());
  const auto good = read_file(copy());
  ASSERT_OK(good);
  fs::resize_file(token_.token_object(), 100);
  EXPECT_FALSE(open());
  const auto kept = read_file(copy());
  ASSERT_OK(kept);
  EXPECT_EQ(*kept, *good);
  // What an operator does next.
  fs::resize_file(token_.token_object(), 0);
  EXPECT_OK(open());
}

TEST_F(Guard, RemovesWhatAKilledRestoreLeft) {
  ASSERT_OK(open());
  const std::string leftover = token_.token_object() + ".0123456789ab.tmp";
  std::ofstream(leftover) << "half";
  ASSERT_OK(open());
  EXPECT_FALSE(fs::exists(leftover));
}

TEST_F(Guard, RestoresWhenTheLoginLeftTheFileEmpty) {
  const TokenPlace place = place_of(token_);
  {
    auto guard = TokenDirectoryGuard::lock(place);
    ASSERT_OK(guard);
    ASSERT_OK(guard->before_login());
    EXPECT_OK(guard->after_login());
    // What ENOSPC does to SoftHSM's login, which answers CKR_OK.
    empty_token_object();
    const Status after = guard->after_login();
    ASSERT_FALSE(after);
    EXPECT_EQ(after.error().reason, kTokenNotWritten);
    EXPECT_TRUE(may_retry_start(after.error()));
  }
  EXPECT_OK(open());
}

TEST_F(Guard, RefusesToLogInWhenTheDiskIsNearlyFull) {
  ASSERT_OK(open());
  const std::string elsewhere = token_.folder() + "/elsewhere";
  fs::rename(token_.tokens(), elsewhere);
  fs::create_directory(token_.tokens());
  if (mount("none", token_.tokens().c_str(), "tmpfs", 0, "size=1200k,mode=0700") != 0) {
    GTEST_SKIP() << "not run: needs to mount a tmpfs";
  }
  fs::copy(elsewhere, token_.tokens(), fs::copy_options::recursive);
  EXPECT_OK(open()) << "1 MiB is free";
  std::ofstream(token_.tokens() + "/ballast") << std::string(256 * 1024, 'x');
  const auto session = open();
  EXPECT_FALSE(session);
  if (!session) {
    EXPECT_EQ(session.error().reason, kDiskNearlyFull);
    EXPECT_EQ(session.error().code, ErrorCode::Unavailable);
    EXPECT_FALSE(may_retry_start(session.error()));
  }
  fs::remove(token_.tokens() + "/ballast");
  EXPECT_OK(open());
  EXPECT_EQ(umount(token_.tokens().c_str()), 0);
}

TEST_F(Guard, CopiesTheWholeDirectoryBeforeAKeyIsMade) {
  const auto session = open();
  ASSERT_OK(session);
  ASSERT_OK(session->generate_key_pair(spec_of(KeyKind::P256, "first")));
  ASSERT_OK(session->generate_key_pair(spec_of(KeyKind::P256, "second")));
  const fs::path folder = fs::path(token_.token_object()).parent_path();
  const fs::path kept = fs::path(token_.tokens() + ".before-change") / folder.filename();
  const auto objects = [](const fs::path& at) {
    return std::distance(fs::directory_iterator(at), fs::directory_iterator());
  };
  EXPECT_GT(objects(kept), 0);
  EXPECT_LT(objects(kept), objects(folder)) << "the copy is of before the second key";
}

TEST_F(Guard, ReportsEmptyObjectsAndTokensWithoutACopy) {
  const auto before = inspect_token_directory(token_.tokens());
  ASSERT_OK(before);
  ASSERT_EQ(before->size(), 1U);
  EXPECT_NE((*before)[0].message.find("no copy"), std::string::npos);
  ASSERT_OK(open());
  const auto healthy = inspect_token_directory(token_.tokens());
  ASSERT_OK(healthy);
  EXPECT_TRUE(healthy->empty());
  empty_token_object();
  std::ofstream(fs::path(token_.token_object()).parent_path() / "aaaa.object");
  const auto sick = inspect_token_directory(token_.tokens());
  ASSERT_OK(sick);
  ASSERT_EQ(sick->size(), 2U);
  for (const TokenDirectoryFinding& finding : *sick) EXPECT_FALSE(finding.hint.empty());
}

TEST_F(Guard, LetsOneProgramInAtATime) {
  auto guard = TokenDirectoryGuard::lock(place_of(token_));
  ASSERT_OK(guard);
  test::ChildProcess waiting({{test::program("test_open_token"), token_.conf(), token_.label(), token_.pin_file()}});
  EXPECT_FALSE(waiting.wait_for_output("ready", std::chrono::milliseconds(300)));
  EXPECT_TRUE(waiting.running());
  { const TokenDirectoryGuard released = *std::move(guard); }
  EXPECT_TRUE(waiting.wait_for_output("ready"));
  EXPECT_EQ(waiting.wait().exit_code, 0);
}

TEST_F(Guard, SharesOneLockAmongSpellingsOfOneDirectory) {
  fs::create_directory_symlink(token_.tokens(), token_.folder() + "/alias");
  std::ofstream(token_.folder() + "/alias.conf") << "directories.tokendir = " << token_.folder() << "/alias/\n";
  const auto direct = softhsm_token_directory(token_.conf());
  const auto alias = softhsm_token_directory(token_.folder() + "/alias.conf");
  ASSERT_OK(direct);
  ASSERT_OK(alias);
  EXPECT_EQ(*direct, *alias);
}

TEST_F(Guard, ReadsTheConfigurationStrictlyEnough) {
  const std::string conf = token_.folder() + "/other.conf";
  std::ofstream(conf) << "objectstore.backend = file\n";
  EXPECT_FALSE(softhsm_token_directory(conf)) << "no directory";
  std::ofstream(conf) << "directories.tokendir = relative/tokens\n";
  EXPECT_FALSE(softhsm_token_directory(conf)) << "relative";
  EXPECT_FALSE(softhsm_token_directory(token_.folder() + "/none.conf")) << "missing";
}

TEST_F(Guard, IsALockFileByModuleAndTokenForOtherModules) {
  TokenPlace place = {"/usr/lib/vendor/pkcs11.so", "label", "0001", "", token_.folder()};
  auto guard = TokenDirectoryGuard::lock(place);
  ASSERT_OK(guard);
  EXPECT_TRUE(guard->directory().empty());
  EXPECT_OK(guard->before_login());
  EXPECT_OK(guard->after_login());
  EXPECT_OK(guard->before_change());
  EXPECT_OK(guard->after_change());
  // Another token of that module has another lock, so this does not wait.
  place.serial = "0002";
  EXPECT_OK(TokenDirectoryGuard::lock(place));
}

}  // namespace
}  // namespace countersign::pkcs11
