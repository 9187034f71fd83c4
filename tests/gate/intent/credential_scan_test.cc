#include "gate/intent/credential_scan.h"

#include <gtest/gtest.h>

#include <string>

namespace countersign::gate {
namespace {

TEST(Credentials, AreRefusedAndReferencesAreNot) {
  EXPECT_TRUE(is_credential_material("ghp_x"));
  EXPECT_TRUE(is_credential_material("abcdefgh12345678"));
  EXPECT_FALSE(is_credential_material("abcdefg1234567"));    // too short
  EXPECT_FALSE(is_credential_material("abcdefghijklmnop"));  // no digit
  EXPECT_FALSE(is_credential_material("REF:ghp_x"));
  EXPECT_FALSE(is_credential_material(std::string(64, 'a')));
  const Json refused = *Json::parse(R"({"a":[{"api-key":"abcdefgh12345678"}]})");
  const Status status = refuse_credentials(refused, "args");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().detail.find("abcdefgh"), std::string::npos) << "an error never shows the secret";
  EXPECT_TRUE(refuse_credentials(*Json::parse(R"({"api_key_ref":"abcdefgh12345678"})"), "args"));
}

}  // namespace
}  // namespace countersign::gate
