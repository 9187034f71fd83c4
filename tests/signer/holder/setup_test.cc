#include "tests/signer/holder/holder_fixture.h"
#include "tests/support/temporary_folder.h"

#include <filesystem>
#include <fstream>

namespace countersign::holder {
namespace {

class Setup : public OnToken {};

TEST_F(Setup, MakesEachMissingKeyOnceAndNothingTheSecondTime) {
  const SetupRequest wanted = request({Role::Approval, Role::Trace}, {Algorithm::Ed25519, Algorithm::P256});
  const Result<SetupAnswer> first = setup("init", wanted);
  ASSERT_TRUE(first) << first.error().detail;
  EXPECT_FALSE(first->token_created);
  ASSERT_EQ(first->keys.size(), 4u);
  std::set<std::string> labels;
  for (const channel::HeldKey& key : first->keys) {
    EXPECT_TRUE(key.created);
    EXPECT_TRUE(key.label.starts_with(std::string(name_of(key.role)) + "-20")) << key.label;
    EXPECT_TRUE(labels.insert(key.label).second) << key.label;
  }
  const Result<SetupAnswer> second = setup("init", wanted);
  ASSERT_TRUE(second) << second.error().detail;
  ASSERT_EQ(second->keys.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_FALSE(second->keys[i].created);
    EXPECT_EQ(second->keys[i].key.kid(), first->keys[i].key.kid());
  }
}

TEST(SetupFromNothing, MakesTheTokenToo) {
  const test::TemporaryFolder folder;
  std::ofstream(folder / "softhsm2.conf") << "directories.tokendir = " << (folder / "tokens") << "\n";
  SetupRequest wanted{test::kSoftHsmModule, "fresh", "", {{Role::Trace, {Algorithm::Ed25519}}}};
  const std::map<std::string, std::string> environment = {{"SOFTHSM2_CONF", folder / "softhsm2.conf"}};
  const auto act = [&](const std::string& command, const std::string& so_pin) {
    return test::run_setup(command, wanted.to_json().compact(), "test-only-pin", so_pin, environment);
  };
  const test::Outcome unmeasured = act("init", "test-only-so-pin");
  EXPECT_EQ(unmeasured.exit_code, static_cast<int>(HolderExit::ProfileMissing)) << unmeasured.out;
  EXPECT_FALSE(std::filesystem::exists(folder / "tokens")) << "not even the token is made before";
  const test::Outcome without = act("measure", "");
  EXPECT_NE(without.exit_code, 0) << "a new token needs a SO PIN";
  const test::Outcome measured = act("measure", "test-only-so-pin");
  ASSERT_EQ(measured.exit_code, 0) << measured.out;
  const Json answer = *Json::parse(measured.out);
  EXPECT_TRUE(answer.find("created")->as_bool());
  EXPECT_EQ(answer.find("profile")->text("trust"), "binding");
  wanted.profile = answer.find("profile")->compact();
  const test::Outcome first = act("init", "");
  ASSERT_EQ(first.exit_code, 0) << first.out;
  const Result<SetupAnswer> made = SetupAnswer::from_json(*Json::parse(first.out));
  ASSERT_TRUE(made);
  EXPECT_FALSE(made->token_created);
  EXPECT_EQ(made->token_label, "fresh");
  const test::Outcome second = act("init", "");
  ASSERT_EQ(second.exit_code, 0) << second.out;
  const Result<SetupAnswer> again = SetupAnswer::from_json(*Json::parse(second.out));
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->token_created);
  EXPECT_EQ(again->keys.at(0).key.kid(), made->keys.at(0).key.kid());
  EXPECT_EQ(first.out.find("test-only"), std::string::npos);
}

TEST_F(Setup, ProbeProvesKeysAndChangesNothing) {
  EXPECT_EQ(setup("probe", request({Role::Trace}, {Algorithm::Ed25519})).error().reason, "no_key");
  const SetupAnswer made = make_keys({Role::Trace});
  const Result<SetupAnswer> probed = setup("probe", request({Role::Trace}, {Algorithm::Ed25519}));
  ASSERT_TRUE(probed) << probed.error().detail;
  ASSERT_EQ(probed->keys.size(), 1u);
  EXPECT_EQ(probed->keys[0].key.kid(), made.keys[0].key.kid());
  EXPECT_EQ(probed->token_serial, token_.serial());
}

TEST_F(Setup, RefusesAWrongPinARequestThatDoesNotReadAndAnUnknownCommand) {
  const std::string good = request({Role::Trace}, {Algorithm::Ed25519}).to_json().compact();
  const auto exit_of = [&](const std::string& command, const std::string& input, const std::string& pin) {
    return test::run_setup(command, input, pin, "", token_.environment()).exit_code;
  };
  EXPECT_EQ(exit_of("init", good, "wrong"), static_cast<int>(HolderExit::PinRefused));
  EXPECT_EQ(exit_of("init", good, ""), static_cast<int>(HolderExit::PinRefused));
  EXPECT_EQ(exit_of("init", "{}", token_.pin()), static_cast<int>(HolderExit::Settings));
  EXPECT_EQ(exit_of("init", "nonsense", token_.pin()), static_cast<int>(HolderExit::Settings));
  EXPECT_EQ(exit_of("format", good, token_.pin()), 64);
}

TEST_F(Setup, RefusesAWeakKeyInsteadOfMakingOneBesideIt) {
  const test::Outcome weak = pkcs11_tool({"--keypairgen", "--key-type", "EC:prime256v1", "--label", "trace-20260101-9",
                                          "--id", "00112233445566778899aabbccddeeff", "--extractable"});
  ASSERT_EQ(weak.exit_code, 0) << weak.err;
  EXPECT_EQ(setup("init", request({Role::Trace}, {Algorithm::Ed25519})).error().reason, "key_too_weak");
}

}  // namespace
}  // namespace countersign::holder
