// What a rule may believe about the context of an intent: an envelope, or the intent's own claims where the operator
// says so (`gate.context_evidence: intent`).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "gate/context/context_envelope.h"
#include "gate/intent/intent.h"

namespace countersign::gate {

enum class ContextTrust { Envelope, Claims };

// gait hashes the age of an envelope, so that a digest lives one second and no approval can be given for it. With the
// signer the age is judged and not hashed; key-file mode hashes it as gait does.
enum class AgeInDigest { Left, Hashed };

struct ContextEvidence {
  std::string source;      // "", "context_envelope" or "claim": the answer's context_source
  std::string set_digest;  // hex, empty where there is none
  std::string mode;        // "", "best_effort" or "required"
  std::vector<std::string> refs;
  std::optional<double> age_seconds;
  std::string inventory;  // the file that knew the tool, or a step's tool; empty where none did

  // gait's member context_source: everything that was believed, sorted and joined by comma.
  std::string sources() const;
};

// An intent together with what may be believed about its context: what is hashed and judged.
struct JudgedIntent {
  Intent intent;
  ContextEvidence context;
};

// Without an envelope the claims count only under ContextTrust::Claims. Fails with Invalid where the intent's claims
// contradict the envelope ("normalize intent: context envelope digest does not match context.context_set_digest").
Result<JudgedIntent> with_context(Intent intent, const std::optional<ContextEnvelope>& envelope, ContextTrust trust,
                                  AgeInDigest age, UtcTime now);

}  // namespace countersign::gate
