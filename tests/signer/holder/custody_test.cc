// What a ceremony does on a token, and what becomes of it when the token fails in the middle.
#include "signer/channel/holder_custody.h"
#include "tests/signer/holder/holder_fixture.h"
#include "tests/support/fault_pkcs11/fault_pkcs11.h"

namespace countersign::holder {
namespace {

using channel::CustodyRequest;

constexpr const char* kId = "00112233445566778899aabbccddeeff";

class Custody : public OnToken {
 protected:
  CustodyRequest request(CustodyRequest::Act act, bool resumed = false) const {
    CustodyRequest made;
    made.module = test::kSoftHsmModule;
    made.label = token_.label();
    made.profile = profile();
    made.trust = "binding";
    made.act = act;
    made.role = Role::Trace;
    made.id = kId;
    made.key_label = "trace-20260101-1";
    made.resumed = resumed;
    return made;
  }
  Json ask(const CustodyRequest& wanted) const {
    return *Json::parse(
        test::run_setup("custody", wanted.to_json().compact(), token_.pin(), "", token_.environment()).out);
  }
  // On the module that fails as `rules` say.
  Json ask_faulty(CustodyRequest wanted, const std::string& rules) const {
    wanted.module = test::fault_module();
    wanted.profile = profile(test::fault_module());
    std::map<std::string, std::string> environment = token_.environment();
    environment.merge(test::fault_environment(test::kSoftHsmModule, rules));
    return *Json::parse(test::run_setup("custody", wanted.to_json().compact(), token_.pin(), "", environment).out);
  }
  static std::string code(const Json& answer) {
    const Json* error = answer.find("error");
    return error == nullptr ? "" : std::string(error->text("code"));
  }
  std::size_t held() const { return ask(request(CustodyRequest::Act::Inspect)).find("held")->as_array().size(); }
};

TEST_F(Custody, MakesTheKeyOfThePlanOnceAndFindsItAgain) {
  const Json made = ask(request(CustodyRequest::Act::Generate));
  ASSERT_EQ(code(made), "") << made.compact();
  EXPECT_TRUE(made.find("made")->as_bool());
  EXPECT_TRUE(made.find("attributes")->find("private CKA_SENSITIVE")->as_bool());
  EXPECT_EQ(made.text("trust"), "binding");
  EXPECT_EQ(code(ask(request(CustodyRequest::Act::Generate))), "key_there_already");
  const Json again = ask(request(CustodyRequest::Act::Generate, true));
  EXPECT_FALSE(again.find("made")->as_bool());
  EXPECT_EQ(again.find("key")->text("kid"), made.find("key")->text("kid"));
  CustodyRequest other = request(CustodyRequest::Act::Generate, true);
  other.algorithm = Algorithm::P256;
  EXPECT_EQ(code(ask(other)), "key_there_already") << "the id leads to a key of another algorithm";
  EXPECT_EQ(held(), 1u);
}

TEST_F(Custody, DestroysEveryObjectOfTheKeyAndItsCopy) {
  ASSERT_EQ(code(ask(request(CustodyRequest::Act::Generate))), "");
  const Json destroyed = ask(request(CustodyRequest::Act::Destroy));
  ASSERT_EQ(code(destroyed), "") << destroyed.compact();
  EXPECT_EQ(held(), 0u);
  EXPECT_FALSE(std::filesystem::exists(token_.tokens() + ".before-change")) << "the copy still has the key";
  EXPECT_EQ(code(ask(request(CustodyRequest::Act::Destroy))), "") << "asked again, it is gone already";
}

TEST_F(Custody, ADestructionThatTheModuleOnlyClaimsIsRefused) {
  ASSERT_EQ(code(ask(request(CustodyRequest::Act::Generate))), "");
  EXPECT_EQ(code(ask_faulty(request(CustodyRequest::Act::Destroy), "C_DestroyObject=0x00")), "key_not_destroyed");
  EXPECT_EQ(held(), 1u);
}

TEST_F(Custody, AFullTokenAndAFailedGenerationLeaveNothing) {
  for (const char* rules : {"C_GenerateKeyPair=0x31", "C_GenerateKeyPair=0x06", "C_SignInit@1=0x30"}) {
    const Json failed = ask_faulty(request(CustodyRequest::Act::Generate), rules);
    EXPECT_NE(code(failed), "") << rules << failed.compact();
    EXPECT_EQ(held(), 0u) << rules;
  }
  EXPECT_EQ(code(ask(request(CustodyRequest::Act::Generate, true))), "");
}

TEST_F(Custody, AKeyThatWasMadeWhileTheModuleSaidOtherwiseIsFoundOnResuming) {
  EXPECT_NE(code(ask_faulty(request(CustodyRequest::Act::Generate), "C_GenerateKeyPair=after:0x05")), "");
  EXPECT_EQ(held(), 1u) << "nobody was told, and it is there";
  const Json resumed = ask(request(CustodyRequest::Act::Generate, true));
  ASSERT_EQ(code(resumed), "") << resumed.compact();
  EXPECT_FALSE(resumed.find("made")->as_bool());
}

TEST_F(Custody, AHalfMadeKeyIsDestroyedSaidAndMadeAnew) {
  ASSERT_EQ(code(ask(request(CustodyRequest::Act::Generate))), "");
  // What a kill between the two halves leaves.
  ASSERT_EQ(pkcs11_tool({"--delete-object", "--type", "pubkey", "--id", kId}).exit_code, 0);
  const Json resumed = ask(request(CustodyRequest::Act::Generate, true));
  ASSERT_EQ(code(resumed), "") << resumed.compact();
  EXPECT_EQ(resumed.find("half_made")->as_integer(), 1);
  EXPECT_TRUE(resumed.find("made")->as_bool());
  EXPECT_EQ(held(), 1u);
}

TEST_F(Custody, IsRefusedWithoutAProfileAndOnAnotherToken) {
  CustodyRequest bare = request(CustodyRequest::Act::Generate);
  bare.profile.clear();
  EXPECT_EQ(code(ask(bare)), "profile_missing");
  CustodyRequest other = request(CustodyRequest::Act::Generate);
  other.serial = "0000000000000000";
  EXPECT_EQ(code(ask(other)), "token_not_found");
  EXPECT_EQ(held(), 0u);
}

}  // namespace
}  // namespace countersign::holder
