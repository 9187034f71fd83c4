// POST /v1/sign, read strictly: what is asked, before anybody decided whether it may be.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/digest.h"
#include "common/json_tree.h"
#include "common/result.h"
#include "signer/ledger/store.h"
#include "signer/statement/statement.h"

namespace countersign::daemon {

struct SignRequest {
  statement::StatementType type = statement::StatementType::Trace;
  std::optional<JsonTree> statement;            // set by parse; views the request's bytes
  std::optional<keymgmt::Algorithm> algorithm;  // none: the role's default
  std::vector<Json> redeem;                     // approval tokens of a trace, or of a release
  std::optional<Json> proof;                    // an approval token's
  std::optional<Json> intent;                   // a trace's: {"digest_form","document"}
  bool execute = false;                         // a trace's: the permit is marked executed with its record
  std::string idempotency_key;                  // empty for none
  Digest digest;                                // of the request's bytes; set only with an idempotency key

  // `bytes` is what `body` was read from, and outlives what is made of it. Fails with Invalid on an unknown, missing,
  // mistyped or misplaced member, more than 64 tokens, an idempotency key of other than 1 to 128 printable ASCII
  // characters; with NotFound, reason "unknown_type", on a statement type that does not exist, and reason
  // "unknown_algorithm" on such an algorithm.
  static Result<SignRequest> parse(const JsonTree& body, std::string_view bytes);
};

// The intent document of a trace. Fails with Invalid unless `digest_form` and `document` are objects, the latter of at
// most 256 KiB, and `digest_form` has the digest (reason "intent_digest_mismatch"). Normalising an intent is the gate's
// knowledge: the signer checks only that the form it was given is the one that was hashed, and keeps both, so that an
// approver's tool can normalise `document` again and compare.
Result<ledger::IntentDocument> checked_intent(const Json& intent, const Digest& intent_digest);

}  // namespace countersign::daemon
