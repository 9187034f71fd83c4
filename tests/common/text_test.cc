#include "common/text.h"

#include <gtest/gtest.h>

namespace countersign {
namespace {

TEST(Text, TrimsUnicodeWhiteSpaceButNotZeroWidthSpaces) {
  EXPECT_EQ(trimmed("\u00a0 \t\u2003a b\u3000\n"), "a b");
  EXPECT_EQ(trimmed("\u200ba\ufeff"), "\u200ba\ufeff");
  EXPECT_EQ(trimmed(" \u0085 "), "");
  EXPECT_EQ(trimmed("\xff "), "\xff");
}

TEST(Text, LowersOneCodePointForOne) {
  EXPECT_EQ(lowered("AbC"), "abc");
  EXPECT_EQ(lowered("\u00c9\u0130\u03a3"), "\u00e9i\u03c3");
}

TEST(Text, SetsAreTrimmedSortedAndUnique) {
  EXPECT_EQ(text_set({" b", "a", "", "B", "a "}, false), (std::vector<std::string>{"B", "a", "b"}));
  EXPECT_EQ(text_set({" b", "a", "", "B", "a "}, true), (std::vector<std::string>{"a", "b"}));
}

TEST(Text, HasLinesThatEndWithALineFeedOrWithTheText) {
  using Lines = std::vector<std::string_view>;
  EXPECT_EQ(lines_of(""), Lines{});
  EXPECT_EQ(lines_of("\n"), Lines{""});
  EXPECT_EQ(lines_of("a"), Lines{"a"});
  EXPECT_EQ(lines_of("a\nb"), (Lines{"a", "b"}));
  EXPECT_EQ(lines_of("a\nb\n"), (Lines{"a", "b"}));
  EXPECT_EQ(lines_of("\na\n\n b\r\n"), (Lines{"", "a", "", " b\r"}));
}

TEST(Text, ForPeopleShowsWhatWouldHideOrReorder) {
  EXPECT_EQ(displayed("r\u00e9sum\u00e9 \u4e2d 1<2"), "r\u00e9sum\u00e9 \u4e2d 1<2");
  EXPECT_EQ(displayed("a\x1b[2J\n\tb"), "a<U+001B>[2J<U+000A><U+0009>b");
  EXPECT_EQ(displayed("\u202egnp.exe\u2066\u200b\ufeff\u2028"), "<U+202E>gnp.exe<U+2066><U+200B><U+FEFF><U+2028>");
  EXPECT_EQ(displayed("\U000e0041\ue000"), "<U+E0041><U+E000>");
  EXPECT_EQ(displayed("a\xff\xc3"), "a<0xFF><0xC3>");
  EXPECT_EQ(displayed("a\u3164\u115f\u034f\U000e0100b"), "a<U+3164><U+115F><U+034F><U+E0100>b");
  EXPECT_EQ(displayed("\u2764\ufe0f"), "\u2764\ufe0f");
  EXPECT_EQ(displayed(""), "");
}

TEST(Text, JsonForATerminalHasTheSameValue) {
  EXPECT_EQ(displayed_json("{\n  \"a\": \"r\u00e9sum\u00e9 \u4e2d\"\n}"), "{\n  \"a\": \"r\u00e9sum\u00e9 \u4e2d\"\n}");
  EXPECT_EQ(displayed_json("\"\u009b2J\x7f\u202e\u2028\\u001b\""), "\"\\u009b2J\\u007f\\u202e\\u2028\\u001b\"");
  EXPECT_EQ(displayed_json("\"\U000e0041\""), "\"\\udb40\\udc41\"");
  EXPECT_EQ(displayed_json(""), "");
}

TEST(IdentityKey, IsOneForAllSpellingsOfAPerson) {
  const std::string plain = *identity_key("ren\u00e9@company.example");
  for (const char* spelling : {" ren\u00e9@company.example", "REN\u00c9@Company.Example",
                               "rene\u0301@company.example\t", "RENE\u0301@COMPANY.EXAMPLE"}) {
    EXPECT_EQ(*identity_key(spelling), plain) << spelling;
  }
  EXPECT_NE(*identity_key("rene@company.example"), plain);
}

TEST(IdentityKey, RefusesWhatNamesNobody) {
  for (const char* text : {"", " \u00a0", "\xff@x", "a\nb", "a\x7f"}) EXPECT_FALSE(identity_key(text)) << text;
}

}  // namespace
}  // namespace countersign
