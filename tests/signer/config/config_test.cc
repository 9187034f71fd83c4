#include "signer/config/config.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "common/durable_file.h"
#include "places.h"
#include "signer/config/events.h"
#include "signer/config/operation.h"

namespace countersign::config {
namespace {

using std::chrono::minutes;

// Public halves of keys that were made for this test and thrown away.
#define FIRST_KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG4d+1zqIWFuClc0UFfzfVDk956u/hnRF/dFO4s7PWnW"
#define SECOND_KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL47c1iCQfjZOKmGJu65dDFn2Z4M1nAgs+x7LmmLU9s9"

constexpr std::string_view kGood = R"(state: state
sockets: {sign: run/sign.sock, mode: "0660"}
tokens:
  approval:
    module: /usr/lib/softhsm/libsofthsm2.so
    environment: {SOFTHSM2_CONF: approval.conf}
    label: approval
    pin: {file: approval.pin}
  trace:
    module: /usr/lib/softhsm/libsofthsm2.so
    environment: {SOFTHSM2_CONF: trace.conf}
    label: trace
    pin: {credential: trace-pin}
  release:
    module: /usr/lib/softhsm/libsofthsm2.so
    environment: {SOFTHSM2_CONF: release.conf}
    label: release
    pin: {prompt: true}
    pin_on_restart: ask
roles:
  approval: {token: approval}
  trace: {token: trace, algorithm: [ed25519, p256], holders: 2}
  release: {token: release, algorithm: p256}
peers:
  - {uid: 60001, may: [sign:trace, verify, decisions, executed]}
  - {uid: 60002, may: [sign:approval, nonce, requests]}
approvers:
  - {identity: Alice@Company, proof: {ssh_key: FIRST}, scopes: ["tool:deploy.apply", destructive:apply], max_ttl: 2h}
  - {identity: bob@company, proof: {ssh_key: SECOND}, scopes: ["tool:*", phase:apply]}
policies:
  - {digest: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, min_approvals: 2}
approvals: {default_ttl: 1h, max_ttl: 8h, high_risk: [{scope: "tool:db.drop", max_ttl: 20m}], distinct_uid: true}
security_owner:
  notify:
    - {file: refusals.jsonl}
    - {command: [/usr/bin/logger, -t, countersign], timeout: 2s}
    - {webhook: "https://example.test/hook"}
    - {mail: {to: security@example.test, smtp: "smtps://mail.example.test"}}
publication: {directory: published, lifetime: 168h, refresh: 24h}
limits: {in_flight: 64, holder_memory: 128MiB, sign_deadline: 2s}
log: {level: warning}
)";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

std::string good() {
  return replaced(replaced(std::string(kGood), "FIRST", FIRST_KEY), "SECOND", SECOND_KEY);
}

class ConfigFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/countersign-config-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string written(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }
  Result<Config> loaded(const std::string& text) const { return load(written("countersign.yaml", text)); }
  std::vector<Finding> findings(const std::string& text) const { return check(written("countersign.yaml", text)); }

  std::string folder_;
};

bool warns(const std::vector<Finding>& findings, std::string_view path) {
  return std::any_of(findings.begin(), findings.end(),
                     [&](const Finding& finding) { return !finding.error && finding.path == path; });
}

