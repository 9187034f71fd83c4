#include "pkcs11/token.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "pkcs11/failure.h"
#include "tests/pkcs11/pkcs11_fixture.h"

namespace countersign::pkcs11 {
namespace {

namespace fs = std::filesystem;

using Opening = OpenToken;

std::string reason_of(const Result<TokenSession>& result) {
  return result ? "opened" : result.error().reason;
}

TEST_F(Opening, FindsTheTokenByLabelBySerialAndByBoth) {
  for (const auto& [label, serial] :
       {std::pair(token_.label(), std::string()), {"", token_.serial()}, {token_.label(), token_.serial()}}) {
    TokenPlace place = place_of(token_);
    place.label = label;
    place.serial = serial;
    const auto session = TokenSession::open(place, token_.secret_pin());
    ASSERT_OK(session);
    EXPECT_EQ(session->token().serial, token_.serial());
    EXPECT_EQ(session->token().label, token_.label());
    EXPECT_EQ(session->token().manufacturer, "SoftHSM project");
    EXPECT_EQ(session->token().model, "SoftHSM v2");
    EXPECT_EQ(session->token().firmware, "2.6");
    EXPECT_TRUE(session->token().pin_set);
    EXPECT_TRUE(session->restored().empty());
    EXPECT_OK(session->check());
  }
}

TEST_F(Opening, RefusesALabelThatDoesNotFitTheSerialNumber) {
  TokenPlace place = place_of(token_);
  place.label = "another";
  EXPECT_EQ(reason_of(TokenSession::open(place, token_.secret_pin())), kTokenNotFound);
}

TEST_F(Opening, RefusesAnEmptyName) {
  TokenPlace place = place_of(token_);
  place.label = place.serial = "";
  const auto session = TokenSession::open(place, token_.secret_pin());
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().code, ErrorCode::Invalid);
}

TEST_F(Opening, RefusesTwoTokensOfOneLabelButTakesOneBySerialNumber) {
  token_.add_token(token_.label());
  TokenPlace place = place_of(token_);
  EXPECT_OK(TokenSession::open(place, token_.secret_pin()));
  place.serial = "";
  const auto session = TokenSession::open(place, token_.secret_pin());
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().code, ErrorCode::Refused);
  EXPECT_EQ(session.error().reason, kTokenAmbiguous);
  EXPECT_FALSE(may_retry_start(session.error()));
}

// libp11 0.4.12 crashes in PKCS11_update_slots with four slots.
TEST_F(Opening, WorksWithFourSlotsAndMore) {
  for (const char* label : {"second", "third", "fourth", "fifth"}) {
    token_.add_token(label);
    EXPECT_OK(open());
  }
}

TEST_F(Opening, WithAWrongPinIsRefusedForGoodAndLeavesTheTokenUsable) {
  const auto session = TokenSession::open(place_of(token_), secret("wrong-pin"));
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().code, ErrorCode::Refused);
  EXPECT_EQ(session.error().reason, kPinRefused);
  EXPECT_FALSE(may_retry_start(session.error()));
  EXPECT_EQ(session.error().detail.find("wrong-pin"), std::string::npos) << "a PIN in an error";
  EXPECT_OK(open());
}

TEST_F(Opening, OfAMovedTokenIsRetriedAndSucceedsOnceItIsBack) {
  fs::rename(token_.tokens(), token_.folder() + "/elsewhere");
  const auto session = open();
  ASSERT_FALSE(session);
  EXPECT_TRUE(may_retry_start(session.error())) << session.error().detail;
  fs::rename(token_.folder() + "/elsewhere", token_.tokens());
  EXPECT_OK(open());
}

TEST_F(Opening, OfAnEmptyTokenDirectoryIsRetried) {
  for (const auto& entry : fs::directory_iterator(token_.tokens())) fs::remove_all(entry.path());
  const auto session = open();
  EXPECT_EQ(reason_of(session), kTokenNotFound);
  EXPECT_TRUE(may_retry_start(session.error()));
}

TEST_F(Opening, WithoutAConfigurationIsRefusedForSoftHsm) {
  TokenPlace place = place_of(token_);
  place.softhsm_conf = "";
  const auto session = TokenSession::open(place, token_.secret_pin());
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().code, ErrorCode::Invalid);
}

