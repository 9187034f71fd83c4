#include "common/armour.h"

#include <gtest/gtest.h>

namespace countersign {
namespace {

const Bytes kBytes(100, 0x5a);

TEST(Armour, IsReadAsItWasWritten) {
  const std::string text = to_armour(kBytes, "PUBLIC KEY");
  EXPECT_TRUE(text.starts_with("-----BEGIN PUBLIC KEY-----\n"));
  EXPECT_TRUE(text.ends_with("\n-----END PUBLIC KEY-----\n"));
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    EXPECT_LE(end - at, 64U);
    at = end + 1;
  }
  for (const std::string& read : {text, "\n  " + text + "\n", [&] {
                                    std::string windows;
                                    for (const char c : text)
                                      windows += c == '\n' ? std::string("\r\n") : std::string(1, c);
                                    return windows;
                                  }()}) {
    const Result<Bytes> bytes = from_armour(read, "PUBLIC KEY");
    ASSERT_TRUE(bytes) << bytes.error().detail;
    EXPECT_EQ(*bytes, kBytes);
  }
}

struct NoArmour {
  std::string name;
  std::string text;
};
class BadArmour : public testing::TestWithParam<NoArmour> {};

TEST_P(BadArmour, IsRefused) {
  const Result<Bytes> bytes = from_armour(GetParam().text, "PUBLIC KEY");
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().code, ErrorCode::Invalid);
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadArmour,
    testing::Values(NoArmour{"Empty", ""}, NoArmour{"OtherLabel", to_armour(kBytes, "SSH SIGNATURE")},
                    NoArmour{"OneLineForBoth", "-----BEGIN PUBLIC KEY-----"},
                    NoArmour{"NoEnd", "-----BEGIN PUBLIC KEY-----\nWlpa\n"},
                    NoArmour{"SomethingBefore", "key:\n" + to_armour(kBytes, "PUBLIC KEY")},
                    NoArmour{"TwoBlocks", to_armour(kBytes, "PUBLIC KEY") + to_armour(kBytes, "PUBLIC KEY")},
                    NoArmour{"NoBase64", "-----BEGIN PUBLIC KEY-----\n????\n-----END PUBLIC KEY-----\n"}),
    [](const testing::TestParamInfo<NoArmour>& info) { return info.param.name; });

}  // namespace
}  // namespace countersign
