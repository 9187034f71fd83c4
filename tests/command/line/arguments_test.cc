#include "command/line/arguments.h"

#include <gtest/gtest.h>

namespace countersign::command {
namespace {

using Words = std::vector<std::string>;

constexpr std::size_t kKeyIdLength = 43;  // SHA-256 in base64url

constexpr Flag kFlags[] = {
    {"policy", Flag::Kind::Text, "FILE", ""},
    {"max-ops", Flag::Kind::Integer, "N", ""},
    {"json", Flag::Kind::Switch, "", ""},
};

Result<Arguments> parse(const Words& words, Positionals positionals = Positionals::EndFlags) {
  return Arguments::parse(kFlags, positionals, words);
}

TEST(Arguments, ReadTheThreeSpellingsOfGo) {
  for (const Words& words : {Words{"-policy", "p"}, Words{"--policy", "p"}, Words{"--policy=p"}, Words{"-policy=p"}}) {
    const auto arguments = parse(words);
    ASSERT_TRUE(arguments);
    EXPECT_EQ(arguments->text("policy"), "p");
  }
}

TEST(Arguments, LetTheLastOfSeveralWin) {
  EXPECT_EQ(parse({"--policy", "a", "--policy=b"})->text("policy"), "b");
}

TEST(Arguments, GiveAllOfSeveralInTheirOrderToWhoAsks) {
  using Texts = std::vector<std::string_view>;
  const Arguments arguments = *parse({"--policy", "a,b", "--max-ops=1", "--policy=c", "-policy", ""});
  EXPECT_EQ(arguments.texts("policy"), (Texts{"a,b", "c", ""}));
  EXPECT_EQ(arguments.texts("json"), Texts{});
}

TEST(Arguments, TakeAValueThatLooksLikeAFlag) {
  EXPECT_EQ(parse({"--policy", "-5m"})->text("policy"), "-5m");
  EXPECT_EQ(parse({"--max-ops", "-1"})->integer("max-ops"), -1);
}

TEST(Arguments, TellAnEmptyValueFromNone) {
  EXPECT_TRUE(parse({"--policy="})->given("policy"));
  EXPECT_FALSE(parse({})->given("policy"));
  EXPECT_EQ(parse({})->text("policy", "otherwise"), "otherwise");
}

TEST(Arguments, SwitchTakesItsValueOnlyAfterAnEqualsSign) {
  EXPECT_TRUE(parse({"--json"})->is_on("json"));
  EXPECT_TRUE(parse({"--json=T"})->is_on("json"));
  EXPECT_FALSE(parse({"--json=false"})->is_on("json"));
  const auto followed = parse({"--json", "false"});
  EXPECT_TRUE(followed->is_on("json"));
  EXPECT_EQ(followed->positionals(), Words{"false"});
}

TEST(Arguments, TakeAKeyIdForAValueWhateverItBeginsWith) {
  const std::string kids[] = {
      "-zhX3pV7sQ0mT9wK2bN5cR8dF1gH4jL6kP0qS3tU5vY", "--X3pV7sQ0mT9wK2bN5cR8dF1gH4jL6kP0qS3tU5vYz",
      "-----------------------------------------_A", "-policy-p0qS3tU5vYzX3pV7sQ0mT9wK2bN5cR8dF1g"};
  for (const std::string& kid : kids) {
    ASSERT_EQ(kid.size(), kKeyIdLength) << kid;
    for (const Positionals mode : {Positionals::EndFlags, Positionals::Anywhere}) {
      const auto arguments = parse({"--json", kid}, mode);
      ASSERT_TRUE(arguments) << arguments.error().detail;
      EXPECT_EQ(arguments->positionals(), Words{kid});
      EXPECT_TRUE(arguments->is_on("json"));
    }
    EXPECT_EQ(parse({kid, "--policy", "p"}, Positionals::Anywhere)->text("policy"), "p");
    EXPECT_EQ(parse({"--policy", kid})->text("policy"), kid);
    EXPECT_EQ(parse({"--policy=" + kid})->text("policy"), kid);
    // One letter more or less, or one that base64url has not: a flag like any other.
    EXPECT_FALSE(parse({kid + "A"}));
    EXPECT_FALSE(parse({kid.substr(0, kid.size() - 1)}));
    EXPECT_FALSE(parse({kid.substr(0, kid.size() - 1) + "."}));
  }
}

TEST(Arguments, EndTheFlagsAtTheFirstPositionalWhereGaitDoes) {
  const auto ended = parse({"--policy", "p", "x", "--json"});
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->positionals(), (Words{"x", "--json"}));
  EXPECT_FALSE(ended->is_on("json"));
  const auto anywhere = parse({"x", "--json"}, Positionals::Anywhere);
  EXPECT_EQ(anywhere->positionals(), Words{"x"});
  EXPECT_TRUE(anywhere->is_on("json"));
}

TEST(Arguments, KeepTheWordsOfAnotherCommandAsTheyAre) {
  const auto arguments = parse({"--policy", "p", "--", "rm", "-rf", "--json"}, Positionals::Command);
  ASSERT_TRUE(arguments);
  EXPECT_EQ(arguments->positionals(), (Words{"rm", "-rf", "--json"}));
  EXPECT_FALSE(arguments->is_on("json"));
}

TEST(Arguments, RefuseInTheWordsOfGo) {
  struct Row {
    const char* name;
    Words words;
    Positionals positionals;
    const char* detail;
  };
  const Row rows[] = {
      {"unknown", {"--bogus"}, Positionals::EndFlags, "flag provided but not defined: -bogus"},
      {"unknown with value", {"--bogus=1"}, Positionals::EndFlags, "flag provided but not defined: -bogus"},
      {"prefix of a flag", {"--pol", "p"}, Positionals::EndFlags, "flag provided but not defined: -pol"},
      {"no value", {"--policy"}, Positionals::EndFlags, "flag needs an argument: -policy"},
      {"three dashes", {"---policy"}, Positionals::EndFlags, "bad flag syntax: ---policy"},
      {"no name", {"--=p"}, Positionals::EndFlags, "bad flag syntax: --=p"},
      {"no boolean", {"--json=yes"}, Positionals::EndFlags, "invalid boolean value \"yes\" for -json: parse error"},
      {"no number",
       {"--max-ops", "1.5"},
       Positionals::EndFlags,
       "invalid value \"1.5\" for flag -max-ops: parse error"},
      {"command without --",
       {"rm"},
       Positionals::Command,
       "unexpected argument \"rm\": the command to run stands after --"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const auto arguments = parse(row.words, row.positionals);
    ASSERT_FALSE(arguments);
    EXPECT_EQ(arguments.error().code, ErrorCode::Invalid);
    EXPECT_EQ(arguments.error().detail, row.detail);
  }
}

TEST(Arguments, KnowWhetherJsonIsAskedForBeforeTheyAreRead) {
  EXPECT_TRUE(asks_for_json(Words{"--bogus", "--json"}));
  EXPECT_FALSE(asks_for_json(Words{"run", "--", "--json"}));
  EXPECT_FALSE(asks_for_json(Words{"--json=false"}));
}

}  // namespace
}  // namespace countersign::command