TEST_F(ConfigFile, IsReadWithPathsRelativeToItsFolder) {
  const Result<Config> config = loaded(good());
  ASSERT_TRUE(config) << config.error().detail;
  EXPECT_EQ(config->state, folder_ + "/state");
  EXPECT_EQ(config->sign_socket, folder_ + "/run/sign.sock");
  EXPECT_EQ(config->admin_socket, folder_ + "/run/admin.sock");
  EXPECT_EQ(config->public_socket, folder_ + "/run/public.sock");
  EXPECT_EQ(config->publication, folder_ + "/published");
  ASSERT_EQ(config->tokens.size(), 3U);
  EXPECT_EQ(config->token("approval")->environment.at("SOFTHSM2_CONF"), folder_ + "/approval.conf");
  EXPECT_EQ(config->token("approval")->pin.name, folder_ + "/approval.pin");
  EXPECT_EQ(config->token("trace")->pin.kind, PinSource::Kind::Credential);
  EXPECT_EQ(config->token("trace")->pin.name, "trace-pin");
  EXPECT_EQ(config->token("release")->pin.kind, PinSource::Kind::Prompt);
  EXPECT_TRUE(config->token("release")->pin_on_restart_ask);
  EXPECT_EQ(config->role(keymgmt::Role::Trace)->holders, 2);
  EXPECT_EQ(config->role(keymgmt::Role::Trace)->algorithms,
            (std::vector{keymgmt::Algorithm::Ed25519, keymgmt::Algorithm::P256}));
  EXPECT_EQ(config->role(keymgmt::Role::Log), nullptr);
  EXPECT_EQ(config->approver("alice@company")->identity, "Alice@Company");
  EXPECT_EQ(config->approver("alice@company")->max_ttl, std::chrono::hours(2));
  EXPECT_EQ(config->min_approvals(*Digest::parse(std::string(64, 'a'))), 2);
  EXPECT_EQ(config->min_approvals(*Digest::parse(std::string(64, 'b'))), 0);
  EXPECT_EQ(config->limits.in_flight, 64);
  EXPECT_EQ(config->limits.holder_memory, std::size_t{128} << 20);
  EXPECT_EQ(config->limits.connections, LimitsConfig{}.connections);
  ASSERT_EQ(config->security_owner.size(), 4U);
  EXPECT_EQ(config->security_owner[1].timeout, std::chrono::seconds(2));
  EXPECT_EQ(config->security_owner[3].smtp, "smtps://mail.example.test");
  EXPECT_TRUE(config->confinement_mandatory);
  EXPECT_FALSE(config->trial);
}

TEST_F(ConfigFile, GivesEachProcessAUser) {
  std::string text = replaced(good(), "tokens:\n", "users: {front: \"60010\", notifier: \"60011\"}\ntokens:\n");
  for (const char* token : {"approval", "trace", "release"}) {
    const std::string label = std::string("    label: ") + token + "\n";
    text = replaced(text, label, label + "    user: \"60012\"\n");
  }
  const Result<Config> config = loaded(text);
  ASSERT_TRUE(config) << config.error().detail;
  EXPECT_EQ(config->front_uid(), 60010U);
  EXPECT_EQ(config->notifier_user->uid, 60011U);
  EXPECT_EQ(config->token("trace")->user->gid, 60012U);
  EXPECT_TRUE(warns(findings(text), "tokens.trace.user")) << "two tokens of one user";
  EXPECT_FALSE(loaded(good())->has_users());
}

TEST_F(ConfigFile, AlwaysCountsDestructiveApplyAsHighRisk) {
  const Result<Config> config = loaded(good());
  ASSERT_TRUE(config);
  const std::vector<HighRiskScope>& list = config->approvals.high_risk;
  const auto found =
      std::find_if(list.begin(), list.end(), [](const HighRiskScope& one) { return one.scope == "destructive:apply"; });
  ASSERT_NE(found, list.end());
  EXPECT_EQ(found->max_ttl, minutes(30));
}

TEST_F(ConfigFile, TakesAnApproversKeyFromAPubFile) {
  written("alice.pub", FIRST_KEY " alice@laptop\n");
  const Result<Config> config = loaded(replaced(good(), FIRST_KEY, "alice.pub"));
  ASSERT_TRUE(config) << config.error().detail;
  EXPECT_EQ(config->approver("alice@company")->ssh_key, FIRST_KEY " alice@laptop");
}

TEST_F(ConfigFile, ReportsAllFindingsAtOnce) {
  const std::vector<Finding> all = findings(
      replaced(replaced(good(), "state: state", "state: state\nsurprise: 1"), "level: warning", "level: loud"));
  EXPECT_GE(std::count_if(all.begin(), all.end(), [](const Finding& finding) { return finding.error; }), 2);
}

struct Refusal {
  std::string name;
  std::string from, to;
  std::string path;  // of the finding
  std::string says;  // part of its message
};

class RefusedConfig : public ConfigFile, public testing::WithParamInterface<Refusal> {};

TEST_P(RefusedConfig, NamesThePathAndTheRule) {
  const Refusal& row = GetParam();
  const std::string text = replaced(good(), row.from, row.to);
  EXPECT_FALSE(loaded(text));
  const std::vector<Finding> all = findings(text);
  const bool found = std::any_of(all.begin(), all.end(), [&](const Finding& finding) {
    return finding.error && finding.path == row.path && finding.message.find(row.says) != std::string::npos;
  });
  std::string seen;
  for (const Finding& finding : all) seen += (finding.error ? "E " : "W ") + finding.text() + "\n";
  EXPECT_TRUE(found) << seen;
}

