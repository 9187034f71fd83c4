// A custodian's own token: a key that another tool made there signs, and nothing else does.
#include "common/digest.h"
#include "signer/channel/custodian_signing.h"
#include "tests/signer/holder/holder_fixture.h"
#include "tests/support/fault_pkcs11/fault_pkcs11.h"

namespace countersign::holder {
namespace {

using channel::CustodianSigning;

class CustodianToken : public OnToken {
 protected:
  // As `pkcs11-tool --keypairgen` makes it, with an id of one byte as PIV's are.
  void make_key(const std::string& type, const std::string& id, const std::string& label, bool always = false) const {
    std::vector<std::string> words = {"--keypairgen", "--key-type", type, "--id", id, "--label", label, "--usage-sign"};
    if (always) words.emplace_back("--always-auth");
    const test::Outcome made = pkcs11_tool(words);
    ASSERT_EQ(made.exit_code, 0) << made.out;
  }
  CustodianSigning request(Algorithm algorithm, const std::string& id, const std::string& object) const {
    CustodianSigning wanted;
    wanted.module = test::kSoftHsmModule;
    wanted.label = token_.label();
    wanted.algorithm = algorithm;
    wanted.id = id;
    wanted.object = object;
    for (const std::string& message : {std::string("root"), std::string(), std::string(20'000, 't')}) {
      wanted.messages.emplace_back(message.begin(), message.end());
    }
    return wanted;
  }
  Json ask(const Json& wanted, const std::string& pin, const std::map<std::string, std::string>& environment) const {
    return *Json::parse(test::run_setup("custodian", wanted.compact(), pin, "", environment).out);
  }
  Json ask(const CustodianSigning& wanted) const { return ask(wanted.to_json(), token_.pin(), token_.environment()); }
  static std::string code(const Json& answer) {
    const Json* error = answer.find("error");
    return error == nullptr ? "" : std::string(error->text("code"));
  }
  keymgmt::PublicKey public_half(const std::string& id) const {
    const std::string file = token_.folder() + "/half.der";
    EXPECT_EQ(pkcs11_tool({"--read-object", "--type", "pubkey", "--id", id, "--output-file", file}).exit_code, 0);
    const auto key = keymgmt::PublicKey::from_spki(view_of(*read_file(file)));
    EXPECT_TRUE(key) << key.error().detail;
    return *key;
  }
  void expect_signed(const CustodianSigning& wanted, const keymgmt::PublicKey& key) const {
    const Json answer = ask(wanted);
    ASSERT_EQ(code(answer), "") << answer.compact();
    const Json::Array& signatures = answer.find("signatures")->as_array();
    ASSERT_EQ(signatures.size(), wanted.messages.size());
    for (std::size_t i = 0; i < signatures.size(); ++i) {
      EXPECT_TRUE(key.verify(wanted.messages[i], *from_base64(signatures[i].as_string()))) << i;
    }
  }
};

TEST_F(CustodianToken, SignsWithTheKeyThatIsNamedByIdOrLabelOrBoth) {
  make_key("EC:prime256v1", "01", "root");
  const keymgmt::PublicKey key = public_half("01");
  expect_signed(request(Algorithm::P256, "01", ""), key);
  expect_signed(request(Algorithm::P256, "", "root"), key);
  expect_signed(request(Algorithm::P256, "01", "root"), key);
}

TEST_F(CustodianToken, GetsThePinAgainForEachSignatureWhereTheKeyWantsIt) {
  make_key("EC:prime256v1", "02", "piv", true);
  expect_signed(request(Algorithm::P256, "02", ""), public_half("02"));
}

TEST_F(CustodianToken, RefusesAKeyThatIsNotThereOrNotTheOnlyOne) {
  make_key("EC:prime256v1", "01", "root");
  make_key("EC:prime256v1", "03", "root");
  EXPECT_EQ(code(ask(request(Algorithm::P256, "07", ""))), "no_key");
  EXPECT_EQ(code(ask(request(Algorithm::P256, "01", "other"))), "no_key");
  EXPECT_EQ(code(ask(request(Algorithm::P256, "", "root"))), "key_ambiguous");
  expect_signed(request(Algorithm::P256, "03", "root"), public_half("03"));
  // A key of another kind signs nothing that could pass.
  EXPECT_NE(code(ask(request(Algorithm::Ed25519, "01", ""))), "");
}

TEST_F(CustodianToken, RefusesAWrongPinAnotherTokenAndWhatIsNoRequest) {
  make_key("EC:prime256v1", "01", "root");
  const CustodianSigning good = request(Algorithm::P256, "01", "");
  EXPECT_EQ(code(ask(good.to_json(), "wrong-pin", token_.environment())), "pin_refused");
  CustodianSigning other = good;
  other.serial = "0000000000000000";
  EXPECT_EQ(code(ask(other)), "token_not_found");
  Json more = good.to_json();
  more.set("more", 1);
  EXPECT_EQ(code(ask(more, token_.pin(), token_.environment())), "settings");
  for (const char* member : {"id", "label"}) {
    Json nameless = good.to_json();
    nameless.set(member, "");
    EXPECT_EQ(code(ask(nameless, token_.pin(), token_.environment())), "settings") << member;
  }
}

TEST_F(CustodianToken, GivesNothingWhereTheTokenFailsInTheMiddle) {
  make_key("EC:prime256v1", "01", "root");
  CustodianSigning faulty = request(Algorithm::P256, "01", "");
  faulty.module = test::fault_module();
  for (const char* rules : {"C_Sign@2=0x30", "C_SignInit@3=0x32", "C_FindObjects=0x05"}) {
    std::map<std::string, std::string> environment = token_.environment();
    environment.merge(test::fault_environment(test::kSoftHsmModule, rules));
    const Json answer = ask(faulty.to_json(), token_.pin(), environment);
    EXPECT_NE(code(answer), "") << rules << answer.compact();
    EXPECT_EQ(answer.find("signatures"), nullptr) << rules;
  }
}

}  // namespace
}  // namespace countersign::holder
