#include "common/json.h"

#include <gtest/gtest.h>

namespace countersign {
namespace {

std::string canonical(std::string_view text) {
  const Result<Json> json = Json::parse(text);
  return json ? json->canonical() : "refused: " + json.error().detail;
}

TEST(Json, CanonicalFormSortsByUtf16AndShortensNumbers) {
  // RFC 8785 §3.2.2 and §3.2.3.
  EXPECT_EQ(
      canonical(
          R"({"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]})"),
      "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
      "\"string\":\"\u20ac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
  EXPECT_EQ(
      canonical(
          R"({"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"})"),
      "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u0080\":\"Control\",\"\u00f6\":\"Latin Small Letter O With "
      "Diaeresis\","
      "\"\u20ac\":\"Euro Sign\",\"\U0001f600\":\"Emoji: Grinning Face\",\"\ufb33\":\"Hebrew Letter Dalet With "
      "Dagesh\"}");
  EXPECT_EQ(canonical("[9007199254740993, -0, 1e21, 1e-7, 1.0, -0.0]"), "[9007199254740992,0,1e+21,1e-7,1,0]");
}

struct Refused {
  const char* name;
  std::string text;
};

class RefusedJson : public testing::TestWithParam<Refused> {};

TEST_P(RefusedJson, IsAnError) {
  EXPECT_FALSE(Json::parse(GetParam().text)) << canonical(GetParam().text);
}

INSTANTIATE_TEST_SUITE_P(
    Json, RefusedJson,
    testing::Values(Refused{"repeated_member", R"({"a":1,"b":2,"a":3})"},
                    Refused{"deeply_repeated", R"([{"x":{"a":1,"a":1}}])"},
                    Refused{"escaped_repeat", R"({"a":1,"\u0061":2})"},
                    Refused{"too_deep", std::string(65, '[') + std::string(65, ']')}, Refused{"bad_utf8", "\"\xff\""},
                    Refused{"overlong_utf8", "\"\xc0\xaf\""}, Refused{"surrogate_utf8", "\"\xed\xa0\x80\""},
                    Refused{"byte_order_mark", "\xef\xbb\xbf{}"}, Refused{"lone_surrogate", R"("\ud800")"},
                    Refused{"huge_number", "1e400"}, Refused{"trailing_bytes", "{} x"}, Refused{"two_values", "1 2"},
                    Refused{"cut_off", R"({"a":)"}, Refused{"empty", ""}, Refused{"comment", "/**/1"},
                    Refused{"trailing_comma", "[1,]"}, Refused{"leading_zero", "01"}, Refused{"nan", "NaN"},
                    Refused{"raw_control", "\"\n\""}, Refused{"single_quotes", "'a'"}),
    [](const testing::TestParamInfo<Refused>& row) { return std::string(row.param.name); });

TEST(Json, DepthOf64IsStillRead) {
  EXPECT_TRUE(Json::parse(std::string(64, '[') + std::string(64, ']')));
}

TEST(Json, LargerThanTheLimitIsTooLarge) {
  const Result<Json> json = Json::parse("\"" + std::string(100, 'a') + "\"", Json::Limits{.bytes = 50});
  ASSERT_FALSE(json);
  EXPECT_EQ(json.error().code, ErrorCode::TooLarge);
}

TEST(Json, GaitDocumentsReadLoneSurrogatesAndRefuseRepeatsByCase) {
  const Json::Limits gait{.gait = true};
  EXPECT_EQ(Json::parse(R"("a\ud800b\ud83d\ude00")", gait)->as_string(), "a\ufffdb\U0001f600");
  EXPECT_EQ(Json::parse(R"("\\ud800")", gait)->as_string(), "\\ud800");
  EXPECT_FALSE(Json::parse(R"({"tool":1,"Tool":2})", gait));
  EXPECT_TRUE(Json::parse(R"({"tool":1,"Tool":2})"));
}

TEST(Json, RefusesWhatIsNestedTooDeeply) {
  const std::string deep = std::string(65, '[') + std::string(65, ']');
  EXPECT_FALSE(Json::parse(deep));
  const auto refused = Json::parse(R"({"args":{"a":)" + deep + "}}", Json::Limits{.gait = true});
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().detail.starts_with("JSON nested deeper than 64 levels at args.a"))
      << refused.error().detail;
}

TEST(Json, NamesTheMemberItRefuses) {
  const Json::Limits limits{.gait = true, .exact_integers = true};
  struct Case {
    const char* text;
    const char* reason;
    const char* part;
  };
  const Case cases[] = {
      {R"({"a":{"b":[1,{"c":1,"C":2}]}})", "repeated_member", "at a.b[1]"},
      {R"({"a":[9007199254740993]})", "inexact_integer", "at a[0]"},
      {R"({"a":{"b":-9007199254740993}})", "inexact_integer", "at a.b"},
      {R"({"a":18446744073709551615})", "inexact_integer", "at a"},
      {R"({"a":123456789012345678901234567890})", "inexact_integer", "at a"},
      {R"({"a":1e400})", "number_range", "at a"},
      {"{\"a\":\"\xff\"}", "invalid_utf8", "at a"},
  };
  for (const Case& each : cases) {
    const auto refused = Json::parse(each.text, limits);
    ASSERT_FALSE(refused) << each.text;
    EXPECT_EQ(refused.error().reason, each.reason) << each.text;
    EXPECT_NE(refused.error().detail.find(each.part), std::string::npos) << refused.error().detail;
  }
  for (const char* text : {"9007199254740992", "-9007199254740992", "1e20", "9007199254740993.0", "212968195000000000",
                           "100000000000000000000"}) {
    EXPECT_TRUE(Json::parse(text, limits)) << text;
  }
}