INSTANTIATE_TEST_SUITE_P(
    Table, RefusedConfig,
    testing::Values(
        Refusal{"UnknownMember", "state: state", "state: state\nsurprise: 1", "surprise",
                "not a known option (line 2)"},
        Refusal{"RepeatedMember", "state: state", "state: state\nstate: other", "", ""},
        Refusal{"NoState", "state: state", "trial: false", "state", "missing"},
        Refusal{"MistypedTrial", "state: state", "state: state\ntrial: yes", "trial", "true or false"},
        Refusal{"SameSockets", "run/sign.sock", "run/sign.sock, admin: run/sign.sock", "sockets", "different"},
        Refusal{"SocketMode", "\"0660\"", "\"0089\"", "sockets.mode", "octal"},
        Refusal{"UnknownVariable", "{SOFTHSM2_CONF: approval.conf}", "{LD_PRELOAD: evil.so}",
                "tokens.approval.environment.LD_PRELOAD", "not an environment variable"},
        Refusal{"RelativeModule", "/usr/lib/softhsm/libsofthsm2.so", "libsofthsm2.so", "tokens.approval.module",
                "absolute"},
        Refusal{"MissingModule", "/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/softhsm/none.so",
                "tokens.approval.module", "not there"},
        Refusal{"NoLabelNorSerial", "    label: approval\n", "", "tokens.approval", "label"},
        Refusal{"PinInTheFile", "{file: approval.pin}", "\"1234\"", "tokens.approval.pin", "exactly one"},
        Refusal{"TwoPinSources", "{file: approval.pin}", "{file: a, credential: b}", "tokens.approval.pin",
                "exactly one"},
        Refusal{"NoPin", "    pin: {file: approval.pin}\n", "", "tokens.approval.pin", "missing"},
        Refusal{"CredentialWithASlash", "trace-pin", "../trace-pin", "tokens.trace.pin.credential", "credential"},
        Refusal{"AskOnRestartWithoutPrompt", "pin: {file: approval.pin}",
                "pin: {file: approval.pin}\n    pin_on_restart: ask", "tokens.approval.pin_on_restart", "prompt"},
        Refusal{"OneTokenTwice", "    environment: {SOFTHSM2_CONF: trace.conf}\n    label: trace",
                "    environment: {SOFTHSM2_CONF: approval.conf}\n    label: approval", "tokens.trace", "same token"},
        Refusal{"UsersForSome", "    label: approval\n", "    label: approval\n    user: \"60011\"\n", "users.front",
                "would run as root"},
        Refusal{"UnknownUserOfAProcess", "    label: approval\n", "    label: approval\n    user: no-such-user-here\n",
                "tokens.approval.user", "no user"},
        Refusal{"RootAsAUser", "tokens:\n", "users: {front: root, notifier: \"60012\"}\ntokens:\n", "users.front",
                "of its own"},
        Refusal{"UnknownToken", "approval: {token: approval}", "approval: {token: other}", "roles.approval.token",
                "no token"},
        Refusal{"UnknownRole", "approval: {token: approval}", "approval: {token: approval}\n  boss: {token: trace}",
                "roles.boss", "no role"},
        Refusal{"MissingRole", "  release: {token: release, algorithm: p256}\n", "", "roles.release", "missing"},
        Refusal{"UnknownAlgorithm", "algorithm: p256", "algorithm: rsa", "roles.release.algorithm", "ed25519"},
        Refusal{"RepeatedAlgorithm", "[ed25519, p256]", "[p256, p256]", "roles.trace.algorithm", "ed25519"},
        Refusal{"NoHolders", "holders: 2", "holders: 0", "roles.trace.holders", "from 1"},
        Refusal{"UnknownUser", "uid: 60001", "user: no-such-user-here", "peers[0].user", "no user"},
        Refusal{"UnknownGroup", "uid: 60001", "group: no-such-group-here", "peers[0].group", "no group"},
        Refusal{"TwoNamesForAPeer", "uid: 60001", "uid: 60001, user: root", "peers[0]", "exactly one"},
        Refusal{"UnknownOperation", "[sign:trace, verify", "[\"sign:*\", verify", "peers[0].may", "no operation"},
        Refusal{"OperationTwice", "[sign:trace, verify", "[sign:trace, sign:trace", "peers[0].may", "twice"},
        Refusal{"TraceAndApprovalForOneUid", "[sign:approval, nonce, requests]", "[sign:approval, sign:trace]", "peers",
                "both"},
        Refusal{"TraceAndApprovalInTwoEntries", "uid: 60002", "uid: 60001", "peers", "both"},
        Refusal{"TraceAndApprovalThroughAGroup",
                "  - {uid: 60001, may: [sign:trace, verify, decisions, executed]}\n  - {uid: 60002",
                "  - {group: root, may: [sign:trace]}\n  - {user: root", "peers", "both"},
        Refusal{"TwoIdentitiesOfOneSpelling", "identity: bob@company", "identity: \" alice@COMPANY \"",
                "approvers[1].identity", "approvers[0]"},
        Refusal{"TwoApproversWithOneKey", SECOND_KEY, FIRST_KEY " other comment", "approvers[1].proof.ssh_key",
                "approvers[0]"},
        Refusal{"KeyOfAnotherType", FIRST_KEY, "ssh-dss AAAAB3NzaC1kc3M=", "approvers[0].proof.ssh_key", "type"},
        Refusal{"KeyWhoseTypeLies", SECOND_KEY, "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAA", "approvers[1].proof.ssh_key",
                "no OpenSSH"},
        Refusal{"MissingKeyFile", FIRST_KEY, "missing.pub", "approvers[0].proof.ssh_key", "read"},
        Refusal{"TwoProofs", "{ssh_key: " FIRST_KEY "}", "{ssh_key: " FIRST_KEY ", unix_user: root}",
                "approvers[0].proof", "exactly one"},
        Refusal{"UnknownApproverUser", "{ssh_key: " FIRST_KEY "}", "{unix_user: no-such-user-here}",
                "approvers[0].proof.unix_user", "no user"},
        Refusal{"WildcardScope", "\"tool:deploy.apply\"", "\"*\"", "approvers[0].scopes", "wildcard"},
        Refusal{"PartialWildcard", "\"tool:deploy.apply\"", "\"tool:deploy.*\"", "approvers[0].scopes", "wildcard"},
        Refusal{"UnknownScopeKind", "\"tool:deploy.apply\"", "\"risk:high\"", "approvers[0].scopes", "no scope"},
        Refusal{"UpperCaseScope", "\"tool:deploy.apply\"", "\"tool:Deploy\"", "approvers[0].scopes", "no scope"},
        Refusal{"NoScopes", "scopes: [\"tool:*\", phase:apply]", "scopes: []", "approvers[1].scopes", "at least one"},
        Refusal{"PolicyDigest", "digest: aaaa", "digest: zaaa", "policies[0].digest", "64 hex"},
        Refusal{"DefaultOverMaximum", "max_ttl: 8h, high", "max_ttl: 30m, high", "approvals.default_ttl", "longer"},
        Refusal{"LongHighRisk", "max_ttl: 20m", "max_ttl: 31m", "approvals.high_risk[0].max_ttl", "30m"},
        Refusal{"HighRiskWildcard", "\"tool:db.drop\"", "\"tool:*\"", "approvals.high_risk[0].scope", "wildcard"},
        Refusal{"ZeroDuration", "default_ttl: 1h", "default_ttl: 0s", "approvals.default_ttl", "above zero"},
        Refusal{"FractionOfASecond", "default_ttl: 1h", "default_ttl: 1500ms", "approvals.default_ttl",
                "whole seconds"},
        Refusal{"RelativeCommand", "/usr/bin/logger", "logger", "security_owner.notify[1].command", "absolute"},
        Refusal{"TwoTargetsInOne", "{file: refusals.jsonl}", "{file: a, webhook: \"https://x\"}",
                "security_owner.notify[0]", "exactly one"},
        Refusal{"OddWebhook", "https://example.test/hook", "file:///etc/passwd", "security_owner.notify[2].webhook",
                "https://"},
        Refusal{"MailHeaderInjection", "to: security@example.test", "to: \"a@b\\nBcc: c@d\"",
                "security_owner.notify[3].mail.to", "one address"},
        Refusal{"StaleRefresh", "refresh: 24h", "refresh: 200h", "publication.refresh", "shorter"},
        Refusal{"UnknownLimit", "in_flight: 64", "in_flite: 64", "limits.in_flite", "not a known option"},
        Refusal{"NoTimeToStart", "sign_deadline: 2s", "start_deadline: 500ms", "limits.start_deadline", "1s"},
        Refusal{"NoWindow", "sign_deadline: 2s", "idempotency_window: 30s", "limits.idempotency_window", "1m"},
        Refusal{"EndlessWindow", "sign_deadline: 2s", "idempotency_window: 3000h", "limits.idempotency_window",
                "2160h"},
        Refusal{"AlwaysChecking", "sign_deadline: 2s", "ledger_check_every: 1s", "limits.ledger_check_every", "1m"},
        Refusal{"SmallHolder", "128MiB", "1MiB", "limits.holder_memory", "32MiB"},
        Refusal{"UnknownLevel", "level: warning", "level: loud", "log.level", "debug"}),
    [](const testing::TestParamInfo<Refusal>& info) { return info.param.name; });

