// What a stranger can verify of a ceremony with nothing but its transcript, the signatures under it and the custodians'
// keys, which they got another way.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "keymgmt/ceremony/approval.h"
#include "keymgmt/ceremony/intent.h"
#include "keymgmt/ceremony/transcript.h"

namespace countersign::ceremony {

struct Checked {
  Intent intent;
  std::vector<std::string> planned_by;  // who signed the plan
  std::vector<std::string> signed_by;   // who signed the transcript
  std::vector<std::string> exceptions;  // what went otherwise than planned, as the transcript says
  Json keys;                            // of the end line
};

// `pinned`: the custodians as the verifier knows them. Fails with VerificationFailed where the chain is broken, the
// plan in it is not the one that was signed, a step is missing, out of order or another than the plan's, or the end is
// missing; with Refused where plan or transcript is signed by fewer than the pinned quorum demands, or by nobody known.
Result<Checked> check_ceremony(std::string_view transcript, const std::vector<Approval>& signatures,
                               const Quorum& pinned);

}  // namespace countersign::ceremony
