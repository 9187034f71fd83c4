// Which key signs what, and what is said where none does.
#include "signer/daemon/key_ring.h"

#include "tests/signer/daemon/rules_fixture.h"
#include "tests/support/software_key.h"

namespace countersign::daemon {
namespace {

using keymgmt::Algorithm;
using keymgmt::Role;
using statement::StatementType;

class KeyRingTest : public RulesFixture {
 protected:
  // A configured role with an active key of that algorithm.
  std::string add_key(Role role, Algorithm algorithm, keymgmt::KeyState state = keymgmt::KeyState::Active) {
    configure(role, algorithm);
    const keymgmt::PublicKey key = test::SoftwareKey(algorithm).public_key();
    const std::vector<keymgmt::PublishedKey> keys = {
        {key, role, state, "01", "test-only", clock_.now(), clock_.now(), std::nullopt, std::nullopt}};
    const Status put = store_->put_keys(keys, clock_.now());
    EXPECT_TRUE(put);
    return key.kid();
  }
  void configure(Role role, Algorithm algorithm) {
    config::RoleConfig row;
    row.role = role;
    row.algorithms = {algorithm};
    config_.roles.push_back(row);
  }
  Result<KeyRing> load() { return KeyRing::load(*store_, config_, clock_.now()); }
};

TEST_F(KeyRingTest, HasAKeyOfEachConfiguredRole) {
  const std::string kid = add_key(Role::Trace, Algorithm::Ed25519);
  const Result<KeyRing> ring = load();
  ASSERT_TRUE(ring) << ring.error().detail;
  ASSERT_NE(ring->signing_kid(StatementType::Trace), nullptr);
  EXPECT_EQ(*ring->signing_kid(StatementType::Trace), kid);
  configure(Role::Approval, Algorithm::Ed25519);
  EXPECT_EQ(load().error().reason, "no_active_key");
}

TEST_F(KeyRingTest, SaysWhyNoKeySigns) {
  const std::string trace = add_key(Role::Trace, Algorithm::Ed25519);
  add_key(Role::Log, Algorithm::P256);
  add_key(Role::Approval, Algorithm::Ed25519, keymgmt::KeyState::Staged);
  Result<KeyRing> ring = load();
  ASSERT_TRUE(ring) << ring.error().detail;
  EXPECT_EQ(ring->signing_kid(StatementType::Release), nullptr);
  const Error unconfigured = ring->no_signing_key(StatementType::Release);
  EXPECT_EQ(unconfigured.reason, "no_signing_key");
  EXPECT_EQ(unconfigured.code, ErrorCode::Refused) << "asking again does not help";
  EXPECT_NE(unconfigured.hint.find("no role release"), std::string::npos) << unconfigured.hint;
  EXPECT_EQ(ring->signing_kid(StatementType::LogCheckpoint), nullptr) << "a checkpoint is signed with Ed25519";
  const Error other_kind = ring->no_signing_key(StatementType::LogCheckpoint);
  EXPECT_EQ(other_kind.reason, "no_signing_key");
  EXPECT_EQ(other_kind.code, ErrorCode::Refused);
  EXPECT_NE(other_kind.hint.find("Only an Ed25519 key"), std::string::npos) << other_kind.hint;
  EXPECT_EQ(ring->signing_kid(StatementType::ApprovalToken), nullptr) << "its key is staged";
  const Error not_yet = ring->no_signing_key(StatementType::ApprovalToken);
  EXPECT_EQ(not_yet.reason, "no_signing_key");
  EXPECT_EQ(not_yet.code, ErrorCode::Unavailable) << "its time comes";
  EXPECT_NE(not_yet.hint.find("approval has no active key"), std::string::npos) << not_yet.hint;
  ring->stop(trace);
  EXPECT_EQ(ring->signing_kid(StatementType::Trace), nullptr);
  EXPECT_EQ(ring->no_signing_key(StatementType::Trace).reason, "role_halted");
}

}  // namespace
}  // namespace countersign::daemon
