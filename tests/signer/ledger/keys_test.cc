#include "tests/signer/ledger/ledger_fixture.h"

namespace countersign::ledger::test {
namespace {

using keymgmt::Algorithm;
using keymgmt::KeyState;
using keymgmt::PublicKey;
using keymgmt::PublishedKey;
using keymgmt::Role;

// Ed25519 public keys of RFC 8032 §7.1, tests 1 to 3.
constexpr const char* kPublicKeys[] = {
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
};

class LedgerKeysTest : public LedgerTest {
 protected:
  PublishedKey key(int number, Role role, KeyState state) const {
    return PublishedKey{.key = *PublicKey::from_raw(Algorithm::Ed25519, *from_hex(kPublicKeys[number])),
                        .role = role,
                        .state = state,
                        .token_id = "0" + std::to_string(number),
                        .label = "test-only",
                        .created_at = clock_.now(),
                        .not_before = clock_.now() + std::chrono::minutes(1),
                        .not_after = std::nullopt,
                        .compromised_since = std::nullopt};
  }
  std::string put(const std::vector<PublishedKey>& keys) {
    const Status status = store_->put_keys(keys, clock_.now());
    return status ? "ok" : status.error().wire_code();
  }
};

TEST_F(LedgerKeysTest, KeepsKeysWithARecordEach) {
  ASSERT_EQ(put({key(0, Role::Trace, KeyState::Active), key(1, Role::Approval, KeyState::Active)}), "ok");
  EXPECT_EQ(*store_->key_set_version(), 1U);
  EXPECT_EQ(store_->head().size, 2U);
  reopen();
  const auto keys = store_->keys();
  ASSERT_TRUE(keys.has_value()) << keys.error().detail;
  ASSERT_EQ(keys->size(), 2U);
  EXPECT_EQ(keys->front().role, Role::Approval);  // in the order of roles
  const PublishedKey& trace = keys->back();
  const PublishedKey expected = key(0, Role::Trace, KeyState::Active);
  EXPECT_EQ(trace.key.kid(), expected.key.kid());
  EXPECT_EQ(trace.state, KeyState::Active);
  EXPECT_EQ(trace.token_id, "00");
  EXPECT_EQ(trace.label, "test-only");
  EXPECT_EQ(trace.created_at, expected.created_at);
  EXPECT_EQ(trace.not_before, expected.not_before);
  EXPECT_FALSE(trace.not_after.has_value());
  const auto record = store_->record(0);
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->record.kind, "key");
  EXPECT_EQ(record->record.kid, expected.key.kid());
}

TEST_F(LedgerKeysTest, HasOneActiveKeyOfARoleAndAlgorithm) {
  ASSERT_EQ(put({key(0, Role::Trace, KeyState::Active)}), "ok");
  EXPECT_EQ(put({key(1, Role::Trace, KeyState::Active)}), "two_active_keys");
  EXPECT_EQ(put({key(1, Role::Trace, KeyState::Standby)}), "ok");
  EXPECT_EQ(put({key(2, Role::Approval, KeyState::Active)}), "ok");
  EXPECT_EQ(*store_->key_set_version(), 3U);
  EXPECT_EQ(store_->head().size, 3U);  // the refused one left nothing
  EXPECT_EQ(store_->keys()->size(), 3U);
}

TEST_F(LedgerKeysTest, RefusesTwoActiveKeysThatComeTogether) {
  EXPECT_EQ(put({key(0, Role::Trace, KeyState::Active), key(1, Role::Trace, KeyState::Active)}), "two_active_keys");
  EXPECT_EQ(*store_->key_set_version(), 0U);
  EXPECT_TRUE(store_->keys()->empty());
}

TEST_F(LedgerKeysTest, CutsOverInOneStepInWhateverOrderTheKeysCome) {
  ASSERT_EQ(put({key(0, Role::Trace, KeyState::Active), key(1, Role::Trace, KeyState::Standby)}), "ok");
  EXPECT_EQ(put({key(1, Role::Trace, KeyState::Active), key(0, Role::Trace, KeyState::Retiring)}), "ok");
  EXPECT_EQ(*store_->key_set_version(), 2U);
}

TEST_F(LedgerKeysTest, MovesAKeyOnlyAsItsLifecycleAllows) {
  ASSERT_EQ(put({key(0, Role::Trace, KeyState::Active)}), "ok");
  ASSERT_EQ(put({key(0, Role::Trace, KeyState::Retiring)}), "ok");
  EXPECT_EQ(put({key(0, Role::Trace, KeyState::Active)}), "key_state");
  EXPECT_EQ(put({key(0, Role::Approval, KeyState::Retiring)}), "key_changed");
}

TEST_F(LedgerKeysTest, RaisesTheVersionOnlyForAChange) {
  ASSERT_EQ(put({key(0, Role::Trace, KeyState::Active)}), "ok");
  EXPECT_EQ(put({key(0, Role::Trace, KeyState::Active)}), "ok");
  EXPECT_EQ(*store_->key_set_version(), 1U);
  EXPECT_EQ(store_->head().size, 1U);
  PublishedKey closed = key(0, Role::Trace, KeyState::Active);
  closed.not_after = clock_.now() + std::chrono::hours(1);
  EXPECT_EQ(put({closed}), "ok");
  EXPECT_EQ(*store_->key_set_version(), 2U);
  EXPECT_EQ(store_->keys()->front().not_after, closed.not_after);
}

}  // namespace
}  // namespace countersign::ledger::test