TEST_F(Opening, OpensTheDirectoryThatItGuards) {
  setenv("SOFTHSM2_CONF", "/nonexistent/softhsm2.conf", 1);
  EXPECT_OK(open());
}

// What a serving process sees (feasibility.md §2): the session looks alive, only the key tells.
TEST_F(Opening, LosesItsKeysWhenTheTokenIsMovedAndANewOpeningFindsThem) {
  KeyId id{};
  {
    const auto session = open();
    ASSERT_OK(session);
    const auto key = session->generate_key_pair(spec_of(KeyKind::Ed25519));
    ASSERT_OK(key);
    id = key->spec().id;
    fs::rename(token_.tokens(), token_.folder() + "/elsewhere");
    const auto signature = key->sign(view_of("message"));
    ASSERT_FALSE(signature);
    EXPECT_EQ(signature.error().reason, kTokenGone);
    fs::rename(token_.folder() + "/elsewhere", token_.tokens());
  }
  const auto again = open();
  ASSERT_OK(again);
  const auto key = again->find_key_pair(id);
  ASSERT_OK(key);
  EXPECT_OK(key->sign(view_of("message")));
}

TEST_F(Opening, LosesItsKeysWhenAnotherProcessInitialisesTheTokenAnew) {
  const std::string old_serial = token_.serial();
  {
    const auto session = open();
    ASSERT_OK(session);
    const auto key = session->generate_key_pair(spec_of(KeyKind::P256));
    ASSERT_OK(key);
    token_.initialise_again();
    const auto signature = key->sign(view_of("message"));
    ASSERT_FALSE(signature);
    EXPECT_EQ(signature.error().reason, kTokenGone);
  }
  TokenPlace place = place_of(token_);
  place.serial = old_serial;
  const auto again = TokenSession::open(place, token_.secret_pin());
  if (token_.serial() != old_serial) {
    EXPECT_EQ(reason_of(again), kTokenNotFound);
  } else {
    ASSERT_OK(again);
    const auto listed = again->list_key_pairs("");
    ASSERT_OK(listed);
    EXPECT_TRUE(listed->empty());
  }
}

class Creating : public ::testing::Test {
 protected:
  Creating() {
    std::ofstream(folder_ / "softhsm2.conf") << "# made by a test\n directories.tokendir = " << folder_ / "tokens"
                                             << "  # where tokens are\nobjectstore.backend = file\n";
  }
  TokenPlace place() const { return {test::kSoftHsmModule, "fresh", "", folder_ / "softhsm2.conf"}; }
  test::TemporaryFolder folder_;
};

TEST_F(Creating, MakesATokenThatOpensAndSigns) {
  const auto token = create_guarded_token(place(), secret("so-pin-1234"), secret("user-pin-1234"));
  ASSERT_OK(token);
  EXPECT_EQ(token->label, "fresh");
  EXPECT_FALSE(token->serial.empty());
  const auto session = TokenSession::open(place(), secret("user-pin-1234"));
  ASSERT_OK(session);
  const auto key = session->generate_key_pair(spec_of(KeyKind::Ed25519));
  ASSERT_OK(key);
  EXPECT_OK(key->sign(view_of("message")));
}

TEST_F(Creating, RefusesALabelThatIsTaken) {
  ASSERT_OK(create_guarded_token(place(), secret("so-pin-1234"), secret("user-pin-1234")));
  const auto again = create_guarded_token(place(), secret("so-pin-1234"), secret("user-pin-1234"));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::Conflict);
}

TEST_F(Creating, RefusesALabelThatDoesNotFit) {
  TokenPlace place = this->place();
  place.label = std::string(33, 'x');
  const auto token = create_guarded_token(place, secret("so-pin-1234"), secret("user-pin-1234"));
  ASSERT_FALSE(token);
  EXPECT_EQ(token.error().code, ErrorCode::Invalid);
}

TEST_F(Creating, RefusesAPinThatIsTooShort) {
  const auto token = create_guarded_token(place(), secret("so-pin-1234"), secret("1"));
  ASSERT_FALSE(token);
  EXPECT_EQ(token.error().reason, kPinRefused);
}

}  // namespace
}  // namespace countersign::pkcs11
