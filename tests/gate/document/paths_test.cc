#include "gate/document/paths.h"

#include <gtest/gtest.h>

#include <utility>

namespace countersign::gate {
namespace {

TEST(Path, IsCleanedLexically) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "."},       {"/", "/"},         {"/a/../b/", "/b"}, {"./c", "c"},      {"//d//e", "/d/e"},
      {"b/../a", "a"}, {"/../../x", "/x"}, {"../x", "../x"},   {"a/../..", ".."}, {"/tmp/ok/../../etc", "/etc"},
  };
  for (const auto& [given, cleaned] : cases) EXPECT_EQ(cleaned_path(given), cleaned) << given;
}

TEST(Pattern, MatchesAsGosPathMatch) {
  struct Case {
    const char* pattern;
    const char* text;
    bool matches;
  };
  const Case cases[] = {
      {"/tmp/*", "/tmp/a", true},
      {"/tmp/*", "/tmp/a/b", false},
      {"/tmp/?", "/tmp/a", true},
      {"/tmp/?", "/tmp//", false},
      {"/t[a-m]mp", "/tmmp", true},
      {"/t[^a-m]mp", "/tmmp", false},
      {"/t[^a-m]mp", "/tzmp", true},
      {"a\\*b", "a*b", true},
      {"a\\*b", "axb", false},
      {"[", "[", true},
      {"[a", "a", false},
      {"*.log", "x.log", true},
      {"a*b*c", "aXbYc", true},
      {"a*b*c", "aXbY/c", false},
      {"/tmp/**", "/tmp/a/b", true},
      {"/tmp/**", "/tmp", true},
      {"/tmp/**", "/tmpx", false},
      {"é?", "éü", true},
      {"*", "", true},
      {"?", "", false},
      {"[]a]", "a", false},
  };
  for (const Case& row : cases) {
    EXPECT_EQ(matches_path_pattern(row.pattern, row.text), row.matches) << row.pattern << " " << row.text;
  }
  EXPECT_TRUE(matches_domain_pattern("*.example.com", "a.b.example.com"));
  EXPECT_FALSE(matches_domain_pattern("*.example.com", "example.com"));
  EXPECT_FALSE(matches_domain_pattern("*.example.com", "badexample.com"));
}

}  // namespace
}  // namespace countersign::gate
