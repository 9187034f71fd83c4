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
      {"limits:", "notify: {surprise: 1}\nlimits:", "notify.surprise"},
      {"limits:", "notify: {channels: {}}\nlimits:", "notify.channels"},
      {"limits:", "notify: {replies: [{}]}\nlimits:", "notify.replies[0]"},
      {"limits:", "notify: {replies: [{uid: 60001}]}\nlimits:", "could answer for people"},
      {"limits:", "notify: {reply_attempts: 0}\nlimits:", "notify.reply_attempts"},
      {"limits:", "notify: {remind_after: 0s}\nlimits:", "notify.remind_after"},
  };
  for (const Refusal& row : kRows) {
    const auto config = loaded(replaced(kGood, row.from, row.to));
    ASSERT_FALSE(config) << row.to;
    EXPECT_NE(config.error().detail.find(row.says), std::string::npos) << config.error().detail;
  }
}

TEST_F(ConfigFile, ReadsWhoIsTold) {
  const auto config = loaded(std::string(kGood) + R"(notify:
  remind_after: 5m
  replies: [{uid: 60003}]
  reply_attempts: 3
  channels:
    - {name: ops, webhook: {url: "https://hooks.company/x", secret: ["file:ops.secret", "credential:old"], ca: ca.pem}, events: [request], timeout: 3s}
    - {name: near, webhook: {url: "http://127.0.0.1:8080/x", secret: "credential:near"}}
    - {name: mail, mail: {smtp: "smtps://mail.company:465", from: a@company, to: [b@company], user: a, password: "file:pw"}}
    - {name: chat, command: [/bin/tell, --urgent]}
    - {name: log, file: log.jsonl}
)");
  ASSERT_TRUE(config) << config.error().detail;
  const NotifyConfig& notify = config->notify;
  EXPECT_EQ(notify.remind_after, std::chrono::minutes(5));
  EXPECT_EQ(notify.repliers, std::set<std::uint32_t>{60003});
  EXPECT_EQ(notify.reply_attempts, 3);
  ASSERT_EQ(notify.channels.size(), 5U);
  EXPECT_EQ(std::get<WebhookTarget>(notify.channels[0].target).secrets,
            (std::vector<std::string>{"file:" + (folder_ / "ops.secret"), "credential:old"}));
  EXPECT_EQ(std::get<WebhookTarget>(notify.channels[0].target).ca, folder_ / "ca.pem");
  EXPECT_EQ(notify.channels[0].kinds, std::set<NoticeKind>{NoticeKind::Request});
  EXPECT_EQ(notify.channels[0].timeout, std::chrono::seconds(3));
  EXPECT_EQ(notify.channels[1].kinds.size(), notice_kinds().size());
  EXPECT_EQ(std::get<MailTarget>(notify.channels[2].target).to, std::vector<std::string>{"b@company"});
  EXPECT_EQ(std::get<CommandTarget>(notify.channels[3].target).argv.size(), 2U);
  EXPECT_EQ(std::get<FileTarget>(notify.channels[4].target).path, folder_ / "log.jsonl");
}

TEST_F(ConfigFile, RefusesChannelsThatAreNotSafe) {
  struct Row {
    const char* channel;
    const char* says;
  };
  constexpr Row kRows[] = {
      {"{file: a}", "name"},
      {"{name: \"a b\", file: a}", "channels[0].name"},
      {"{name: a}", "exactly one of"},
      {"{name: a, file: a, command: [/bin/a]}", "exactly one of"},
      {"{name: a, command: [tell]}", "absolute path"},
      {"{name: a, file: a, events: [everything]}", "which is no event"},
      {"{name: a, file: a, events: []}", "told nothing"},
      {"{name: a, file: a}, {name: a, file: b}", "another channel"},
      {"{name: a, webhook: {url: \"http://hooks.company/\", secret: \"file:s\"}}", "https://"},
      {"{name: a, webhook: {url: \"http://127.0.0.1.evil.example/\", secret: \"file:s\"}}", "https://"},
      {"{name: a, webhook: {url: \"http://127.0.0.1@evil.example/\", secret: \"file:s\"}}", "no address"},
      {"{name: a, webhook: {url: \"http://localhost.evil.example/\", secret: \"file:s\"}}", "https://"},
      {"{name: a, webhook: {url: \"file:///etc/passwd\", secret: \"file:s\"}}", "no address"},
      {"{name: a, webhook: {url: \"https://a b/\", secret: \"file:s\"}}", "no address"},
      {"{name: a, webhook: {url: \"https://a/\", secret: \"whsec_AAAA\"}}", "a secret does not stand here"},
      {"{name: a, webhook: {url: \"https://a/\"}}", "secret"},
      {"{name: a, webhook: {url: \"https://a/\", secret: []}}", "a list of 1 to 4"},
      {"{name: a, webhook: {url: \"https://a/\", secret: [\"file:a\", \"plain\"]}}", "does not stand here"},
      {"{name: a, mail: {smtp: \"http://a\", from: a@b, to: [a@b]}}", "smtps://"},
      {"{name: a, mail: {smtp: \"smtp://a\", from: \"a@b\\r\\nRCPT TO:<x@y>\", to: [a@b]}}", "mail.from"},
      {"{name: a, mail: {smtp: \"smtp://a\", from: a@b, to: [\"a@b,c@d\"]}}", "mail.to"},
      {"{name: a, mail: {smtp: \"smtp://a\", from: a@b, to: []}}", "mail.to"},
      {"{name: a, mail: {smtp: \"smtp://a\", from: a@b, to: [a@b], user: a}}", "password"},
  };
  for (const Row& row : kRows) {
    const auto config = loaded(std::string(kGood) + "notify: {channels: [" + row.channel + "]}\n");
    ASSERT_FALSE(config) << row.channel;
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
  EXPECT_EQ(config->notify.remind_after, defaults.notify.remind_after);
  EXPECT_EQ(config->notify.give_up_after, defaults.notify.give_up_after);
  EXPECT_EQ(config->notify.reply_attempts, defaults.notify.reply_attempts);
}

}  // namespace
}  // namespace countersign::broker
