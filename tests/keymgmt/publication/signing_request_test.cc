#include "keymgmt/publication/signing_request.h"

#include <gtest/gtest.h>

#include "tests/support/test_repository.h"

namespace countersign::publication {
namespace {

using keymgmt::Algorithm;
using keymgmt::Role;
using test::SoftwareKey;
using test::TestRepository;

const UtcTime kStart = UtcTime::from_unix(1'800'000'000);

// A repository with one trace key; another trace key is to be published.
class SigningRequestTest : public testing::TestWithParam<Algorithm> {
 protected:
  SigningRequestTest() : made_(kStart, GetParam()) {
    made_.add_key(Role::Trace, first_);
    made_.custodians_sign();
    made_.add_key(Role::Trace, second_);
  }
  RootSigners custodians() const {
    return {{made_.ann_.public_key(), made_.bob_.public_key(), made_.cat_.public_key()}, 2};
  }
  Agreed agreed() const { return {custodians(), custodians(), {{Role::Trace, second_.public_key()}}}; }
  SigningRequest request() { return {made_.repository().signed_files(), made_.propose()}; }
  CustodianSignature by(const SigningRequest& request, const SoftwareKey& key, std::string name) const {
    const Messages messages = messages_for(request, key.public_key(), custodians());
    CustodianSignature signature{std::move(name), tuf::key_id(key.public_key()), {}, {}};
    if (!messages.root.empty()) signature.root = key.sign(view_of(messages.root));
    if (!messages.targets.empty()) signature.targets = key.sign(view_of(messages.targets));
    return signature;
  }
  static std::string refused(const SigningRequest& request, const Agreed& agreed) {
    const auto said = reviewed(request, agreed);
    return said ? "" : said.error().reason;
  }
  TestRepository made_;
  const SoftwareKey first_{Algorithm::Ed25519};
  const SoftwareKey second_{Algorithm::Ed25519};
};

TEST_P(SigningRequestTest, IsReadAgainstThePlanAndTakenOnceEnoughHaveSigned) {
  const SigningRequest asked = request();
  const auto lines = reviewed(asked, agreed());
  ASSERT_TRUE(lines) << lines.error().detail;
  ASSERT_EQ(lines->size(), 2U);
  EXPECT_NE(lines->back().find("new: trace key " + second_.public_key().kid()), std::string::npos);
  // One is too few, however often; two are enough.
  const CustodianSignature ann = by(asked, made_.ann_, "ann");
  for (const auto& few : {std::vector<CustodianSignature>{}, {ann}, {ann, ann}}) {
    const auto files = assembled(asked, few, custodians());
    ASSERT_FALSE(files);
    EXPECT_EQ(files.error().reason, "signatures_needed");
    EXPECT_EQ(files.error().code, ErrorCode::ApprovalRequired);
  }
  const auto files = assembled(asked, {ann, by(asked, made_.cat_, "cat")}, custodians());
  ASSERT_TRUE(files) << files.error().detail;
  EXPECT_TRUE(made_.repository().with(*files));
}

TEST_P(SigningRequestTest, ComesBackFromJson) {
  const SigningRequest asked = request();
  const auto again = SigningRequest::from_json(asked.to_json());
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_EQ(again->to_json().canonical(), asked.to_json().canonical());
  Json more = asked.to_json();
  more.set("more", 1);
  EXPECT_FALSE(SigningRequest::from_json(more));
  const CustodianSignature ann = by(asked, made_.ann_, "ann");
  EXPECT_EQ(CustodianSignature::from_json(ann.to_json())->targets, ann.targets);
}

TEST_P(SigningRequestTest, RefusesASignatureThatIsNotItsKeys) {
  const SigningRequest asked = request();
  CustodianSignature forged = by(asked, made_.ann_, "ann");
  forged.key_id = tuf::key_id(made_.bob_.public_key());
  EXPECT_EQ(assembled(asked, {forged}, custodians()).error().reason, "signature_invalid");
  const SoftwareKey mallory(Algorithm::Ed25519);
  EXPECT_EQ(assembled(asked, {by(asked, mallory, "mallory")}, custodians()).error().reason, "signature_invalid");
}

TEST_P(SigningRequestTest, RefusesWhatThePlanDoesNotSay) {
  const SigningRequest asked = request();
  ASSERT_EQ(refused(asked, agreed()), "");
  Agreed nothing_made = agreed();
  nothing_made.made.clear();
  EXPECT_EQ(refused(asked, nothing_made), "request_differs");
  Agreed another_role = agreed();
  another_role.made.front().first = Role::Release;
  EXPECT_EQ(refused(asked, another_role), "request_differs");
  // Another past, or none: what was signed for another appliance.
  SigningRequest no_past = asked;
  no_past.present.reset();
  EXPECT_EQ(refused(no_past, agreed()), "request_differs");
  TestRepository other(kStart, GetParam());
  other.custodians_sign();
  SigningRequest other_past = asked;
  other_past.present = other.repository().signed_files();
  EXPECT_EQ(refused(other_past, agreed()), "request_differs");
  // Other custodians, or another threshold.
  Agreed others = agreed();
  others.after.threshold = 1;
  EXPECT_EQ(refused(asked, others), "request_differs");
  others.after = {{made_.ann_.public_key(), made_.bob_.public_key()}, 2};
  EXPECT_EQ(refused(asked, others), "request_differs");
}

TEST_P(SigningRequestTest, RefusesAPastThatIsMadeGood) {
  const std::string kid = first_.public_key().kid();
  made_.key(kid).state = keymgmt::KeyState::Retired;
  made_.key(kid).compromised_since = kStart;
  made_.custodians_sign();
  const SoftwareKey third(Algorithm::Ed25519);
  made_.add_key(Role::Trace, third);
  Agreed plan = agreed();
  plan.made = {{Role::Trace, third.public_key()}};
  ASSERT_EQ(refused(request(), plan), "");
  made_.key(kid).compromised_since.reset();
  EXPECT_EQ(refused(request(), plan), "request_differs");
  made_.key(kid).compromised_since = kStart;
  made_.key(kid).state = keymgmt::KeyState::Standby;
  EXPECT_EQ(refused(request(), plan), "request_differs");
}

TEST_P(SigningRequestTest, ANewRootNeedsTheOldQuorumAndTheNewOne) {
  const SoftwareKey dan(GetParam());
  const RootSigners after{{made_.ann_.public_key(), made_.cat_.public_key(), dan.public_key()}, 2};
  made_.terms().custodians = after.keys;
  SigningRequest asked = request();
  ASSERT_TRUE(asked.proposal.root);
  Agreed plan = agreed();
  EXPECT_EQ(refused(asked, plan), "request_differs");
  plan.after = after;
  EXPECT_EQ(refused(asked, plan), "");
  const auto sign = [&](const SoftwareKey& key, std::string name) {
    const Messages messages = messages_for(asked, key.public_key(), after);
    CustodianSignature signature{std::move(name), tuf::key_id(key.public_key()), {}, {}};
    signature.root = key.sign(view_of(messages.root));
    if (!messages.targets.empty()) signature.targets = key.sign(view_of(messages.targets));
    return signature;
  };
  // Whoever leaves signs the root alone.
  EXPECT_TRUE(messages_for(asked, made_.bob_.public_key(), after).targets.empty());
  EXPECT_EQ(assembled(asked, {sign(dan, "dan"), sign(made_.cat_, "cat")}, after).error().reason, "signatures_needed");
  EXPECT_EQ(assembled(asked, {sign(made_.bob_, "bob"), sign(made_.cat_, "cat")}, after).error().reason,
            "signatures_needed");
  const auto files = assembled(asked, {sign(made_.bob_, "bob"), sign(made_.cat_, "cat"), sign(dan, "dan")}, after);
  ASSERT_TRUE(files) << files.error().detail;
  EXPECT_TRUE(made_.repository().with(*files));
}

TEST_P(SigningRequestTest, TakesOverATrialOnlyWhereThePlanBringsTheFirstCustodians) {
  TestRepository trial(kStart);
  trial.terms().trial = true;
  trial.custodians_sign();
  const CustodianFiles present = trial.repository().signed_files();
  trial.terms().custodians = custodians().keys;
  trial.terms().trial = false;
  const SigningRequest asked{present, trial.propose()};
  Agreed plan{std::nullopt, custodians(), {}};
  ASSERT_EQ(refused(asked, plan), "");
  plan.before = RootSigners{{trial.ann_.public_key(), trial.bob_.public_key(), trial.cat_.public_key()}, 2};
  EXPECT_EQ(refused(asked, plan), "request_differs");
}

INSTANTIATE_TEST_SUITE_P(Custodians, SigningRequestTest, testing::ValuesIn(keymgmt::kAlgorithms),
                         [](const auto& row) { return std::string(name_of(row.param)); });

}  // namespace
}  // namespace countersign::publication
