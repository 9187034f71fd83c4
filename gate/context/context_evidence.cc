#include "gate/context/context_evidence.h"

#include <algorithm>

namespace countersign::gate {
namespace {

Error contradiction(std::string_view what) {
  return Error{ErrorCode::Invalid, "normalize intent: context envelope " + std::string(what)};
}

}  // namespace

std::string ContextEvidence::sources() const {
  if (inventory.empty() || inventory == source) return source;
  if (source.empty()) return inventory;
  return std::min(source, inventory) + "," + std::max(source, inventory);
}

Result<JudgedIntent> with_context(Intent intent, const std::optional<ContextEnvelope>& envelope, ContextTrust trust,
                                  AgeInDigest age, UtcTime now) {
  const ContextClaims claims = intent.context().claims;
  ContextEvidence evidence;
  if (envelope) {
    if (!claims.set_digest.empty() && claims.set_digest != envelope->set_digest()) {
      return contradiction("digest does not match context.context_set_digest");
    }
    if (!claims.mode.empty() && claims.mode != envelope->mode()) {
      return contradiction("evidence_mode does not match context.context_evidence_mode");
    }
    if (!claims.refs.empty() && claims.refs != envelope->refs()) {
      return contradiction("records do not match context.context_refs");
    }
    const std::int64_t seconds = envelope->age_seconds(now);
    evidence = {"context_envelope", envelope->set_digest(),       envelope->mode(),
                envelope->refs(),   static_cast<double>(seconds), ""};
    intent = intent.with_envelope_facts(envelope->set_digest(), envelope->mode(), envelope->refs(),
                                        age == AgeInDigest::Hashed ? std::optional(seconds) : std::nullopt);
  } else if (trust == ContextTrust::Claims && claims.any()) {
    evidence = {"claim", claims.set_digest, claims.mode, claims.refs, claims.age_seconds, ""};
  }
  if (trust == ContextTrust::Claims) intent = intent.with_believed_tool_facts();
  return JudgedIntent{std::move(intent), std::move(evidence)};
}

}  // namespace countersign::gate
