#include "common/bytes.h"

#include <gtest/gtest.h>

namespace countersign {
namespace {

TEST(Bytes, Base64FollowsTheVectorsOfRfc4648) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : vectors) {
    EXPECT_EQ(to_base64(view_of(plain)), encoded);
    ASSERT_TRUE(from_base64(encoded)) << encoded;
    EXPECT_EQ(text_of(*from_base64(encoded)), plain);
  }
}

TEST(Bytes, Base64HasOneSpellingOfEachValue) {
  for (const char* text : {"Zg", "Zg=", "Zh==", "Zm9=", "Zg==\n", " Zg==", "Zg==Zg==", "Z===", "Zm-_", "===="}) {
    EXPECT_FALSE(from_base64(text)) << text;
  }
}

TEST(Bytes, Base64UrlIsUnpaddedAndUsesItsOwnAlphabet) {
  const Bytes bytes{0xfb, 0xff, 0xfe};
  EXPECT_EQ(to_base64url(bytes), "-__-");
  EXPECT_EQ(*from_base64url("-__-"), bytes);
  EXPECT_EQ(to_base64url(view_of("f")), "Zg");
  for (const char* text : {"Zg==", "Zh", "+//+", "Z"}) EXPECT_FALSE(from_base64url(text)) << text;
}

TEST(Bytes, HexReadsBothCasesAndNothingElse) {
  EXPECT_EQ(to_hex(Bytes{0x00, 0xaf, 0x10}), "00af10");
  EXPECT_EQ(*from_hex("00AF10"), (Bytes{0x00, 0xaf, 0x10}));
  for (const char* text : {"0", "0g", "0x00", " 00"}) EXPECT_FALSE(from_hex(text)) << text;
}

}  // namespace
}  // namespace countersign
