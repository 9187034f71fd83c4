// Turns a signing job into a signed document: parses the caller's fields again, checks that they are this role's to
// sign, sets what only a holder may set (time, token id), and signs.
#pragma once

#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/result.h"
#include "signer/channel/frame.h"
#include "signer/config/holder_settings.h"
#include "signer/holder/approval_check.h"
#include "signer/holder/held_keys.h"

namespace countersign::holder {

class SignDesk {
 public:
  // All three outlive this.
  SignDesk(const config::HolderSettings& settings, const HeldKeys& keys, const Clock& clock)
      : settings_(settings), keys_(keys), clock_(clock), approvals_(settings) {}

  // `payload` is the frame the job came in: its digest goes into the answer. Fails with Refused (wrong_role,
  // kid_not_held, wrong_algorithm, and the reasons of ApprovalCheck), with Invalid as Statement::parse does, and as
  // KeyPair::sign does: with reason token_gone nothing will ever be signed here again.
  Result<channel::SignAnswer> sign(const channel::SignJob& job, std::string_view payload);

 private:
  const config::HolderSettings& settings_;
  const HeldKeys& keys_;
  const Clock& clock_;
  ApprovalCheck approvals_;
};

}  // namespace countersign::holder
