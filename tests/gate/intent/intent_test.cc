// What an intent's digest covers: everything that runs, or the intent is refused.
#include "gate/intent/intent.h"

#include <gtest/gtest.h>

#include <set>

#include "gate/document/go_texts.h"

namespace countersign::gate {
namespace {

std::string with_args(const std::string& args) {
  return R"({"tool_name":"t","args":)" + args + R"(,"context":{"identity":"a","workspace":"/w","risk_class":"low"}})";
}

TEST(Intent, RefusesArgumentsThatItsDigestDoesNotTellFromOthers) {
  struct Case {
    const char* args;
    const char* reason;
    const char* part;
  };
  const Case cases[] = {
      {R"({"command":"ls "})", "unbound_white_space", "args.command begins or ends"},
      {R"({"list":["a",["\u2028b"]]})", "unbound_white_space", "args.list[1][0] begins or ends"},
      {R"({"a":{" key":1}})", "unbound_white_space", "a key of args.a begins or ends"},
      {R"({"a":1," a":2})", "unbound_white_space", "a key of args begins or ends"},
      {R"({"n":9007199254740993})", "inexact_integer", "at args.n"},
      {R"({"n":-123456789012345678901})", "inexact_integer", "at args.n"},
  };
  for (const Case& each : cases) {
    const auto refused = Intent::parse(with_args(each.args));
    ASSERT_FALSE(refused) << each.args;
    EXPECT_EQ(refused.error().code, ErrorCode::Invalid);
    EXPECT_EQ(refused.error().reason, each.reason) << each.args;
    EXPECT_FALSE(refused.error().hint.empty());
    EXPECT_NE(refused.error().detail.find(each.part), std::string::npos) << refused.error().detail;
  }
  // Asked for, they are read as gait reads them, apart from keys that would collide.
  EXPECT_TRUE(Intent::parse(with_args(cases[0].args), ArgsReading::AsGait));
  EXPECT_TRUE(Intent::parse(with_args(cases[4].args), ArgsReading::AsGait));
  EXPECT_FALSE(Intent::parse(with_args(cases[3].args), ArgsReading::AsGait));
  EXPECT_EQ(Intent::parse(with_args(cases[0].args), ArgsReading::AsGait)->intent_digest(),
            Intent::parse(with_args(R"({"command":"ls"})"))->intent_digest());
  // Inside a text white space is bound, and so are integers up to 2^53.
  EXPECT_TRUE(Intent::parse(with_args(R"({"command":"ls -l\n x","n":9007199254740992})")));
}

// Read exactly, each spelling has a digest of its own, and what has no outer white space keeps gait's.
TEST(Intent, BindsOuterWhiteSpaceWhereItIsAskedTo) {
  const char* spellings[] = {R"({"text":"a"})",  R"({"text":"a\n"})",  R"({"text":" a"})",
                             R"({" text":"a"})", R"({"text":["a "]})", R"({"text":["a"]})"};
  std::set<std::string> digests;
  for (const char* args : spellings) {
    const auto exact = Intent::parse(with_args(args), ArgsReading::Exact);
    ASSERT_TRUE(exact) << args << exact.error().detail;
    digests.insert(exact->intent_digest().hex());
    const auto gaits = Intent::parse(with_args(args), ArgsReading::AsGait);
    EXPECT_EQ(exact->args_digest(), gaits->args_digest()) << args;
    EXPECT_EQ(exact->exact_args().has_value(), exact->intent_digest() != gaits->intent_digest()) << args;
  }
  EXPECT_EQ(digests.size(), std::size(spellings));
  const std::string plain = with_args(R"({"text":"a b"})");
  EXPECT_EQ(Intent::parse(plain, ArgsReading::Exact)->intent_digest(), Intent::parse(plain)->intent_digest());
  // What cannot be told apart stays refused.
  EXPECT_FALSE(Intent::parse(with_args(R"({"a":1," a":2})"), ArgsReading::Exact));
  EXPECT_FALSE(Intent::parse(with_args(R"({"n":9007199254740993})"), ArgsReading::Exact));
}

TEST(Intent, BindsTheWhiteSpaceOfStepsToo) {
  const auto script = [](const char* value) {
    return std::string(R"({"script":{"steps":[{"tool_name":"b","args":{"x":")") + value +
           R"("}}]},"context":{"identity":"a","workspace":"/w","risk_class":"low"}})";
  };
  const auto spaced = Intent::parse(script("y "), ArgsReading::Exact);
  const auto plain = Intent::parse(script("y"), ArgsReading::Exact);
  ASSERT_TRUE(spaced && plain);
  EXPECT_NE(spaced->intent_digest(), plain->intent_digest());
  EXPECT_FALSE(plain->exact_args());
}

