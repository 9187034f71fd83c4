// Whether a say token counts for what is about to be said (docs/voice.md).
#pragma once

#include <cstdint>
#include <string>

#include "common/clock.h"
#include "common/json.h"
#include "keymgmt/key_set.h"

namespace countersign::gate {

// What a token is compared with; what is not demanded is not compared.
struct SayDemand {
  std::string intent_digest;
  std::string policy_digest;
  std::string call_id;
  std::int64_t turn_index = -1;  // from 0 on it is compared
  std::int64_t call_seq = 0;     // from 1 on
  std::string commitment_class;
};

struct JudgedSayToken {
  std::string code;  // say_token_…; empty where the token counts
  std::string text;  // why not, for people
  Json document;     // the verified token in gait's normal form; null where it did not verify
};

// Structure, signature by a key of the trace role, then what `demand` names, then the time, in gait's order. The first
// failure decides the code. `token` is an object.
JudgedSayToken judge_say_token(const Json& token, const SayDemand& demand, const keymgmt::KeySet& keys, UtcTime now);

}  // namespace countersign::gate
