#include "command/decision/evaluation_request.h"

namespace countersign::command {
namespace {

constexpr std::size_t kMostTokens = 64;
constexpr std::size_t kLongestKey = 256;

Status read_object(JsonFields& fields, const char* name, std::optional<Json>& out) {
  const Json* object = fields.take(name);
  if (object == nullptr) return ok();
  if (!object->is_object()) return fields.wrong(name, "is not an object");
  out = *object;
  return ok();
}

}  // namespace

Status read_tokens(JsonFields& fields, const char* name, std::vector<Json>& out) {
  const Json* list = fields.take(name);
  if (list == nullptr) return ok();
  if (!list->is_array() || list->as_array().size() > kMostTokens)
    return fields.wrong(name, "is not a list of at most 64");
  out = list->as_array();
  return ok();
}

Result<EvaluationRequest> EvaluationRequest::parse(const Json& body) {
  JsonFields fields(body, "");
  EvaluationRequest request;
  ASSIGN_OR_RETURN(const Json* intent, fields.required("intent"));
  if (!intent->is_object()) return fields.wrong("intent", "is not an object");
  request.intent = *intent;
  RETURN_IF_ERROR(read_tokens(fields, "approval_tokens", request.approval_tokens));
  RETURN_IF_ERROR(read_tokens(fields, "delegation_tokens", request.delegation_tokens));
  RETURN_IF_ERROR(read_object(fields, "context_envelope", request.context_envelope));
  RETURN_IF_ERROR(read_object(fields, "context_attestation", request.context_attestation));
  struct Text {
    const char* name;
    std::string& out;
  };
  for (const Text& text :
       {Text{"policy", request.policy}, Text{"idempotency_key", request.idempotency_key},
        Text{"correlation_id", request.correlation_id}, Text{"approval_token_ref", request.approval_token_ref}}) {
    const Json* given = fields.take(text.name);
    if (given == nullptr) continue;
    if (!given->is_string()) return fields.wrong(text.name, "is not a text");
    text.out = given->as_string();
  }
  if (request.idempotency_key.size() > kLongestKey) return fields.wrong("idempotency_key", "is longer than 256 bytes");
  struct Switch {
    const char* name;
    bool& out;
  };
  for (const Switch& each :
       {Switch{"check", request.check}, Switch{"simulate", request.simulate}, Switch{"explain", request.explain}}) {
    const Json* given = fields.take(each.name);
    if (given == nullptr) continue;
    if (!given->is_bool()) return fields.wrong(each.name, "is not true or false");
    each.out = given->as_bool();
  }
  RETURN_IF_ERROR(fields.finish());
  return request;
}

}  // namespace countersign::command
