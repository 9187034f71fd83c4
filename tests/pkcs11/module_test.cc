#include "pkcs11/module.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "pkcs11/failure.h"
#include "tests/pkcs11/pkcs11_fixture.h"
#include "tests/support/temporary_folder.h"

namespace countersign::pkcs11 {
namespace {

namespace fs = std::filesystem;

class ModuleFile : public ::testing::Test {
 protected:
  // A copy of SoftHSM in a folder of ours.
  ModuleFile() : module_(folder_ / "inner/module.so") {
    fs::create_directory(folder_ / "inner");
    fs::copy_file(test::kSoftHsmModule, module_);
    chmod(module_.c_str(), 0755);
    chmod((folder_ / "inner").c_str(), 0755);
  }
  test::TemporaryFolder folder_;
  std::string module_;
};

TEST_F(ModuleFile, OfOursInAFolderOfOursIsAccepted) {
  EXPECT_OK(check_module_file(module_));
}

TEST_F(ModuleFile, ReachedThroughALinkIsAccepted) {
  fs::create_symlink("inner/module.so", folder_ / "link.so");
  EXPECT_OK(check_module_file(folder_ / "link.so"));
  EXPECT_OK(check_module_file(test::kSoftHsmModule));
}

TEST_F(ModuleFile, WritableByOthersIsRefused) {
  for (const mode_t mode : {0775, 0757}) {
    chmod(module_.c_str(), mode);
    const Status status = check_module_file(module_);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::Refused);
    EXPECT_EQ(status.error().reason, kModuleRefused);
  }
}

TEST_F(ModuleFile, InAFolderWritableByOthersIsRefused) {
  chmod((folder_ / "inner").c_str(), 0777);
  EXPECT_FALSE(check_module_file(module_));
}

TEST_F(ModuleFile, ReachedThroughALinkInAFolderWritableByOthersIsRefused) {
  fs::create_directory(folder_ / "open");
  fs::create_symlink(folder_ / "inner/module.so", folder_ / "open/hop.so");
  fs::create_symlink(folder_ / "open/hop.so", folder_ / "link.so");
  EXPECT_OK(check_module_file(folder_ / "link.so"));
  chmod((folder_ / "open").c_str(), 0777);
  EXPECT_FALSE(check_module_file(folder_ / "link.so"));
}

TEST_F(ModuleFile, OfAnotherUserIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  ASSERT_EQ(chown(module_.c_str(), 65534, 65534), 0);
  EXPECT_FALSE(check_module_file(module_));
}

TEST_F(ModuleFile, ThatIsMissingIsNotFound) {
  const Status status = check_module_file(folder_ / "none.so");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::NotFound);
}

TEST_F(ModuleFile, WithARelativePathIsRefused) {
  EXPECT_FALSE(check_module_file("inner/module.so"));
}

TEST_F(ModuleFile, InALoopOfLinksIsRefused) {
  fs::create_symlink("b.so", folder_ / "a.so");
  fs::create_symlink("a.so", folder_ / "b.so");
  EXPECT_FALSE(check_module_file(folder_ / "a.so"));
}

TEST_F(ModuleFile, ThatIsNoModuleDoesNotLoad) {
  const std::string text = folder_ / "text.so";
  std::ofstream(text) << "not a library\n";
  const auto module = Module::load(text);
  ASSERT_FALSE(module);
  EXPECT_EQ(module.error().reason, kModuleRefused);
  EXPECT_FALSE(may_retry_start(module.error()));
}

TEST(LoadedModule, IsDescribedAndCannotBeLoadedTwiceAtATime) {
  const test::SoftToken token;
  setenv("SOFTHSM2_CONF", token.conf().c_str(), 1);
  {
    const auto first = Module::load(test::kSoftHsmModule);
    ASSERT_OK(first);
    EXPECT_EQ((*first)->description(), "SoftHSM 2.6");
    const auto second = Module::load(test::kSoftHsmModule);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::Conflict);
    CK_INFO info{};
    EXPECT_EQ((*first)->functions().C_GetInfo(&info), CKR_OK) << "the refused load must not end the first";
  }
  EXPECT_OK(Module::load(test::kSoftHsmModule));
}

}  // namespace
}  // namespace countersign::pkcs11