TEST(Intent, RefusesTheArgumentsOfAStepInTheSameWay) {
  const std::string text =
      R"({"script":{"steps":[{"tool_name":"a","args":{}},{"tool_name":"b","args":{"x":"y "}}]},
          "context":{"identity":"a","workspace":"/w","risk_class":"low"}})";
  const auto refused = Intent::parse(text);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().detail.find("script.steps[1].args.x"), std::string::npos) << refused.error().detail;
}

TEST(Intent, MayHaveWhiteSpaceAroundWhatIsNeverRun) {
  EXPECT_TRUE(Intent::parse(
      std::string(R"({"tool_name":" t ","args":{},"context":{"identity":" a","workspace":"/w ","risk_class":"low",
                      "auth_context":{"s":" x "}}})")));
}

TEST(Intent, KeepsTheArgumentsToRunAsSpelled) {
  const std::string text =
      R"({"tool_name":"run","args":{"argv":["rm"," x "]},"context":{"identity":"a","workspace":"/w","risk_class":"low"}})";
  const Intent intent = *Intent::parse(text, ArgsReading::AsGait);
  ASSERT_TRUE(intent.argv());
  EXPECT_EQ((*intent.argv())[1], " x ");
  const std::string without =
      R"({"tool_name":"run","args":{"argv":["rm",1]},"context":{"identity":"a","workspace":"/w","risk_class":"low"}})";
  EXPECT_FALSE(Intent::parse(without)->argv());
}

TEST(GoTexts, AreGosAboutTimesAndDurations) {
  const std::string as = "\" as \"2006-01-02T15:04:05Z07:00\": cannot parse ";
  EXPECT_EQ(go_time_complaint("yesterday"), "parsing time \"yesterday" + as + "\"yesterday\" as \"2006\"");
  EXPECT_EQ(go_time_complaint(""), "parsing time \"" + as + "\"\" as \"2006\"");
  EXPECT_EQ(go_time_complaint("2026-01-01"), "parsing time \"2026-01-01" + as + "\"\" as \"T\"");
  EXPECT_EQ(go_time_complaint("2026-01-01T00:00:00"), "parsing time \"2026-01-01T00:00:00" + as + "\"\" as \"Z07:00\"");
  EXPECT_EQ(go_time_complaint("2026-13-01T00:00:00Z"), "parsing time \"2026-13-01T00:00:00Z\": month out of range");
  EXPECT_EQ(go_time_complaint("2026-02-30T00:00:00Z"), "parsing time \"2026-02-30T00:00:00Z\": day out of range");
  EXPECT_EQ(go_time_complaint("2026-01-01T00:00:00Zx"), "parsing time \"2026-01-01T00:00:00Zx\": extra text: \"x\"");
  EXPECT_EQ(go_duration_complaint("7d"), "time: unknown unit \"d\" in duration \"7d\"");
  EXPECT_EQ(go_duration_complaint("10"), "time: missing unit in duration \"10\"");
  EXPECT_EQ(go_duration_complaint(""), "time: invalid duration \"\"");
  EXPECT_EQ(go_duration_complaint("x"), "time: invalid duration \"x\"");
}

}  // namespace
}  // namespace countersign::gate
