#include "signer/daemon/sign_request.h"

#include <algorithm>

namespace countersign::daemon {
namespace {

constexpr std::size_t kMostTokens = 64;
constexpr std::size_t kLongestIdempotencyKey = 128;
constexpr std::size_t kLongestIntent = std::size_t{256} << 10;

bool is_idempotency_key(std::string_view text) {
  return !text.empty() && text.size() <= kLongestIdempotencyKey &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

Error wrong(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

}  // namespace

Result<SignRequest> SignRequest::parse(const JsonTree& body, std::string_view bytes) {
  if (!body.root().is(JsonNode::Kind::Object)) return wrong("the request is no JSON object");
  SignRequest request;
  bool has_type = false;
  for (JsonNode& value : body.root().children()) {
    const std::string_view name = value.name;
    if (name == "type") {
      if (!value.is(JsonNode::Kind::Text)) return wrong("type is no text");
      const auto type = statement::statement_type_named(value.text);
      if (!type) {
        return Error{ErrorCode::NotFound, "there is no statement type " + std::string(value.text), "unknown_type",
                     "docs/statements.md lists the types."};
      }
      request.type = *type;
      has_type = true;
    } else if (name == "statement") {
      if (!value.is(JsonNode::Kind::Object)) return wrong("statement is no object");
      request.statement = body.at(value);
    } else if (name == "algorithm") {
      if (!value.is(JsonNode::Kind::Text)) return wrong("algorithm is no text");
      request.algorithm = keymgmt::algorithm_named(value.text);
      if (!request.algorithm) {
        return Error{ErrorCode::NotFound, "there is no algorithm " + std::string(value.text), "unknown_algorithm",
                     "ed25519 or p256, where the role has a key of it."};
      }
    } else if (name == "redeem") {
      if (!value.is(JsonNode::Kind::Array) || value.count > kMostTokens) {
        return wrong("redeem is no array of up to 64 tokens");
      }
      for (const JsonNode& token : value.children()) request.redeem.push_back(token.json());
    } else if (name == "proof") {
      request.proof = value.json();
    } else if (name == "intent") {
      request.intent = value.json();
    } else if (name == "execute") {
      if (!value.is(JsonNode::Kind::Bool)) return wrong("execute is neither true nor false");
      request.execute = value.integer != 0;
    } else if (name == "idempotency_key") {
      if (!value.is(JsonNode::Kind::Text) || !is_idempotency_key(value.text)) {
        return wrong("idempotency_key is no text of 1 to 128 printable characters");
      }
      request.idempotency_key = value.text;
    } else {
      return Error{ErrorCode::Invalid, "the request has an unknown member " + std::string(name), "unknown_member"};
    }
  }
  if (!has_type) return wrong("type is missing");
  if (!request.statement) return wrong("statement is missing");
  const bool trace = request.type == statement::StatementType::Trace;
  const bool release = request.type == statement::StatementType::Release;
  if (!trace && !release && !request.redeem.empty()) return wrong("redeem belongs to a trace or a release");
  if (!trace && request.intent) return wrong("intent belongs to a trace");
  if (!trace && request.execute) return wrong("execute belongs to a trace");
  const bool token = request.type == statement::StatementType::ApprovalToken ||
                     request.type == statement::StatementType::DelegationToken ||
                     request.type == statement::StatementType::ApprovedScript;
  if (!token && request.proof) {
    return wrong("proof belongs to an approval, a delegation token or an approved script");
  }
  if (!request.idempotency_key.empty()) request.digest = sha256(bytes);
  return request;
}

Result<ledger::IntentDocument> checked_intent(const Json& intent, const Digest& intent_digest) {
  const Json* form = intent.find("digest_form");
  const Json* document = intent.find("document");
  if (form == nullptr || !form->is_object() || document == nullptr || !document->is_object() ||
      intent.as_object().size() != 2) {
    return wrong("intent is no object of exactly the objects digest_form and document");
  }
  if (form->digest() != intent_digest) {
    return Error{ErrorCode::Invalid, "the digest of intent.digest_form is not the statement's intent_digest",
                 "intent_digest_mismatch"};
  }
  std::string json = intent.compact();
  if (json.size() > 2 * kLongestIntent || document->compact().size() > kLongestIntent) {
    return Error{ErrorCode::TooLarge, "intent.document may have 262144 bytes at most"};
  }
  return ledger::IntentDocument{intent_digest, std::move(json)};
}

}  // namespace countersign::daemon
