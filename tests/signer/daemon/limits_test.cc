// What bounds a peer: permissions, rates, challenges.
#include <gtest/gtest.h>

#include "signer/daemon/nonces.h"
#include "signer/daemon/peer_policy.h"
#include "signer/daemon/rate_limiter.h"
#include "tests/support/fake_clock.h"

namespace countersign::daemon {
namespace {

using config::Operation;
using transport::Peer;

config::Config peers() {
  config::Config config;
  config.peers = {
      {1000, std::nullopt, {"sign:trace"}}, {std::nullopt, 50, {"nonce", "no_such_word"}}, {{}, {}, {"metrics"}}};
  return config;
}

TEST(PeerPolicy, PermitsByUidOrGroupAndNothingElse) {
  const PeerPolicy policy(peers());
  const Peer gate{1000, 1000, 1, {}};
  const Peer member{1001, 1001, 1, {50}};
  EXPECT_TRUE(policy.may(gate, Operation::SignTrace));
  EXPECT_FALSE(policy.may(gate, Operation::SignApproval));
  EXPECT_FALSE(policy.may(gate, Operation::Nonce));
  EXPECT_TRUE(policy.may(member, Operation::Nonce));
  EXPECT_FALSE(policy.may(member, Operation::SignTrace));
  EXPECT_FALSE(policy.may(member, Operation::Metrics));  // a row that names nobody permits nobody
  EXPECT_TRUE(policy.may(member, Operation::Keys));
}

TEST(PeerPolicy, MakesAnAuthorisedRequestOnlyForTheRoleOfItsType) {
  const PeerPolicy policy(peers());
  const Peer gate{1000, 1000, 1, {}};
  SignRequest request;
  request.type = statement::StatementType::Trace;
  EXPECT_TRUE(policy.authorize(request, gate, "r"));
  request.type = statement::StatementType::ApprovalToken;
  const auto refused = policy.authorize(request, gate, "r");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "peer_not_permitted");
}

TEST(RateLimiter, AdmitsABurstThenARateAndBoundsWhatIsUnderWay) {
  RateLimiter limiter(10, 3, 100);
  const RateLimiter::Moment start{};
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limiter.admit(1, start));
  EXPECT_EQ(limiter.admit(1, start).error().reason, "rate_limit");
  EXPECT_TRUE(limiter.admit(2, start));
  EXPECT_TRUE(limiter.admit(1, start + std::chrono::milliseconds(110)));

  RateLimiter few(1000, 1000, 2);
  EXPECT_TRUE(few.admit(1, start));
  EXPECT_TRUE(few.admit(1, start));
  EXPECT_EQ(few.admit(1, start).error().reason, "in_flight_limit");
  few.release(1);
  EXPECT_TRUE(few.admit(1, start));
}

TEST(Nonces, AreUsedOnceAndExpire) {
  test::FakeClock clock;
  Nonces nonces;
  const auto nonce = nonces.issue(1, clock.now());
  ASSERT_TRUE(nonce);
  EXPECT_TRUE(nonces.knows(nonce->text, clock.now()));
  EXPECT_TRUE(nonces.use(nonce->text, clock.now()));
  EXPECT_FALSE(nonces.use(nonce->text, clock.now()));
  const auto old = nonces.issue(1, clock.now());
  clock.advance(Nonces::kLifetime);
  EXPECT_FALSE(nonces.use(old->text, clock.now()));
}

TEST(Nonces, OfOneUidCannotCrowdOutAnother) {
  test::FakeClock clock;
  Nonces nonces;
  for (std::size_t i = 0; i < Nonces::kMostOfOne; ++i) ASSERT_TRUE(nonces.issue(1, clock.now()));
  EXPECT_EQ(nonces.issue(1, clock.now()).error().reason, "nonce_limit");
  EXPECT_TRUE(nonces.issue(2, clock.now()));
  clock.advance(Nonces::kLifetime);
  EXPECT_TRUE(nonces.issue(1, clock.now()));
}

}  // namespace
}  // namespace countersign::daemon
