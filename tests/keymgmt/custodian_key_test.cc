#include "keymgmt/custodian_key.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "common/durable_file.h"
#include "common/secret_source.h"
#include "tests/support/temporary_folder.h"

namespace countersign::keymgmt {
namespace {

SecretBytes secret(std::string_view text) {
  return SecretBytes(Bytes(text.begin(), text.end()));
}

TEST(CustodianKey, ComesBackFromItsPemAndSigns) {
  for (const Algorithm algorithm : kAlgorithms) {
    const CustodianKey key = CustodianKey::generate(algorithm);
    const Result<std::string> pem = key.encrypted_pem(secret("correct horse"));
    ASSERT_TRUE(pem);
    EXPECT_TRUE(pem->starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    const auto again = CustodianKey::from_pem(*pem, secret("correct horse"));
    ASSERT_TRUE(again) << again.error().detail;
    EXPECT_EQ(again->public_key().kid(), key.public_key().kid());
    const Result<Bytes> signature = again->sign(view_of("text"));
    ASSERT_TRUE(signature);
    EXPECT_TRUE(key.public_key().verify(view_of("text"), *signature));
  }
}

TEST(CustodianKey, IsNotOpenedByAnotherPassphrase) {
  const std::string pem = *CustodianKey::generate(Algorithm::Ed25519).encrypted_pem(secret("right"));
  const auto opened = CustodianKey::from_pem(pem, secret("wrong"));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().reason, "passphrase_wrong");
}

TEST(CustodianKey, WithoutAPassphraseIsRefused) {
  const auto opened =
      CustodianKey::from_pem("-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n", secret("x"));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().reason, "key_unprotected");
  EXPECT_EQ(CustodianKey::from_pem("nothing", secret("x")).error().code, ErrorCode::Invalid);
}

TEST(CustodianKey, FileOfItsOwnerAlone) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "ann.pem";
  const std::string pem = *CustodianKey::generate(Algorithm::P256).encrypted_pem(secret("right"));
  ASSERT_TRUE(write_durable(path, pem, 0600));
  EXPECT_TRUE(CustodianKey::from_file(path, secret("right")));
  ASSERT_TRUE(write_durable(path, pem, 0644));
  std::filesystem::permissions(path, std::filesystem::perms(0644));
  EXPECT_EQ(CustodianKey::from_file(path, secret("right")).error().code, ErrorCode::Refused);
}

TEST(SecretSource, ReadsFilesDescriptorsAndCredentialsAndNothingElse) {
  const test::TemporaryFolder folder;
  ASSERT_TRUE(write_durable(folder / "pass", "swordfish\n", 0600));
  const auto from_file = secret_from("file:" + (folder / "pass"), "");
  ASSERT_TRUE(from_file);
  EXPECT_EQ(text_of(from_file->reveal()), "swordfish");
  const int descriptor = open((folder / "pass").c_str(), O_RDONLY | O_CLOEXEC);
  EXPECT_TRUE(secret_from("fd:" + std::to_string(descriptor), ""));
  ASSERT_EQ(setenv("CREDENTIALS_DIRECTORY", folder.path().c_str(), 1), 0);
  EXPECT_TRUE(secret_from("credential:pass", ""));
  unsetenv("CREDENTIALS_DIRECTORY");
  EXPECT_EQ(secret_from("credential:pass", "").error().code, ErrorCode::NotFound);
  std::filesystem::permissions(folder / "pass", std::filesystem::perms(0644));
  EXPECT_EQ(secret_from("file:" + (folder / "pass"), "").error().code, ErrorCode::Refused);
  for (const char* source : {"swordfish", "env:PASS", "fd:", "fd:x", "file:", ""}) {
    EXPECT_EQ(secret_from(source, "").error().reason, "secret_source") << source;
  }
}

}  // namespace
}  // namespace countersign::keymgmt
