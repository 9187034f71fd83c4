#include "gate/broker/broker_config.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "common/durable_file.h"
#include "places.h"
#include "tests/support/temporary_folder.h"

namespace countersign::broker {
namespace {

constexpr const char* kGood = R"(state: state
socket: run/broker.sock
agents:
  default: {deny: ["*:delete"]}
  web: {uid: 60001, allow: ["fs:*"], servers: [fs]}
people: [{uid: 60002}]
servers:
  fs: {command: [/usr/bin/python3, server.py], source: src, environment: {A: b}, read_write: [files]}
approvals: {default: once, rules: [{tools: ["fs:*"], min: 2}], cooldown: 5m}
limits: {calls_per_minute: 10}
)";

class ConfigFile : public testing::Test {
 protected:
  Result<BrokerConfig> loaded(const std::string& text) {
    EXPECT_TRUE(write_durable(folder_ / "broker.yaml", text, 0600));
    return BrokerConfig::load(folder_ / "broker.yaml");
  }
  static std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return at == std::string::npos ? text : text.replace(at, from.size(), to);
  }
  test::TemporaryFolder folder_;
};

TEST_F(ConfigFile, IsReadWithPathsOfItsFolder) {
  const auto config = loaded(kGood);
  ASSERT_TRUE(config) << config.error().detail;
  EXPECT_EQ(config->state, folder_ / "state");
  EXPECT_EQ(config->servers.at("fs").source, folder_ / "src");
  EXPECT_EQ(config->servers.at("fs").environment, std::vector<std::string>{"A=b"});
  EXPECT_EQ(config->servers.at("fs").read_write, std::vector<std::string>{folder_ / "files"});
  EXPECT_EQ(config->agents.at("web").uid, 60001U);
  EXPECT_EQ(config->everybodys.deny, std::vector<std::string>{"*:delete"});
  EXPECT_EQ(config->approve_default, GrantMode::Once);
  EXPECT_EQ(config->approvals_for("fs:write"), 2);
  EXPECT_EQ(config->approvals_for("web:get"), 1);
  EXPECT_EQ(config->cooldown, std::chrono::minutes(5));
  EXPECT_EQ(config->limits.calls_per_minute, 10);
  EXPECT_TRUE(config->warnings.empty());
}

struct Refusal {
  const char* from;
  const char* to;
  const char* says;
};

TEST_F(ConfigFile, IsRefusedWithThePath) {
  constexpr Refusal kRows[] = {
      {"state: state", "state: state\nsurprise: 1", "surprise"},
      {"state: state\n", "", "state"},
      {"uid: 60001, ", "", "agents.web.uid is missing"},
      {"uid: 60001", "user: no-such-user-here", "names no user"},
      {"[\"fs:*\"], servers", "[\"fs *\"], servers", "agents.web.allow"},
      {"uid: 60002", "uid: 60001", "could approve its own calls"},
      {"source: src, ", "", "servers.fs.source is missing"},
      {"command: [/usr/bin/python3, server.py]", "command: []", "servers.fs.command"},
      {"default: once", "default: always", "approvals.default"},
      {"min: 2", "min: 0", "approvals.rules[0].min"},
      {"  fs: {", "  \"f:s\": {", "colon"},
      {"calls_per_minute: 10", "calls_per_minute: 0", "limits.calls_per_minute"},
      {"people: [{uid: 60002}]", "people: [{}]", "people[0]"},
      {"  web: {", "  two: {uid: 60001}\n  web: {", "the user of another agent"},
      {"uid: 60001,", "secret: none.secret,", "none.secret"},
  };
  for (const Refusal& row : kRows) {
    const auto config = loaded(replaced(kGood, row.from, row.to));
    ASSERT_FALSE(config) << row.to;
    EXPECT_NE(config.error().detail.find(row.says), std::string::npos) << config.error().detail;
  }
}

TEST_F(ConfigFile, TakesSecretsOnlyFromPrivateFiles) {
  const std::string with_secret = replaced(kGood, "uid: 60001,", "secret: web.secret,");
  ASSERT_TRUE(write_durable(folder_ / "web.secret", "0123456789abcdef\n", 0400));
  const auto config = loaded(with_secret);
  ASSERT_TRUE(config) << config.error().detail;
  EXPECT_EQ(config->agents.at("web").secret, sha256(view_of("0123456789abcdef")));
  ASSERT_EQ(chmod((folder_ / "web.secret").c_str(), 0444), 0);
  EXPECT_FALSE(loaded(with_secret));
  ASSERT_EQ(chmod((folder_ / "web.secret").c_str(), 0600), 0);
  ASSERT_TRUE(write_durable(folder_ / "web.secret", "short\n", 0400));
  EXPECT_FALSE(loaded(with_secret));
}

TEST_F(ConfigFile, SaysWhatWeakensIt) {
  EXPECT_EQ(loaded(replaced(kGood, "source: src", "unvetted: true"))->warnings.size(), 1U);
  EXPECT_EQ(loaded(std::string("trial: true\n") + kGood)->warnings.size(), 1U);
}

// The manual shows the defaults; its users need not exist where the tests run.
TEST_F(ConfigFile, TheManualCanBeUsed) {
  const auto manual = read_file(std::string(COUNTERSIGN_SOURCE) + "/deploy/config/broker.yaml");
  ASSERT_TRUE(manual);
  std::string text = replaced(*manual, "user: web-runner  ", "uid: 60001  ");
  text = replaced(replaced(text, "{user: alice}", "{uid: 60002}"), "{user: bob}", "{uid: 60003}");
  const auto config = loaded(text);
  ASSERT_TRUE(config) << config.error().detail;
  const BrokerConfig defaults;
  EXPECT_EQ(config->request_ttl, defaults.request_ttl);
  EXPECT_EQ(config->grant_ttl, defaults.grant_ttl);
  EXPECT_EQ(config->cooldown, defaults.cooldown);
  EXPECT_EQ(config->limits.calls_per_minute, defaults.limits.calls_per_minute);
  EXPECT_EQ(config->limits.pending_per_agent, defaults.limits.pending_per_agent);
  EXPECT_EQ(config->limits.call_timeout, defaults.limits.call_timeout);
  EXPECT_EQ(config->limits.result_bytes, defaults.limits.result_bytes);
}

}  // namespace
}  // namespace countersign::broker