TEST(Json, IsRefusedInGosWordsWhereItIsGaits) {
  struct Case {
    const char* text;
    const char* detail;
  };
  const Case cases[] = {
      {"", "unexpected end of JSON input"},
      {" {", "unexpected end of JSON input"},
      {"{\"a\":[1,2", "unexpected end of JSON input"},
      {"{} x", "invalid character 'x' after top-level value"},
      {"\xef\xbb\xbf{}", "invalid character '\xc3\xaf' looking for beginning of value"},
      {"{n", "invalid character 'n' looking for beginning of object key string"},
      {"{\"a\" 1}", "invalid character '1' after object key"},
      {"{\"a\":1 2}", "invalid character '2' after object key:value pair"},
      {"[1 2]", "invalid character '2' after array element"},
      {"[1,]", "invalid character ']' looking for beginning of value"},
      {"{\"a\":1,}", "invalid character '}' looking for beginning of object key string"},
      {"tru'", "invalid character '\\'' in literal true (expecting 'e')"},
      {"-x", "invalid character 'x' in numeric literal"},
      {"1.x", "invalid character 'x' after decimal point in numeric literal"},
      {"1e+x", "invalid character 'x' in exponent of numeric literal"},
      {"01", "invalid character '1' after top-level value"},
      {"\"\t\"", "invalid character '\\t' in string literal"},
      {"\"\\x\"", "invalid character 'x' in string escape code"},
      {"\"\\u12g4\"", "invalid character 'g' in \\u hexadecimal character escape"},
  };
  for (const Case& each : cases) {
    const auto refused = Json::parse(each.text, Json::Limits{.gait = true});
    ASSERT_FALSE(refused) << each.text;
    EXPECT_EQ(refused.error().detail, each.detail) << each.text;
  }
}

TEST(Json, NearestDoubleIsReadWhereShortcutsMissIt) {
  EXPECT_EQ(Json::parse("8.9007198252823e-108")->as_double(), 8.9007198252823e-108);
  EXPECT_EQ(Json::parse("2.2250738585072011e-308")->as_double(), 2.2250738585072011e-308);
}

TEST(Json, GaitFileEscapesAsGoDoes) {
  const Json json = Json::object({{"b", "<&>\u2028\x01"}, {"a", Json::Array{}}, {"c", Json::Array{1, 0.5}}});
  EXPECT_EQ(
      json.gait_file(),
      "{\n  \"b\": \"\\u003c\\u0026\\u003e\\u2028\\u0001\",\n  \"a\": [],\n  \"c\": [\n    1,\n    0.5\n  ]\n}\n");
  EXPECT_EQ(json.gait_line(), "{\"a\":[],\"b\":\"\\u003c\\u0026\\u003e\\u2028\\u0001\",\"c\":[1,0.5]}");
}

// Texts are written sixteen bytes at a time and documents grow in steps: no length and no place is special.
TEST(Json, EscapesAreFoundAtEachPlaceOfATextOfEachLength) {
  for (std::size_t length = 1; length <= 40; ++length) {
    for (std::size_t at = 0; at < length; ++at) {
      for (const auto& [plain, escaped] :
           {std::pair("\"", "\\\""), {"\\", "\\\\"}, {"\x1f", "\\u001f"}, {"\x7f", "\x7f"}, {" ", " "}}) {
        const std::string before(at, '!');
        const std::string behind(length - at - 1, '\xff');  // each byte above 0x7f is copied
        const std::string want = "\"" + before + escaped + behind + "\"";
        EXPECT_EQ(Json(before + plain + behind).compact(), want);
        EXPECT_EQ(Json(before + plain + behind).canonical(), want);
      }
      const std::string before(at, 'x');
      const std::string behind(length - at - 1, '>');
      std::string want = "\"" + before + "\\u003c";
      for (std::size_t i = 0; i < behind.size(); ++i) want += "\\u003e";
      EXPECT_EQ(Json(before + "<" + behind).gait_line(), want + "\"");
    }
  }
}

TEST(Json, DocumentsOfEachSizeAreWrittenWhole) {
  for (const std::size_t size :
       {std::size_t{3069}, std::size_t{3070}, std::size_t{3071}, std::size_t{3072}, std::size_t{100'000}}) {
    const std::string want = "[\"" + std::string(size, 'x') + "\"," + std::string(size, '7').substr(0, 15) + ",\"\"]";
    const auto json = Json::parse(want);
    ASSERT_TRUE(json);
    EXPECT_EQ(json->compact(), want);
    EXPECT_EQ(json->canonical(), want);
    std::string added = "before ";
    json->append_compact(added);
    EXPECT_EQ(added, "before " + want);
  }
}

TEST(Json, LongStringsSurviveTheParsersChunks) {
  const std::string text(100'000, 'x');
  EXPECT_EQ(Json::parse("{\"k\":\"" + text + "\\n\"}")->text("k"), text + "\n");
}

}  // namespace
}  // namespace countersign