struct Weakening {
  std::string name;
  std::string from, to;
  std::string path;
};
class WeakenedConfig : public ConfigFile, public testing::WithParamInterface<Weakening> {};

TEST_P(WeakenedConfig, LoadsWithAWarningThatTheGoodOneLacks) {
  const Weakening& row = GetParam();
  const std::string text = replaced(good(), row.from, row.to);
  EXPECT_FALSE(warns(findings(good()), row.path));
  EXPECT_TRUE(warns(findings(text), row.path));
  const Result<Config> config = loaded(text);
  EXPECT_TRUE(config) << config.error().detail;
}

INSTANTIATE_TEST_SUITE_P(
    Table, WeakenedConfig,
    testing::Values(Weakening{"Trial", "state: state", "state: state\ntrial: true", "trial"},
                    Weakening{"TrialWithBothRights", "[sign:approval, nonce, requests]}",
                              "[sign:approval, sign:trace]}\ntrial: true", "peers"},
                    Weakening{"ConfinementOptional", "log: {level: warning}", "confinement: {mandatory: false}",
                              "confinement.mandatory"},
                    Weakening{"OneUidForBoth", "distinct_uid: true", "distinct_uid: false", "approvals.distinct_uid"},
                    Weakening{"SharedToken", "release: {token: release", "release: {token: trace", "tokens.trace"},
                    Weakening{"UnusedToken", "release: {token: release", "release: {token: trace", "tokens.release"},
                    Weakening{"PlainWebhook", "https://example.test/hook", "http://example.test/hook",
                              "security_owner.notify[2].webhook"},
                    Weakening{"WorldSocket", "\"0660\"", "\"0666\"", "sockets.mode"},
                    Weakening{"ContextClaims", "log: {level: warning}", "gate: {context_evidence: intent}",
                              "gate.context_evidence"},
                    Weakening{"ShortStart", "sign_deadline: 2s", "start_deadline: 10s", "limits.start_deadline"},
                    Weakening{"UnixUserProof", "{ssh_key: " FIRST_KEY "}", "{unix_user: root}",
                              "approvers[0].proof.unix_user"},
                    Weakening{"P256Approval", "approval: {token: approval}",
                              "approval: {token: approval, algorithm: p256}", "roles.approval.algorithm"},
                    Weakening{"NobodyCanApprove", "[sign:approval, nonce, requests]", "[nonce, requests]", "peers"}),
    [](const testing::TestParamInfo<Weakening>& info) { return info.param.name; });

