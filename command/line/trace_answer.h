// What `trace verify` and its kin say of a trace: gait's members, and ours in error_detail.
#pragma once

#include <string>

#include "common/json.h"
#include "common/result.h"
#include "keymgmt/key_set.h"
#include "signer/statement/statement.h"

namespace countersign::command {

struct TraceCheck {
  Result<statement::VerifiedDocument> verified;  // every failure is VerificationFailed here
  Json members;  // path, trace_id, verdict, signature_status, key_id, ok; of a failure gait's error members as well
};

// A trace that was just signed, by keys got another way. Fails with VerificationFailed, saying to sync them.
Status check_trusted(const Json& trace, const keymgmt::KeySet& trusted);

TraceCheck check_trace(const std::string& path, const Json& trace, const keymgmt::KeySet& keys);

}  // namespace countersign::command
