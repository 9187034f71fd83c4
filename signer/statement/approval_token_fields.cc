#include "signer/statement/approval_token_fields.h"

#include <algorithm>

#include "signer/statement/token_parts.h"

namespace countersign::statement {
namespace {

using enum Field::Kind;
using enum Field::Presence;

constexpr Field kRequest[] = {{"approver_identity", Text, Required},
                              {"reason_code", Text, Required},
                              {"intent_digest", HexDigest, Required},
                              {"policy_digest", HexDigest, Required},
                              {"delegation_binding_digest", HexDigest},
                              {"scope", Texts, Required},
                              {"max_targets", Integer},
                              {"max_ops", Integer},
                              {"ttl_seconds", Integer, Required}};
constexpr Structure kRequestShape{kRequest};

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

std::int64_t integer(const Json& object, std::string_view name) {
  const Json* member = object.find(name);
  return member == nullptr ? 0 : member->as_integer();
}

std::int64_t integer(const JsonNode& object, std::string_view name) {
  const JsonNode* member = object.find(name);
  return member == nullptr ? 0 : member->integer;
}

Result<std::vector<std::string>> read_scope(const JsonNode& given) {
  ASSIGN_OR_RETURN(std::vector<std::string> out, scope_words(given));
  for (std::string& word : out) {
    if (word.find(':') == std::string::npos) word.insert(0, "tool:");
    const std::size_t colon = word.find(':');
    if (colon == 0 || colon + 1 == word.size()) {
      return invalid("scope: \"" + word.substr(0, 64) + "\" is not kind:name");
    }
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  if (out.empty()) return invalid("scope: must name at least one kind:name");
  return out;
}

}  // namespace

const Structure& approval_token_structure() {
  static const Field fields[] = {{"schema_id", Text, Stamped},
                                 {"schema_version", Text, Stamped},
                                 {"created_at", Time, Stamped},
                                 {"producer_version", Text, Stamped},
                                 {"token_id", Text, Stamped},
                                 {"approver_identity", Text, Required},
                                 {"reason_code", Text, Required},
                                 {"intent_digest", HexDigest, Required},
                                 {"policy_digest", HexDigest, Required},
                                 {"delegation_binding_digest", HexDigest},
                                 {"scope", Texts, Required},
                                 {"max_targets", Integer},
                                 {"max_ops", Integer},
                                 {"expires_at", Time, Stamped},
                                 {"signature", Object, Sealed, &signature_structure()}};
  static const Structure structure{fields};
  return structure;
}

Result<ApprovalTokenFields> read_approval_token_fields(const JsonTree& fields) {
  JsonNode& given = fields.root();
  RETURN_IF_ERROR(read(kRequestShape, fields, given, Reading::Strict, ""));
  ApprovalTokenFields out;
  ASSIGN_OR_RETURN(out.intent_digest, Digest::parse(given.text_of("intent_digest")));
  ASSIGN_OR_RETURN(out.policy_digest, Digest::parse(given.text_of("policy_digest")));
  if (const std::string_view binding = given.text_of("delegation_binding_digest"); !binding.empty()) {
    ASSIGN_OR_RETURN(out.delegation_binding_digest, Digest::parse(binding));
  }
  ASSIGN_OR_RETURN(out.approver_identity, required_name(given.text_of("approver_identity"), "approver_identity"));
  ASSIGN_OR_RETURN(out.reason_code, required_name(given.text_of("reason_code"), "reason_code"));
  ASSIGN_OR_RETURN(out.scope, read_scope(*given.find("scope")));
  ASSIGN_OR_RETURN(out.ttl, read_ttl(given));
  out.max_targets = integer(given, "max_targets");
  out.max_ops = integer(given, "max_ops");
  if (out.max_targets < 0) return invalid("max_targets: must not be negative");
  if (out.max_ops < 0) return invalid("max_ops: must not be negative");
  return out;
}

Result<StampedDocument> stamped(const ApprovalTokenFields& token, const Stamp& stamp) {
  RETURN_IF_ERROR(check_token_id(stamp));
  const UtcTime created_at = stamp.now.whole_seconds();
  Json::Object out;
  out.reserve(approval_token_structure().fields.size());
  out.emplace_back("schema_id", row_of(StatementType::ApprovalToken).schema_id);
  out.emplace_back("schema_version", kSchemaVersion);
  out.emplace_back("created_at", created_at.rfc3339());
  out.emplace_back("producer_version", COUNTERSIGN_VERSION);
  out.emplace_back("token_id", stamp.token_id);
  out.emplace_back("approver_identity", token.approver_identity);
  out.emplace_back("reason_code", token.reason_code);
  out.emplace_back("intent_digest", token.intent_digest.hex());
  out.emplace_back("policy_digest", token.policy_digest.hex());
  if (token.delegation_binding_digest) {
    out.emplace_back("delegation_binding_digest", token.delegation_binding_digest->hex());
  }
  out.emplace_back("scope", Json::array(token.scope));
  if (token.max_targets > 0) out.emplace_back("max_targets", token.max_targets);
  if (token.max_ops > 0) out.emplace_back("max_ops", token.max_ops);
  out.emplace_back("expires_at", (created_at + token.ttl).whole_seconds().rfc3339());
  Json document(std::move(out));
  const Digest digest = document.digest();
  return StampedDocument{std::move(document), digest};
}

Status normalise_approval_token(Json& token) {
  RETURN_IF_ERROR(normalise_schema_version(token));
  RETURN_IF_ERROR(normalise_names(token, {"token_id", "approver_identity", "reason_code"}));
  RETURN_IF_ERROR(normalise_digests(token, {"intent_digest", "policy_digest", "delegation_binding_digest"}));
  RETURN_IF_ERROR(normalise_scope(token));
  for (const std::string_view name : {"max_targets", "max_ops"}) {
    if (integer(token, name) < 0) return invalid(std::string(name) + ": must not be negative");
  }
  return require_times(token);
}

}  // namespace countersign::statement