TEST_F(ConfigFile, RefusesAModuleThatOthersCanWrite) {
  const std::string module = written("module.so", "");
  const std::string text = replaced(good(), "/usr/lib/softhsm/libsofthsm2.so", module);
  ASSERT_TRUE(loaded(text));
  ASSERT_EQ(chmod(module.c_str(), 0666), 0);
  const Result<Config> config = loaded(text);
  ASSERT_FALSE(config);
  EXPECT_NE(config.error().detail.find("others than its owner can write"), std::string::npos);
}

TEST_F(ConfigFile, IsMissing) {
  const Result<Config> config = load(folder_ + "/none.yaml");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, ErrorCode::NotFound);
}

// The users of the target machine need not exist where the tests run.
std::string with_uids(std::string text) {
  for (const auto& [from, to] :
       {std::pair{"{user: countersign-gate", "{uid: 60001"}, std::pair{"{group: countersign-approvers", "{uid: 60002"},
        std::pair{"{user: countersign-release", "{uid: 60003"},
        std::pair{"{group: countersign-security", "{uid: 60004"}}) {
    text = replaced(text, from, to);
  }
  return text;
}

TEST(ShippedConfiguration, ShowsTheDefaults) {
  const std::string path = std::string(COUNTERSIGN_SOURCE) + "/deploy/config/countersign.yaml";
  const Result<std::string> text = read_file(path);
  ASSERT_TRUE(text);
  const Result<Config> shown = parse(with_uids(*text), path);
  ASSERT_TRUE(shown) << shown.error().detail;
  const LimitsConfig limits;
  EXPECT_EQ(shown->limits.requests_per_second, limits.requests_per_second);
  EXPECT_EQ(shown->limits.burst, limits.burst);
  EXPECT_EQ(shown->limits.in_flight, limits.in_flight);
  EXPECT_EQ(shown->limits.connections, limits.connections);
  EXPECT_EQ(shown->limits.batch_items, limits.batch_items);
  EXPECT_EQ(shown->limits.header_timeout, limits.header_timeout);
  EXPECT_EQ(shown->limits.body_timeout, limits.body_timeout);
  EXPECT_EQ(shown->limits.idle_timeout, limits.idle_timeout);
  EXPECT_EQ(shown->limits.write_timeout, limits.write_timeout);
  EXPECT_EQ(shown->limits.sign_deadline, limits.sign_deadline);
  EXPECT_EQ(shown->limits.start_deadline, limits.start_deadline);
  EXPECT_EQ(shown->limits.holder_memory, limits.holder_memory);
  EXPECT_EQ(shown->limits.clock_step, limits.clock_step);
  EXPECT_EQ(shown->limits.idempotency_window, limits.idempotency_window);
  EXPECT_EQ(shown->limits.ledger_check_every, limits.ledger_check_every);
  const ApprovalsConfig approvals;
  EXPECT_EQ(shown->approvals.default_ttl, approvals.default_ttl);
  EXPECT_EQ(shown->approvals.max_ttl, approvals.max_ttl);
  EXPECT_EQ(shown->approvals.high_risk_default_ttl, approvals.high_risk_default_ttl);
  EXPECT_EQ(shown->approvals.execute_within, approvals.execute_within);
  EXPECT_EQ(shown->approvals.distinct_uid, approvals.distinct_uid);
  const Config config;
  EXPECT_EQ(shown->socket_mode, config.socket_mode);
  EXPECT_EQ(shown->context_claims, config.context_claims);
  EXPECT_EQ(shown->publication_lifetime, config.publication_lifetime);
  EXPECT_EQ(shown->publication_refresh, config.publication_refresh);
  EXPECT_EQ(shown->log_level, config.log_level);
  EXPECT_EQ(shown->trial, config.trial);
  EXPECT_EQ(shown->confinement_mandatory, config.confinement_mandatory);
}

