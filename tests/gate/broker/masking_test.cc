#include "gate/broker/masking.h"

#include <gtest/gtest.h>

namespace countersign::broker {
namespace {

Json result_of(std::string_view text) {
  return Json::object({{"content", Json::Array{Json::object({{"type", "text"}, {"text", text}})}}});
}

std::string text_in(const Json& result) {
  return std::string(result.find("content")->as_array().front().text("text"));
}

TEST(Masking, HidesWhatNamesSayAndLeavesTheRest) {
  const Json given = *Json::parse(
      R"({"password":"hunter2","apiKey":"x","monkey":"banana","nested":{"Authorization":"Bearer abc.def-ghi","n":1},)"
      R"("tokens_used":12,"list":[{"client_secret":"s"}]})");
  const Json masked_value = masked(given);
  EXPECT_EQ(
      masked_value.compact(),
      R"({"password":"[REDACTED]","apiKey":"[REDACTED]","monkey":"banana",)"
      R"("nested":{"Authorization":"[REDACTED]","n":1},"tokens_used":12,"list":[{"client_secret":"[REDACTED]"}]})");
}

TEST(Masking, KeepsAnAnswerThatIsJsonReadable) {
  Json result = result_of(R"({"password": "hunter2", "note": "say \"hi\""})");
  EXPECT_FALSE(mask_result(result, 1000));
  EXPECT_EQ(Json::parse(text_in(result))->text("password"), kMasked);
  EXPECT_EQ(Json::parse(text_in(result))->text("note"), "say \"hi\"");
}

TEST(Masking, ReplacesLinesThatHoldSecrets) {
  // A made-up key of the form that AWS gives its own; test-only.
  Json result = result_of("first\nkey AKIAQ6ZXCVBNMASDFGHJ\nlast");
  mask_result(result, 1000);
  EXPECT_EQ(text_in(result), "first\n[REDACTED]\nlast");
}

TEST(Masking, CutsAtTheLimitBetweenCharacters) {
  Json result = result_of("ab\u00e4\u00e4");
  EXPECT_TRUE(mask_result(result, 5));
  EXPECT_EQ(text_in(result), "ab\u00e4");
}

TEST(Masking, ReachesTheTextsOfResourcesAndMessages) {
  const auto masked_in = [](const char* text) {
    Result<Json> result = Json::parse(text);
    mask_result(*result, 1000);
    return result->compact();
  };
  // Made up; test-only.
  EXPECT_EQ(masked_in(R"({"contents":[{"uri":"file:///a","text":"key AKIAQ6ZXCVBNMASDFGHJ"}]})"),
            R"({"contents":[{"uri":"file:///a","text":"[REDACTED]"}]})");
  EXPECT_EQ(masked_in(R"({"messages":[{"role":"user","content":{"type":"text","text":"key AKIAQ6ZXCVBNMASDFGHJ"}}]})"),
            R"({"messages":[{"role":"user","content":{"type":"text","text":"[REDACTED]"}}]})");
  EXPECT_EQ(
      masked_in(R"({"content":[{"type":"resource","resource":{"uri":"a:b","text":"key AKIAQ6ZXCVBNMASDFGHJ"}}]})"),
      R"({"content":[{"type":"resource","resource":{"uri":"a:b","text":"[REDACTED]"}}]})");
  EXPECT_EQ(masked_in(R"({"description":"key AKIAQ6ZXCVBNMASDFGHJ"})"), R"({"description":"[REDACTED]"})");
}

TEST(Masking, CutsResourcesAtTheLimitAsWell) {
  Result<Json> result = Json::parse(R"({"contents":[{"uri":"a:b","text":"abcdef"},{"uri":"a:c","blob":"QUJD"}]})");
  EXPECT_TRUE(mask_result(*result, 7));
  EXPECT_EQ(result->compact(), R"({"contents":[{"uri":"a:b","text":"abcdef"},{"uri":"a:c","blob":""}]})");
}

}  // namespace
}  // namespace countersign::broker
