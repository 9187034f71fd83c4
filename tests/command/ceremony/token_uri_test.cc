#include "command/ceremony/token_uri.h"

#include <gtest/gtest.h>

namespace countersign::command {
namespace {

TEST(TokenUri, NamesTokenAndKey) {
  const auto uri =
      read_token_uri("pkcs11:token=PIV%20card;serial=ab;object=root;id=%02%ff;type=private?module-path=/usr/lib/m.so");
  ASSERT_TRUE(uri) << uri.error().detail;
  EXPECT_EQ(uri->token, "PIV card");
  EXPECT_EQ(uri->serial, "ab");
  EXPECT_EQ(uri->object, "root");
  EXPECT_EQ(uri->id, (Bytes{0x02, 0xff}));
  EXPECT_EQ(uri->module_path, "/usr/lib/m.so");
  EXPECT_TRUE(read_token_uri("pkcs11:serial=1;id=%01?module-path=/m.so"));
}

TEST(TokenUri, IsRefused) {
  struct Row {
    const char* name;
    const char* uri;
  };
  constexpr Row kRows[] = {
      {"no scheme", "token=a;object=k?module-path=/m.so"},
      {"no token", "pkcs11:object=k?module-path=/m.so"},
      {"no key", "pkcs11:token=a?module-path=/m.so"},
      {"no module", "pkcs11:token=a;object=k"},
      {"relative module", "pkcs11:token=a;object=k?module-path=m.so"},
      {"a PIN", "pkcs11:token=a;object=k?module-path=/m.so&pin-value=1234"},
      {"a PIN's place", "pkcs11:token=a;object=k?module-path=/m.so&pin-source=/pin"},
      {"unknown attribute", "pkcs11:token=a;object=k;slot-id=0?module-path=/m.so"},
      {"twice", "pkcs11:token=a;token=b;object=k?module-path=/m.so"},
      {"another type", "pkcs11:token=a;object=k;type=public?module-path=/m.so"},
      {"half a byte", "pkcs11:token=a;id=%0?module-path=/m.so"},
      {"no hex", "pkcs11:token=a;id=%zz?module-path=/m.so"},
      {"no value", "pkcs11:token=;object=k?module-path=/m.so"},
  };
  for (const Row& row : kRows) {
    const auto uri = read_token_uri(row.uri);
    ASSERT_FALSE(uri) << row.name;
    EXPECT_EQ(uri.error().code, ErrorCode::Invalid) << row.name;
    EXPECT_EQ(uri.error().reason, "token_uri") << row.name;
  }
}

}  // namespace
}  // namespace countersign::command
