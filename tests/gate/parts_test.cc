// Paths, patterns, zones, inference, credentials, kill switch, exit codes: the small rules decisions are made of.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <string>

#include "gate/decision/evaluate.h"
#include "gate/decision/time_zone.h"
#include "gate/document/paths.h"
#include "gate/document/verdict.h"
#include "gate/intent/credential_scan.h"
#include "gate/intent/endpoint.h"

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

TEST(EndpointDomain, IsTheHostNameOfAUrl) {
  const std::pair<const char*, const char*> cases[] = {
      {"https://Example.COM:443/x", "example.com"},
      {"https://user:pw@host/x?q#f", "host"},
      {"http://[::1]:80/", "::1"},
      {"mailto:a@b", ""},
      {"//host/x", "host"},
      {"http://ho st/", ""},
      {"http://host:port/", ""},
      {"http://%zz/", ""},
      {"no url at all", ""},
  };
  for (const auto& [url, host] : cases) EXPECT_EQ(inferred_endpoint_domain("url", url), host) << url;
  EXPECT_EQ(inferred_endpoint_domain("host", "https://Db.Internal:5432/x"), "db.internal");
  EXPECT_EQ(inferred_endpoint_domain("path", "https://x"), "");
}

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

TEST(FreezeWindow, ReadsLocalTimeInItsZone) {
  const Result<TimeZone> zone = TimeZone::named("America/New_York");
  ASSERT_TRUE(zone);
  const std::pair<const char*, const char*> cases[] = {
      {"2026-06-15T07:30:00", "2026-06-15T11:30:00Z"},
      {"2026-01-15T07:30:00", "2026-01-15T12:30:00Z"},
      {"2026-03-08T02:30:00", "2026-03-08T06:30:00Z"},  // skipped by the clocks: as Go
      {"2026-11-01T01:30:00", "2026-11-01T05:30:00Z"},  // happens twice: as Go, the first
  };
  for (const auto& [local, utc] : cases) {
    const Result<UtcTime> moment = zone->moment_of(local);
    ASSERT_TRUE(moment) << local;
    EXPECT_EQ(moment->rfc3339(), utc) << local;
  }
  EXPECT_FALSE(zone->moment_of("2026-06-15 07:30:00"));
  EXPECT_FALSE(zone->moment_of("2026-02-30T07:30:00"));
  for (const char* name : {"Mars/Base", "../../etc/passwd", "/etc/passwd", "", "Local", "tzdata.zi"}) {
    EXPECT_FALSE(TimeZone::named(name)) << name;
  }
  EXPECT_TRUE(TimeZone::named("UTC"));
}

constexpr const char* kState = R"({"schema_id":"gait.gate.kill_switch_state","schema_version":"1.0.0","entries":[
  {"entry_id":"e1","enabled":true,"tool_name":"db.drop","path_prefixes":["/srv"],"created_at":"2026-01-01T00:00:00Z"}]})";

TEST(KillSwitch, StopsOnlyWhatAllItsSelectorsMatch) {
  const Result<KillSwitch> state = KillSwitch::parse(kState);
  ASSERT_TRUE(state) << state.error().detail;
  const UtcTime now = *UtcTime::parse("2026-06-15T12:00:00Z");
  const auto stopped = [&](const char* tool, const char* path) {
    const std::string text = std::string(R"({"tool_name":")") + tool + R"(","targets":[{"kind":"path","value":")" +
                             path + R"("}],"context":{"identity":"a","workspace":"/w","risk_class":"low"}})";
    return state->finding(*Intent::parse(text), now).has_value();
  };
  EXPECT_TRUE(stopped("db.drop", "/srv/data"));
  EXPECT_TRUE(stopped("db.drop", "/tmp/../srv/data"));
  EXPECT_FALSE(stopped("db.drop", "/srvx"));
  EXPECT_FALSE(stopped("db.read", "/srv/data"));
  const std::string in_a_step =
      R"({"script":{"steps":[{"tool_name":"db.drop","targets":[{"kind":"path","value":"/srv"}]}]},
          "context":{"identity":"a","workspace":"/w","risk_class":"low"}})";
  EXPECT_TRUE(state->finding(*Intent::parse(in_a_step), now)) << "a script hides no step";
  EXPECT_FALSE(KillSwitch::parse("{}"));
  EXPECT_FALSE(KillSwitch::parse(""));
}

TEST(Answer, CarriesGaitsErrorMembers) {
  Json answer = Json::object({{"ok", false}});
  add_error(answer, 6, "normalize intent: tool_name is required");
  EXPECT_EQ(
      answer.gait_line(),
      R"({"error":"normalize intent: tool_name is required","error_category":"invalid_input",)"
      R"("error_code":"invalid_input","hint":"check command usage and input schema","ok":false,"retryable":false})");
  EXPECT_EQ(exit_code_of(Verdict::DryRun), 0);
  EXPECT_EQ(exit_code_of(Verdict::Block), 3);
  EXPECT_EQ(exit_code_of(Verdict::RequireApproval), 4);
}

// Recorded from gait for `gate eval --policy policy.yaml --intent intent.json …` in case 001.
TEST(CorrelationId, FollowsTheArguments) {
  EXPECT_EQ(correlation_id({"gait", "gate", "eval", "--policy", "policy.yaml", "--intent", "intent.json", "--key-mode",
                            "prod", "--private-key", "../_keys/trace_private.key", "--approval-public-key",
                            "../_keys/approval_public.key", "--trace-out", "trace.json", "--json"}),
            "5c152e09c79575db0aeb87e0");
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

// The budget is 1 ms in a release build on an idle core; this holds in any build on a busy one and still catches a
// mistake of an order of magnitude.
TEST(Evaluation, OfATypicalIntentIsQuick) {
  const std::string policy_text = R"(
default_verdict: block
rules:
- {name: read, priority: 1, effect: allow, match: {endpoint_classes: [fs.read]}}
- {name: write, priority: 2, effect: require_approval, min_approvals: 2, match: {tool_names: [db.write]}}
)";
  const std::string intent_text =
      R"({"tool_name":"db.write","args":{"path":"/srv/a","n":1},"targets":[{"kind":"path","value":"/srv/a",
          "operation":"write"}],"context":{"identity":"a","workspace":"/w","risk_class":"high"}})";
  constexpr int kRounds = 200;
  const UtcTime now = *UtcTime::parse("2026-06-15T12:00:00Z");
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kRounds; ++i) {
    const Policy policy = *Policy::parse(policy_text);
    const Result<JudgedIntent> judged =
        with_context(*Intent::parse(intent_text), std::nullopt, ContextTrust::Envelope, AgeInDigest::Left, now);
    ASSERT_EQ(evaluate(policy, *judged, {}, now)->verdict, Verdict::RequireApproval);
    ASSERT_NE(policy.policy_digest(), judged->intent.intent_digest());
  }
  const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - start;
  std::printf("policy, intent, digests and decision: %.3f ms each\n", spent.count() / kRounds);
  EXPECT_LT(spent.count() / kRounds, 20);
}

}  // namespace
}  // namespace countersign::gate
