// The body of POST /v1/evaluate (docs/gate-service.md).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/json.h"
#include "common/json_fields.h"
#include "common/result.h"

namespace countersign::command {

struct EvaluationRequest {
  Json intent;
  std::vector<Json> approval_tokens;
  std::vector<Json> delegation_tokens;
  std::optional<Json> context_envelope;
  std::optional<Json> context_attestation;  // of the envelope
  std::string policy;                       // a digest, or a whole policy as YAML
  std::string idempotency_key;
  std::string correlation_id;
  std::string approval_token_ref;
  bool check = false;
  bool simulate = false;
  bool explain = false;

  // Strictly: unknown members are errors. Fails with Invalid, naming the member.
  static Result<EvaluationRequest> parse(const Json& body);
};

// The member `name`, a list of at most 64 tokens, where it is there. Fails with Invalid, naming it.
Status read_tokens(JsonFields& fields, const char* name, std::vector<Json>& out);

}  // namespace countersign::command