TEST(ShippedConfiguration, NamesEveryOperation) {
  const Result<std::string> text = read_file(std::string(COUNTERSIGN_SOURCE) + "/deploy/config/countersign.yaml");
  ASSERT_TRUE(text);
  for (const OperationRow& row : operations()) EXPECT_NE(text->find(row.may), std::string::npos) << row.may;
}

TEST(Operations, AreNamedOnceAndFoundAgain) {
  for (const OperationRow& row : operations()) {
    ASSERT_TRUE(operation_named(row.may));
    EXPECT_EQ(*operation_named(row.may), row.operation);
    EXPECT_FALSE(row.sockets.empty());
  }
  EXPECT_FALSE(operation_named("sign:*"));
  EXPECT_FALSE(served_on(Operation::SignTrace, Socket::Public));
  EXPECT_FALSE(served_on(Operation::AdminHalt, Socket::Sign));
  EXPECT_TRUE(served_on(Operation::Keys, Socket::Public));
}

TEST(Events, AreNamedOnceAndFoundAgain) {
  for (const EventRow& row : events()) {
    ASSERT_TRUE(event_named(row.name));
    EXPECT_EQ(*event_named(row.name), row.event);
    EXPECT_GT(row.window.count(), 0);
    EXPECT_FALSE(row.text.empty());
  }
  EXPECT_FALSE(event_named("all_is_well"));
}

}  // namespace
}  // namespace countersign::config
