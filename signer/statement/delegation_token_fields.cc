#include "signer/statement/delegation_token_fields.h"

#include "common/text.h"
#include "signer/statement/token_parts.h"

namespace countersign::statement {
namespace {

using enum Field::Kind;
using enum Field::Presence;

constexpr Field kRequest[] = {{"delegator_identity", Text, Required},
                              {"delegate_identity", Text, Required},
                              {"scope", Texts, Required},
                              {"scope_class", Text},
                              {"intent_digest", HexDigest},
                              {"policy_digest", HexDigest},
                              {"ttl_seconds", Integer, Required}};
constexpr Structure kRequestShape{kRequest};

Result<std::optional<Digest>> read_digest(const JsonNode& fields, std::string_view name) {
  const std::string_view text = fields.text_of(name);
  if (text.empty()) return std::optional<Digest>();
  ASSIGN_OR_RETURN(const Digest digest, Digest::parse(text));
  return std::optional<Digest>(digest);
}

Result<std::string> read_scope_class(const JsonNode& fields) {
  const std::string_view given = trimmed(fields.text_of("scope_class"));
  if (given.empty()) return std::string();
  ASSIGN_OR_RETURN(std::vector<std::string> words, listed_words(std::vector<std::string>{std::string(given)}));
  return std::move(words.front());
}

}  // namespace

const Structure& delegation_token_structure() {
  static const Field fields[] = {{"schema_id", Text, Stamped},
                                 {"schema_version", Text, Stamped},
                                 {"created_at", Time, Stamped},
                                 {"producer_version", Text, Stamped},
                                 {"token_id", Text, Stamped},
                                 {"delegator_identity", Text, Required},
                                 {"delegate_identity", Text, Required},
                                 {"scope", Texts, Required},
                                 {"scope_class", Text},
                                 {"intent_digest", HexDigest},
                                 {"policy_digest", HexDigest},
                                 {"expires_at", Time, Stamped},
                                 {"signature", Object, Sealed, &signature_structure()}};
  static const Structure structure{fields};
  return structure;
}

Result<DelegationTokenFields> read_delegation_token_fields(const JsonTree& fields) {
  JsonNode& given = fields.root();
  RETURN_IF_ERROR(read(kRequestShape, fields, given, Reading::Strict, ""));
  DelegationTokenFields out;
  ASSIGN_OR_RETURN(out.delegator_identity, required_name(given.text_of("delegator_identity"), "delegator_identity"));
  ASSIGN_OR_RETURN(out.delegate_identity, required_name(given.text_of("delegate_identity"), "delegate_identity"));
  ASSIGN_OR_RETURN(const std::string delegator, identity_key(out.delegator_identity));
  ASSIGN_OR_RETURN(const std::string delegate, identity_key(out.delegate_identity));
  if (delegator == delegate) {
    return Error{ErrorCode::Refused, "delegate_identity: nobody delegates to themselves", "delegation_to_self",
                 "Name the identity that is to act for the delegator."};
  }
  ASSIGN_OR_RETURN(out.scope, listed_words(*given.find("scope")));
  if (out.scope.empty()) return Error{ErrorCode::Invalid, "scope: must name at least one word"};
  ASSIGN_OR_RETURN(out.scope_class, read_scope_class(given));
  ASSIGN_OR_RETURN(out.intent_digest, read_digest(given, "intent_digest"));
  ASSIGN_OR_RETURN(out.policy_digest, read_digest(given, "policy_digest"));
  ASSIGN_OR_RETURN(out.ttl, read_ttl(given));
  return out;
}

Result<StampedDocument> stamped(const DelegationTokenFields& token, const Stamp& stamp) {
  RETURN_IF_ERROR(check_token_id(stamp));
  const UtcTime created_at = stamp.now.whole_seconds();
  Json::Object out;
  out.reserve(delegation_token_structure().fields.size());
  out.emplace_back("schema_id", row_of(StatementType::DelegationToken).schema_id);
  out.emplace_back("schema_version", kSchemaVersion);
  out.emplace_back("created_at", created_at.rfc3339());
  out.emplace_back("producer_version", COUNTERSIGN_VERSION);
  out.emplace_back("token_id", stamp.token_id);
  out.emplace_back("delegator_identity", token.delegator_identity);
  out.emplace_back("delegate_identity", token.delegate_identity);
  out.emplace_back("scope", Json::array(token.scope));
  if (!token.scope_class.empty()) out.emplace_back("scope_class", token.scope_class);
  if (token.intent_digest) out.emplace_back("intent_digest", token.intent_digest->hex());
  if (token.policy_digest) out.emplace_back("policy_digest", token.policy_digest->hex());
  out.emplace_back("expires_at", (created_at + token.ttl).whole_seconds().rfc3339());
  Json document(std::move(out));
  const Digest digest = document.digest();
  return StampedDocument{std::move(document), digest};
}

Status normalise_delegation_token(Json& token) {
  RETURN_IF_ERROR(normalise_schema_version(token));
  RETURN_IF_ERROR(normalise_names(token, {"token_id", "delegator_identity", "delegate_identity"}));
  RETURN_IF_ERROR(normalise_digests(token, {"intent_digest", "policy_digest"}));
  RETURN_IF_ERROR(normalise_scope(token));
  if (Json* scope_class = token.find("scope_class")) *scope_class = lowered(trimmed(scope_class->as_string()));
  if (token.text("scope_class").empty()) token.erase("scope_class");
  return require_times(token);
}

}  // namespace countersign::statement
