#include "signer/config/holder_settings.h"

#include <gtest/gtest.h>

#include "signer/config/approval_limits.h"

namespace countersign::config {
namespace {

Config configured() {
  Config config;
  config.state = "/var/lib/countersign";
  TokenConfig token;
  token.name = "main";
  token.module = "/usr/lib/softhsm/libsofthsm2.so";
  token.environment = {{"SOFTHSM2_CONF", "/etc/softhsm2.conf"}};
  token.label = "countersign";
  token.pin = {PinSource::Kind::File, "/etc/countersign/pin"};
  config.tokens = {token};
  for (const keymgmt::Role role : {keymgmt::Role::Approval, keymgmt::Role::Trace}) {
    RoleConfig of_role;
    of_role.role = role;
    of_role.token = "main";
    of_role.algorithms = {keymgmt::Algorithm::Ed25519, keymgmt::Algorithm::P256};
    config.roles.push_back(of_role);
  }
  ApproverConfig alice;
  alice.identity = "Alice";
  alice.identity_key = "alice";
  alice.ssh_key = "ssh-ed25519 AAAA";
  alice.scopes = {"tool:*"};
  alice.max_ttl = std::chrono::minutes(20);
  ApproverConfig bob;
  bob.identity = bob.identity_key = "bob";
  bob.unix_uid = 1000;
  bob.scopes = {"tool:deploy.apply", "destructive:apply"};
  config.approvers = {alice, bob};
  config.approvals.high_risk = {{"tool:deploy.apply", std::chrono::minutes(10)}};
  return config;
}

TEST(HolderSettings, ReadBackAsWritten) {
  const HolderSettings sent = holder_settings(configured(), keymgmt::Role::Approval, 1, "main");
  const Result<HolderSettings> read = HolderSettings::from_json(*Json::parse(sent.to_json().compact()));
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(read->to_json(), sent.to_json());
  EXPECT_EQ(read->role, keymgmt::Role::Approval);
  EXPECT_EQ(read->algorithms.size(), 2u);
  EXPECT_EQ(read->token.environment.at("SOFTHSM2_CONF"), "/etc/softhsm2.conf");
  ASSERT_EQ(read->approvers.size(), 2u);
  EXPECT_EQ(*read->approvers[0].max_ttl, std::chrono::minutes(20));
  EXPECT_EQ(*read->approvers[1].unix_uid, 1000u);
  EXPECT_FALSE(read->approvers[0].unix_uid);
  EXPECT_EQ(read->approvals.high_risk.at(0).max_ttl, std::chrono::minutes(10));
  EXPECT_EQ(read->locks, "/var/lib/countersign/holders");
  EXPECT_FALSE(read->anchors);
}

TEST(HolderSettings, GiveTheRosterToTheApprovalRoleAloneAndAnchorsToTheFirstTraceHolder) {
  EXPECT_TRUE(holder_settings(configured(), keymgmt::Role::Trace, 0, "main").anchors);
  EXPECT_FALSE(holder_settings(configured(), keymgmt::Role::Trace, 1, "main").anchors);
  EXPECT_TRUE(holder_settings(configured(), keymgmt::Role::Trace, 0, "main").approvers.empty());
}

TEST(HolderSettings, NeverCarryWhereThePinIs) {
  const std::string text = holder_settings(configured(), keymgmt::Role::Trace, 0, "main").to_json().compact();
  EXPECT_EQ(text.find("/etc/countersign/pin"), std::string::npos);
}

TEST(HolderSettings, AreRefusedWithAnythingMissingOrMore) {
  const Json good = holder_settings(configured(), keymgmt::Role::Approval, 0, "main").to_json();
  for (const Json::Member& member : good.as_object()) {
    Json less = good;
    less.erase(member.first);
    EXPECT_FALSE(HolderSettings::from_json(less)) << member.first;
  }
  Json more = good;
  more.set("pin", "x");
  EXPECT_FALSE(HolderSettings::from_json(more));
  Json role = good;
  role.set("role", "root");
  EXPECT_FALSE(HolderSettings::from_json(role));
  Json memory = good;
  memory.set("memory", 0);
  EXPECT_FALSE(HolderSettings::from_json(memory));
}

TEST(ApprovalLimits, AScopeMustBeTheApproversOwn) {
  const Config config = configured();
  EXPECT_TRUE(may_grant(config.approvers[0], "tool:anything"));
  EXPECT_FALSE(may_grant(config.approvers[0], "destructive:apply"));
  EXPECT_TRUE(may_grant(config.approvers[1], "tool:deploy.apply"));
  EXPECT_FALSE(may_grant(config.approvers[1], "tool:deploy.apply2"));
  EXPECT_FALSE(may_grant(config.approvers[1], "tool:*"));
}

TEST(ApprovalLimits, TheLeastLimitWins) {
  const Config config = configured();
  EXPECT_EQ(longest_ttl(config.approvals, config.approvers[1], {"tool:x"}), std::chrono::hours(24));
  EXPECT_EQ(longest_ttl(config.approvals, config.approvers[0], {"tool:x"}), std::chrono::minutes(20));
  EXPECT_EQ(longest_ttl(config.approvals, config.approvers[0], {"tool:x", "tool:deploy.apply"}),
            std::chrono::minutes(10));
  EXPECT_EQ(longest_ttl(config.approvals, config.approvers[1], {"destructive:apply"}), std::chrono::minutes(30));
}

}  // namespace
}  // namespace countersign::config
