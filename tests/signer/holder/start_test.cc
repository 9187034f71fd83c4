#include <filesystem>

#include "tests/signer/holder/holder_fixture.h"
#include "tests/support/fault_pkcs11/fault_pkcs11.h"

namespace countersign::holder {
namespace {

class Starting : public OnToken {
 protected:
  // The holder says why and ends with that cause; it never says that it is ready.
  void expect_failure(const config::HolderSettings& wanted, HolderExit exit, const std::string& pin,
                      const std::map<std::string, std::string>& environment = {}) {
    HolderProcess holder(wanted, pin, environment);
    const Json told = holder.told();
    EXPECT_EQ(told.text("event"), "failed") << told.compact();
    EXPECT_EQ(told.text("code"), row_of(exit).cause) << told.compact();
    EXPECT_FALSE(told.text("hint").empty());
    EXPECT_EQ(told.compact().find(pin), std::string::npos);
    EXPECT_EQ(holder.exit(), exit);
  }
};

TEST_F(Starting, FailsWithAWrongPinAndSaysNeverToTryAgain) {
  make_keys({Role::Trace});
  HolderProcess holder(settings(Role::Trace), "wrong-pin-of-this-test");
  const Json told = holder.told();
  EXPECT_EQ(told.text("code"), "pin_refused");
  EXPECT_FALSE(told.find("retryable")->as_bool());
  EXPECT_EQ(told.compact().find("wrong-pin-of-this-test"), std::string::npos);
  EXPECT_EQ(holder.exit(), HolderExit::PinRefused);
}

TEST_F(Starting, FailsOnATokenWhoseModuleWasNotMeasuredAsItIs) {
  make_keys({Role::Trace});
  config::HolderSettings wanted = settings(Role::Trace);
  wanted.profile.clear();
  expect_failure(wanted, HolderExit::ProfileMissing, token_.pin());
  wanted.profile = profile(test::fault_module());  // the digest of another library
  expect_failure(wanted, HolderExit::ProfileOld, token_.pin());
  wanted.profile = test::binding_profile(test::kSoftHsmModule, "0000000000000000");  // another token's
  expect_failure(wanted, HolderExit::ProfileOld, token_.pin());
  Json claimed = *Json::parse(profile());
  claimed.set("trust", "claimed");
  claimed.erase("digest");
  claimed.set("digest", claimed.digest().hex());
  wanted.profile = claimed.compact();
  expect_failure(wanted, HolderExit::ProfileWeak, token_.pin());
  wanted.token.trust = config::TokenConfig::Trust::Claimed;
  HolderProcess holder(wanted, token_.pin());
  EXPECT_EQ(holder.told().text("event"), "ready");
}

TEST_F(Starting, FailsWithoutAPin) {
  make_keys({Role::Trace});
  HolderProcess holder(settings(Role::Trace), "");
  EXPECT_EQ(holder.told().text("code"), "pin_refused");
  EXPECT_EQ(holder.exit(), HolderExit::PinRefused);
}

TEST_F(Starting, FailsWhenTheTokenIsMissingAndMayBeTriedAgain) {
  config::HolderSettings wanted = settings(Role::Trace);
  wanted.token.label = "no-such-token";
  expect_failure(wanted, HolderExit::TokenNotFound, token_.pin());
  EXPECT_TRUE(row_of(HolderExit::TokenNotFound).retryable);
}

TEST_F(Starting, FailsWithoutAKeyOfEachConfiguredAlgorithm) {
  expect_failure(settings(Role::Trace), HolderExit::NoKey, token_.pin());
  make_keys({Role::Trace}, {Algorithm::Ed25519});
  expect_failure(settings(Role::Trace, {Algorithm::Ed25519, Algorithm::P256}), HolderExit::NoKey, token_.pin());
}

TEST_F(Starting, FailsWithAKeyThatCouldLeaveItsToken) {
  make_keys({Role::Trace});
  const test::Outcome weak = pkcs11_tool({"--keypairgen", "--key-type", "EC:prime256v1", "--label", "trace-20260101-9",
                                          "--id", "00112233445566778899aabbccddeeff", "--extractable"});
  ASSERT_EQ(weak.exit_code, 0) << weak.err;
  expect_failure(settings(Role::Trace), HolderExit::WeakKey, token_.pin());
}

TEST_F(Starting, FailsWithTwoKeysOfOneId) {
  const SetupAnswer made = make_keys({Role::Trace});
  const test::Outcome second = pkcs11_tool(
      {"--keypairgen", "--key-type", "EC:edwards25519", "--label", "trace-20260101-9", "--id", made.keys[0].token_id});
  ASSERT_EQ(second.exit_code, 0) << second.err;
  expect_failure(settings(Role::Trace), HolderExit::DuplicateId, token_.pin());
}

TEST_F(Starting, IsNotDisturbedByAnotherRolesWeakKey) {
  make_keys({Role::Trace});
  const test::Outcome weak = pkcs11_tool({"--keypairgen", "--key-type", "EC:prime256v1", "--label", "other-20260101-1",
                                          "--id", "00112233445566778899aabbccddeeff", "--extractable"});
  ASSERT_EQ(weak.exit_code, 0) << weak.err;
  HolderProcess holder(settings(Role::Trace), token_.pin());
  EXPECT_EQ(holder.told().text("event"), "ready");
}

TEST_F(Starting, FailsWithAModuleThatOthersCanWrite) {
  make_keys({Role::Trace});
  config::HolderSettings wanted = settings(Role::Trace);
  wanted.token.module = token_.folder() + "/module.so";
  std::filesystem::copy(test::kSoftHsmModule, wanted.token.module);
  std::filesystem::permissions(wanted.token.module, std::filesystem::perms(0777));
  expect_failure(wanted, HolderExit::ModuleRefused, token_.pin());
}

TEST_F(Starting, FailsWithSettingsThatDoNotRead) {
  Json more = settings(Role::Trace).to_json();
  more.set("unknown", 1);
  HolderProcess holder(more, token_.pin());
  EXPECT_EQ(holder.told().text("code"), "settings");
  EXPECT_EQ(holder.exit(), HolderExit::Settings);
}

TEST_F(Starting, EndsQuietlyWhenTheSupervisorIsGoneBeforeItSpoke) {
  int control[2];
  int frames[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control), 0);
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, frames), 0);
  close(control[0]);
  const int pin = test::text_descriptor(token_.pin());
  const pid_t pid =
      test::spawn({test::program("countersign-holder"), "serve"}, {{3, control[1]}, {4, frames[1]}, {5, pin}}, {});
  int status = -1;
  waitpid(pid, &status, 0);
  EXPECT_EQ(status, 0);
  for (const int number : {control[1], frames[0], frames[1], pin}) close(number);
}

