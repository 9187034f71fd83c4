// What each failing call of a module leads to.
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "pkcs11/failure.h"
#include "tests/pkcs11/pkcs11_fixture.h"
#include "tests/support/child_process.h"
#include "tests/support/fault_pkcs11/fault_pkcs11.h"

namespace countersign::pkcs11 {
namespace {

class Faults : public OpenToken {
 protected:
  Faults() {
    for (const auto& [name, value] : test::fault_environment(test::kSoftHsmModule, "", control(), log())) {
      setenv(name.c_str(), value.c_str(), 1);
    }
  }
  std::string control() const { return token_.folder() + "/faults"; }
  std::string log() const { return token_.folder() + "/calls"; }
  void rules(const std::string& text) { std::ofstream(control()) << text; }
  std::string calls() const {
    std::ostringstream text;
    text << std::ifstream(log()).rdbuf();
    return text.str();
  }
  Result<TokenSession> open() {
    return TokenSession::open(place_of(token_, test::fault_module()), token_.secret_pin());
  }
};

struct StartFault {
  const char* rule;
  std::string_view reason;
  bool retried;
};

TEST_F(Faults, AtTheStartAreToldApart) {
  constexpr StartFault kCases[] = {
      {"C_Initialize=0x05", kLoginTransient, true},
      {"C_Initialize=0x30", kTokenGone, true},
      {"C_Initialize=0x0a", kTokenFailed, false},
      {"C_GetSlotList=0x05", kLoginTransient, true},
      {"C_GetTokenInfo=0x05", kTokenNotFound, true},
      {"C_OpenSession=0x32", kTokenGone, true},
      {"C_OpenSession=0xb1", kTokenFailed, false},
      {"C_Login=0x05", kLoginTransient, true},
      {"C_Login=0xa0", kPinRefused, false},
      {"C_Login=0xa4", kPinRefused, false},
      {"C_Login=0xe0", kTokenGone, true},
      {"C_Login=0x100", kTokenFailed, false},
      {"C_Login=0x80001234", kTokenFailed, false},
  };
  ASSERT_OK(open());
  for (const StartFault& row : kCases) {
    rules(row.rule);
    const auto session = open();
    ASSERT_FALSE(session) << row.rule;
    EXPECT_EQ(session.error().reason, row.reason) << row.rule << ": " << session.error().detail;
    EXPECT_EQ(may_retry_start(session.error()), row.retried) << row.rule;
  }
  rules("");
  EXPECT_OK(open());
}

// With two slots that could carry the label, one of them silent, the label proves nothing.
TEST_F(Faults, OfOneSlotMakeALabelAloneUncertain) {
  token_.add_token("second");
  TokenPlace place = place_of(token_, test::fault_module());
  const auto opened = [&](const std::string& serial) {
    place.serial = serial;
    rules("C_GetTokenInfo@2=0x05\nC_GetTokenInfo@3=0x05");
    return TokenSession::open(place, token_.secret_pin());
  };
  const auto by_label = opened("");
  ASSERT_FALSE(by_label);
  EXPECT_TRUE(may_retry_start(by_label.error())) << by_label.error().detail;
  rules("");
  EXPECT_OK(open());
}

TEST_F(Faults, WhileSigningAreReportedAndTheNextSignatureSucceeds) {
  const auto session = open();
  ASSERT_OK(session);
  const auto key = session->generate_key_pair(spec_of(KeyKind::Ed25519));
  ASSERT_OK(key);
  struct SignFault {
    const char* rule;
    std::string_view reason;
  };
  constexpr SignFault kCases[] = {
      {"C_Sign=0x05", kTokenFailed},    {"C_Sign=0x32", kTokenGone},         {"C_Sign=0x07", kTokenFailed},
      {"C_Sign=0x150", kTokenFailed},   {"C_SignInit=0x05", kTokenFailed},   {"C_SignInit=0x82", kTokenGone},
      {"C_SignInit=0x101", kTokenGone}, {"C_Sign=after:0x31", kTokenFailed}, {"C_SignInit=after:0x05", kTokenFailed},
  };
  for (const SignFault& row : kCases) {
    rules(row.rule);
    const auto failed = key->sign(view_of("message"));
    ASSERT_FALSE(failed) << row.rule;
    EXPECT_EQ(failed.error().reason, row.reason) << row.rule;
    EXPECT_EQ(failed.error().hint.empty(), row.reason != kTokenGone) << row.rule << ": " << failed.error().hint;
    rules("");
    // C_Sign did not reach the module, so the operation that C_SignInit began is still open there.
    const auto signature = key->sign(view_of("message"));
    ASSERT_TRUE(signature) << "after " << row.rule << ": " << signature.error().detail;
    EXPECT_TRUE(openssl_verifies(KeyKind::Ed25519, key->public_key(), view_of("message"), *signature));
  }
}

TEST_F(Faults, OfASignatureAndOfRenewingTheSessionMeanThatTheTokenIsGone) {
  const auto session = open();
  ASSERT_OK(session);
  const auto key = session->generate_key_pair(spec_of(KeyKind::P256));
  ASSERT_OK(key);
  rules("C_Sign=0x05;C_OpenSession=0x30");
  const auto failed = key->sign(view_of("message"));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().reason, kTokenGone);
  EXPECT_EQ(failed.error().hint, kTokenGoneHint);
}

TEST_F(Faults, WhileMakingAKeyLeaveNoHalfOfIt) {
  const auto session = open();
  ASSERT_OK(session);
  for (const char* rule : {"C_GenerateKeyPair=0x06", "C_GetAttributeValue=0x30", "C_Sign=0x30"}) {
    rules(rule);
    EXPECT_FALSE(session->generate_key_pair(spec_of(KeyKind::P256))) << rule;
    rules("");
    const auto listed = session->list_key_pairs("");
    ASSERT_OK(listed);
    EXPECT_TRUE(listed->empty()) << rule;
  }
  EXPECT_OK(session->generate_key_pair(spec_of(KeyKind::P256)));
}

TEST_F(Faults, WhileReadingAKeyBackRefuseIt) {
  const auto session = open();
  ASSERT_OK(session);
  const auto key = session->generate_key_pair(spec_of(KeyKind::P256));
  ASSERT_OK(key);
  ASSERT_OK(session->find_key_pair(key->spec().id));
  for (const char* rule : {"C_FindObjectsInit=0x05", "C_FindObjects=0x05", "C_GetAttributeValue=0x05",
                           "C_GetAttributeValue=0x12", "C_SignInit=0x05"}) {
    rules(rule);
    EXPECT_FALSE(session->find_key_pair(key->spec().id)) << rule;
    rules("");
    EXPECT_OK(session->find_key_pair(key->spec().id)) << "after " << rule;
  }
}

TEST_F(Faults, WhileWritingAnAnchorKeepTheOldOne) {
  const auto session = open();
  ASSERT_OK(session);
  ASSERT_OK(session->write_data_object(kAnchorLabel, view_of("old"), {}));
  const auto old = session->list_data_objects(kAnchorLabel);
  ASSERT_OK(old);
  rules("C_CreateObject=0x31");
  EXPECT_FALSE(session->write_data_object(kAnchorLabel, view_of("new"), *old));
  rules("");
  const auto listed = session->list_data_objects(kAnchorLabel);
  ASSERT_OK(listed);
  EXPECT_EQ(listed->size(), 1U);
}

TEST_F(Faults, NeedNoSearchPerSignature) {
  const auto session = open();
  ASSERT_OK(session);
  const auto key = session->generate_key_pair(spec_of(KeyKind::Ed25519));
  ASSERT_OK(key);
  std::filesystem::remove(log());
  for (int i = 0; i < 3; ++i) ASSERT_OK(key->sign(view_of("message")));
  EXPECT_EQ(calls(), "C_SignInit\nC_Sign\nC_SignInit\nC_Sign\nC_SignInit\nC_Sign\n");
}

TEST_F(Faults, OfAModuleInitialisedOnceLogOutAndFinaliseInOrder) {
  std::filesystem::remove(log());
  ASSERT_OK(open());
  const std::string text = calls();
  EXPECT_EQ(text.find("C_Initialize\n"), 0U);
  EXPECT_EQ(text.find("C_Initialize\n", 1), std::string::npos) << "initialised twice";
  EXPECT_EQ(text.find("C_CloseAllSessions"), std::string::npos) << "libp11 closed our sessions";
  EXPECT_TRUE(text.ends_with("C_Logout\nC_CloseSession\nC_Finalize\n")) << text;
}

TEST_F(Faults, CanHangACallInARunningProgram) {
  rules("C_Login=hang");
  test::ChildProcess hanging(
      {{test::program("test_open_token"), token_.conf(), token_.label(), token_.pin_file(), test::fault_module()},
       test::fault_environment(test::kSoftHsmModule, "", control(), log())});
  while (calls().find("C_Login") == std::string::npos && hanging.running()) std::this_thread::yield();
  EXPECT_FALSE(hanging.wait_for_output("ready", std::chrono::milliseconds(100)));
  EXPECT_TRUE(hanging.running());
  hanging.send(SIGKILL);
  EXPECT_EQ(hanging.wait().signal, SIGKILL);
  rules("");
  EXPECT_OK(open());
}

}  // namespace
}  // namespace countersign::pkcs11
