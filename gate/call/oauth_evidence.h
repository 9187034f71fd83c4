// How the caller of a tool says it was authenticated: context.auth_mode and context.oauth_evidence of a tool call
// (reference: gait-formats §2.3, §17). Evidence is data to the gate, which verifies no login.
#pragma once

#include <string>

#include "common/json.h"
#include "common/result.h"
#include "gate/document/gait_fields.h"

namespace countersign::gate {

struct OauthEvidence {
  std::string mode;  // off, none, token, oauth or oauth_dcr; empty where the call says nothing
  Json evidence;     // gait's members that have a value; null where there is none

  // Of the context of a call. What is wrong sticks in `context`'s error.
  static OauthEvidence read(GaitFields& context);
  // Fails with Invalid on a mode that is none of those; with `strictly` (oss-prod) also where an OAuth login lacks
  // evidence, naming what is missing.
  Status check(bool strictly) const;
};

}  // namespace countersign::gate