class Faulty : public Starting {
 protected:
  config::HolderSettings faulty(Role role) const {
    config::HolderSettings wanted = settings(role);
    wanted.token.module = test::fault_module();
    wanted.profile = profile(test::fault_module());
    return wanted;
  }
  std::map<std::string, std::string> rules(const std::string& text) const {
    return test::fault_environment(test::kSoftHsmModule, text);
  }
};

TEST_F(Faulty, LoginErrorsOfTheRaceMayBeTriedAgain) {
  make_keys({Role::Trace});
  expect_failure(faulty(Role::Trace), HolderExit::LoginTransient, token_.pin(), rules("C_Login=0x05"));
  EXPECT_TRUE(row_of(HolderExit::LoginTransient).retryable);
}

TEST_F(Faulty, ALockedPinIsNotTriedAgain) {
  make_keys({Role::Trace});
  expect_failure(faulty(Role::Trace), HolderExit::PinRefused, token_.pin(), rules("C_Login=0xa4"));
}

// The two canaries at the start are the first two signatures.
TEST_F(Faulty, ATokenThatGoesAwayFailsEveryWaitingJobAndEndsTheHolder) {
  make_keys({Role::Trace});
  HolderProcess holder(faulty(Role::Trace), token_.pin(), rules("C_Sign@5+=0x32"));
  const Json ready = holder.told();
  ASSERT_EQ(ready.text("event"), "ready") << ready.compact();
  for (std::uint64_t id = 1; id <= 8; ++id) {
    holder.send(FrameKind::Sign, id, job_of(StatementType::Trace, kid_of(ready)).encode());
  }
  holder.flush();
  for (std::uint64_t id = 1; id <= 8; ++id) {
    const auto frame = holder.frame();
    ASSERT_TRUE(frame) << id;
    EXPECT_EQ(frame->id, id);
    if (id <= 2) {
      EXPECT_EQ(frame->kind, FrameKind::Signed);
    } else {
      ASSERT_EQ(frame->kind, FrameKind::Failed);
      EXPECT_EQ(channel::decode_error(frame->payload).code, ErrorCode::Unavailable);
      EXPECT_EQ(channel::decode_error(frame->payload).reason, "token_gone");
    }
  }
  const Json lost = holder.told();
  EXPECT_EQ(lost.text("event"), "lost");
  EXPECT_EQ(lost.text("code"), "token_gone");
  EXPECT_TRUE(lost.find("retryable")->as_bool());
  EXPECT_EQ(holder.exit(), HolderExit::TokenGone);
}

TEST_F(Faulty, OneFailedSignatureFailsOneJobOnly) {
  make_keys({Role::Trace});
  HolderProcess holder(faulty(Role::Trace), token_.pin(), rules("C_Sign@3=0x06"));
  const std::string kid = kid_of(holder.told());
  const Result<SignAnswer> first = holder.sign(job_of(StatementType::Trace, kid));
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().code, ErrorCode::Unavailable);
  EXPECT_TRUE(holder.sign(job_of(StatementType::Trace, kid)));
}

TEST_F(Starting, ATokenMovedAwayIsNoticedAndANewHolderFindsItAgain) {
  make_keys({Role::Trace});
  HolderProcess holder(settings(Role::Trace), token_.pin());
  const std::string kid = kid_of(holder.told());
  ASSERT_TRUE(holder.sign(job_of(StatementType::Trace, kid)));
  std::filesystem::rename(token_.tokens(), token_.folder() + "/away");
  std::filesystem::create_directory(token_.tokens());
  EXPECT_EQ(holder.sign(job_of(StatementType::Trace, kid)).error().reason, "token_gone");
  EXPECT_EQ(holder.exit(), HolderExit::TokenGone);
  expect_failure(settings(Role::Trace), HolderExit::TokenNotFound, token_.pin());
  std::filesystem::remove_all(token_.tokens());
  std::filesystem::rename(token_.folder() + "/away", token_.tokens());
  HolderProcess again(settings(Role::Trace), token_.pin());
  EXPECT_EQ(again.told().text("event"), "ready");
}

}  // namespace
}  // namespace countersign::holder
