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

  // What is to be signed for one job, which outlives it.
  struct Draft {
    const HeldPair* pair;
    UtcTime now;
    statement::UnsignedDocument document;
  };

  // The three steps of a job. They stand alone so that several jobs can take each step together: the token's module and
  // what is before and behind it displace each other's code and data from the processor's caches, and a step that is
  // taken eight times in a row pays for that once. Jobs for approval tokens take them one after another: a proof counts
  // until `finish` has used it up.
  //
  // Fails with Refused (wrong_role, kid_not_held, wrong_algorithm, and the reasons of ApprovalCheck), and with Invalid
  // as Statement::parse does.
  Result<Draft> draft(const channel::SignJobView& job) const;
  // Fails as KeyPair::sign does: with reason token_gone nothing will ever be signed here again.
  static Result<Bytes> sign(const Draft& draft);
  // `payload` is the frame the job came in: its digest goes into the answer.
  struct Sealed {
    channel::SignAnswerHead head;
    JsonTree document;
  };
  Result<Sealed> finish(const channel::SignJobView& job, Draft draft, const Bytes& signature, std::string_view payload);

 private:
  const config::HolderSettings& settings_;
  const HeldKeys& keys_;
  const Clock& clock_;
  ApprovalCheck approvals_;
};

}  // namespace countersign::holder
