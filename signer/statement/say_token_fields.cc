#include "signer/statement/say_token_fields.h"

#include <algorithm>

#include "common/text.h"
#include "signer/statement/token_parts.h"

namespace countersign::statement {
namespace {

using enum Field::Kind;
using enum Field::Presence;

constexpr std::string_view kClasses[] = {"refund", "quote", "eligibility", "schedule", "cancel", "account_change"};

constexpr Field kRequest[] = {{"commitment_class", Text, Required},
                              {"intent_digest", HexDigest, Required},
                              {"policy_digest", HexDigest, Required},
                              {"call_id", Text, Required},
                              {"turn_index", Integer, Required},
                              {"call_seq", Integer, Required},
                              {"currency", Text},
                              {"quote_min_cents", Integer},
                              {"quote_max_cents", Integer},
                              {"refund_ceiling_cents", Integer},
                              {"ttl_seconds", Integer, Required}};
constexpr Structure kRequestShape{kRequest};

constexpr std::string_view kBounds[] = {"quote_min_cents", "quote_max_cents", "refund_ceiling_cents"};

Error invalid(std::string detail) {
  return Error{ErrorCode::Invalid, std::move(detail)};
}

std::int64_t integer_of(const JsonNode& object, std::string_view name) {
  const JsonNode* member = object.find(name);
  return member == nullptr ? 0 : member->integer;
}

std::int64_t integer_of(const Json& object, std::string_view name) {
  const Json* member = object.find(name);
  return member == nullptr ? 0 : member->as_integer();
}

Status check_place(std::int64_t turn_index, std::int64_t call_seq) {
  if (turn_index < 0) return invalid("turn_index must be >= 0");
  if (call_seq <= 0) return invalid("call_seq must be >= 1");
  return ok();
}

Status check_class(std::string_view text) {
  if (is_commitment_class(text)) return ok();
  return invalid("unsupported commitment_class: " + std::string(text));
}

}  // namespace

std::span<const std::string_view> commitment_classes() {
  return kClasses;
}

bool is_commitment_class(std::string_view text) {
  return std::find(std::begin(kClasses), std::end(kClasses), text) != std::end(kClasses);
}

Status check_bounds(const SpokenBounds& bounds) {
  if (bounds.quote_min_cents < 0 || bounds.quote_max_cents < 0 || bounds.refund_ceiling_cents < 0) {
    return invalid("bound values must be >= 0");
  }
  if (bounds.quote_max_cents > 0 && bounds.quote_min_cents > bounds.quote_max_cents) {
    return invalid("quote_max_cents must be >= quote_min_cents");
  }
  return ok();
}

const Structure& say_token_structure() {
  static const Field fields[] = {{"schema_id", Text, Stamped},
                                 {"schema_version", Text, Stamped},
                                 {"created_at", Time, Stamped},
                                 {"producer_version", Text, Stamped},
                                 {"token_id", Text, Stamped},
                                 {"commitment_class", Text, Required},
                                 {"intent_digest", HexDigest, Required},
                                 {"policy_digest", HexDigest, Required},
                                 {"call_id", Text, Required},
                                 {"turn_index", Integer, Required},
                                 {"call_seq", Integer, Required},
                                 {"currency", Text},
                                 {"quote_min_cents", Integer},
                                 {"quote_max_cents", Integer},
                                 {"refund_ceiling_cents", Integer},
                                 {"expires_at", Time, Stamped},
                                 {"signature", Object, Sealed, &signature_structure()}};
  static const Structure structure{fields};
  return structure;
}

Result<SayTokenFields> read_say_token_fields(const JsonTree& fields) {
  JsonNode& given = fields.root();
  RETURN_IF_ERROR(read(kRequestShape, fields, given, Reading::Strict, ""));
  SayTokenFields out;
  out.commitment_class = given.text_of("commitment_class");
  RETURN_IF_ERROR(check_class(out.commitment_class));
  ASSIGN_OR_RETURN(out.intent_digest, Digest::parse(given.text_of("intent_digest")));
  ASSIGN_OR_RETURN(out.policy_digest, Digest::parse(given.text_of("policy_digest")));
  out.call_id = given.text_of("call_id");
  if (trimmed(out.call_id) != out.call_id) return invalid("call_id: must not begin or end with white space");
  out.turn_index = integer_of(given, "turn_index");
  out.call_seq = integer_of(given, "call_seq");
  RETURN_IF_ERROR(check_place(out.turn_index, out.call_seq));
  out.currency = given.text_of("currency");
  if (uppered(trimmed(out.currency)) != out.currency) return invalid("currency: must be in upper case");
  out.quote_min_cents = integer_of(given, kBounds[0]);
  out.quote_max_cents = integer_of(given, kBounds[1]);
  out.refund_ceiling_cents = integer_of(given, kBounds[2]);
  RETURN_IF_ERROR(check_bounds({out.quote_min_cents, out.quote_max_cents, out.refund_ceiling_cents}));
  ASSIGN_OR_RETURN(out.ttl, read_ttl(given));
  return out;
}

void put_spoken(const SayTokenFields& token, Json& out) {
  out.set("commitment_class", token.commitment_class);
  out.set("intent_digest", token.intent_digest.hex());
  out.set("policy_digest", token.policy_digest.hex());
  out.set("call_id", token.call_id);
  out.set("turn_index", token.turn_index);
  out.set("call_seq", token.call_seq);
  if (!token.currency.empty()) out.set("currency", token.currency);
  const std::int64_t bounds[] = {token.quote_min_cents, token.quote_max_cents, token.refund_ceiling_cents};
  for (std::size_t i = 0; i < std::size(kBounds); ++i) {
    if (bounds[i] != 0) out.set(kBounds[i], bounds[i]);
  }
}

Result<StampedDocument> stamped(const SayTokenFields& token, const Stamp& stamp) {
  RETURN_IF_ERROR(check_token_id(stamp));
  const UtcTime created_at = stamp.now.whole_seconds();
  Json document = Json::object({{"schema_id", row_of(StatementType::SayToken).schema_id},
                                {"schema_version", kSchemaVersion},
                                {"created_at", created_at.rfc3339()},
                                {"producer_version", COUNTERSIGN_VERSION},
                                {"token_id", stamp.token_id}});
  put_spoken(token, document);
  document.set("expires_at", (created_at + token.ttl).whole_seconds().rfc3339());
  const Digest digest = document.digest();
  return StampedDocument{std::move(document), digest};
}

Status normalise_say_token(Json& token) {
  RETURN_IF_ERROR(normalise_schema_version(token));
  RETURN_IF_ERROR(normalise_names(token, {"token_id"}));
  std::string commitment_class = lowered(trimmed(token.text("commitment_class")));
  RETURN_IF_ERROR(check_class(commitment_class));
  *token.find("commitment_class") = std::move(commitment_class);
  RETURN_IF_ERROR(normalise_digests(token, {"intent_digest", "policy_digest"}));
  RETURN_IF_ERROR(normalise_names(token, {"call_id"}));
  RETURN_IF_ERROR(check_place(integer_of(token, "turn_index"), integer_of(token, "call_seq")));
  if (Json* currency = token.find("currency")) *currency = uppered(trimmed(currency->as_string()));
  if (token.text("currency").empty()) token.erase("currency");
  RETURN_IF_ERROR(
      check_bounds({integer_of(token, kBounds[0]), integer_of(token, kBounds[1]), integer_of(token, kBounds[2])}));
  return require_times(token);
}

}  // namespace countersign::statement
