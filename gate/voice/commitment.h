// What a voice agent is about to commit to by saying it, as gait normalises it, and the intent it is judged as
// (docs/voice.md).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/json.h"
#include "common/result.h"
#include "gate/document/gait_fields.h"
#include "signer/statement/say_token_fields.h"

namespace countersign::gate {

struct CommitmentContext {
  std::string identity;
  std::string workspace;
  std::string risk_class;
  std::string session_id;
  std::string request_id;
  std::string environment_fingerprint;
};

struct CommitmentFields {
  std::string schema_id;
  std::string schema_version;
  UtcTime created_at;
  std::string producer_version;
  std::string call_id;
  std::int64_t turn_index = 0;
  std::int64_t call_seq = 0;
  std::string commitment_class;  // one of statement::commitment_classes()
  std::string utterance_digest;
  CommitmentContext context;
  std::string currency;
  statement::SpokenBounds bounds;
  bool approval_required = false;
  std::vector<std::string> approval_artifact_refs;      // sorted set
  std::vector<std::string> evidence_reference_digests;  // sorted set of digests
};

// What becomes of members that a commitment does not have: in a call record nothing may stand that nobody reads.
enum class UnknownMembers { Ignored, Refused };

// A normalised commitment: only parse and of make one.
class Commitment {
 public:
  // `document` is an object. Members match without regard to case, unknown ones are ignored, repeated ones refused.
  // Fails with Invalid (exit 6) at the member's path, in gait's words where gait refuses too
  // ("parse voice intent json: …", "call_id is required").
  static Result<Commitment> parse(const Json& document);
  // Of one within another document, whose errors go into `error`.
  static Result<Commitment> of(GaitFields& fields, const FirstError& error, UnknownMembers unknown);

  const CommitmentFields& fields() const { return fields_; }
  // Its members in file order, as a call pack keeps it.
  Json json() const;
  // The intent to be judged: tool voice.commitment.<class>, one target that is spoken, the rest as arguments.
  Json intent_document() const;
  // What a say token of this commitment says, under a policy.
  statement::SayTokenFields say_token(const Digest& intent, const Digest& policy, std::chrono::nanoseconds ttl) const;

 private:
  explicit Commitment(CommitmentFields fields) : fields_(std::move(fields)) {}
  CommitmentFields fields_;
};

}  // namespace countersign::gate
