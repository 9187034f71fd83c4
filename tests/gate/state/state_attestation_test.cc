#include "gate/state/state_attestation.h"

#include <gtest/gtest.h>

#include "tests/gate/signed_statement.h"

namespace countersign::gate {
namespace {

using keymgmt::Algorithm;
using keymgmt::Role;

const UtcTime kNow = *UtcTime::parse("2026-11-22T04:30:00Z");

class Attested : public testing::Test {
 protected:
  Attested() {
    state_ = *Json::parse(R"({"schema_id":"gait.gate.kill_switch_state","schema_version":"1.0.0","entries":[]})");
    attestation_ = attest(trace_);
  }
  Json attest(const test::SoftwareKey& key) const {
    return test::signed_statement(statement::StatementType::StateAttestation, attestation_fields(state_, kNow), key,
                                  kNow);
  }
  std::string outcome(const Json& state, const Json* attestation, const std::vector<std::string>& kids) const {
    const Status checked = check_attestation(state, attestation, keys_, kids);
    return checked ? "ok" : checked.error().wire_code();
  }

  test::SoftwareKey trace_{Algorithm::Ed25519};
  test::SoftwareKey other_{Algorithm::Ed25519};
  test::SoftwareKey approval_{Algorithm::Ed25519};
  keymgmt::KeySet keys_{1,
                        kNow,
                        {test::published(trace_, Role::Trace), test::published(other_, Role::Trace),
                         test::published(approval_, Role::Approval)}};
  Json state_;
  Json attestation_;
};

TEST_F(Attested, IsByANamedKeyAboutThisFile) {
  const std::string kid = trace_.public_key().kid();
  EXPECT_EQ(outcome(state_, &attestation_, {kid}), "ok");
  EXPECT_EQ(outcome(state_, &attestation_, {"any"}), "ok");
  EXPECT_EQ(outcome(state_, &attestation_, {other_.public_key().kid()}), "state_key_refused");
  EXPECT_EQ(outcome(state_, &attestation_, {}), "state_key_refused");
  // It stands in the file itself without being part of what is attested.
  Json carrying = state_;
  carrying.set(kAttestationMember, attestation_);
  EXPECT_EQ(outcome(carrying, carrying.find(kAttestationMember), {kid}), "ok");
}

TEST_F(Attested, IsNothingElse) {
  EXPECT_EQ(outcome(state_, nullptr, {"any"}), "state_unattested");
  Json changed = state_;
  changed.set("entries", Json::array({"x"}));
  EXPECT_EQ(outcome(changed, &attestation_, {"any"}), "state_changed");
  Json another = state_;
  another.set("schema_id", "gait.gate.rate_limit_state");
  EXPECT_EQ(outcome(another, &attestation_, {"any"}), "state_changed");
  Json forged = attestation_;
  forged.set("subject_digest", std::string(64, '0'));
  EXPECT_EQ(outcome(state_, &forged, {"any"}), "signed_digest_mismatch");
  const Json by_approver = attest(approval_);
  EXPECT_EQ(outcome(state_, &by_approver, {"any"}), "wrong_role");
  const Json by_stranger = attest(test::SoftwareKey(Algorithm::Ed25519));
  EXPECT_EQ(outcome(state_, &by_stranger, {"any"}), "unknown_key");
}

}  // namespace
}  // namespace countersign::gate
