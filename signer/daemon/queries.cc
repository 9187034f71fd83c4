#include "signer/daemon/queries.h"

#include <charconv>

#include "common/json_fields.h"
#include "signer/daemon/mint_rules.h"
#include "signer/daemon/permit_rules.h"
#include "signer/transport/http_message.h"

namespace countersign::daemon {
namespace {

constexpr std::size_t kMostRequests = 1000;

Result<Digest> digest_in(std::string_view query, std::string_view name) {
  const Result<std::string> text = transport::query_value(query, name);
  if (!text) return Error{ErrorCode::Invalid, text.error().detail};
  return Digest::parse(*text);
}

std::int64_t seconds(std::chrono::nanoseconds span) {
  return std::chrono::duration_cast<std::chrono::seconds>(span).count();
}

}  // namespace

Result<Json> Queries::nonce(std::uint32_t uid) const {
  ASSIGN_OR_RETURN(const Nonces::Nonce nonce, nonces_.issue(uid, clock_.now()));
  return Json::object({{"nonce", nonce.text}, {"expires_at", nonce.expires_at.rfc3339()}});
}

Json Queries::json_of(const ledger::Decision& decision) const {
  Json json = Json::object({{"intent_digest", decision.intent_digest.hex()},
                            {"policy_digest", decision.policy_digest.hex()},
                            {"verdict", statement::name_of(decision.verdict)},
                            {"at", decision.at.rfc3339()},
                            {"log_index", decision.log_index},
                            {"trace_digest", decision.trace_digest.hex()},
                            {"peer_uid", std::int64_t{decision.peer_uid}}});
  const Json facts = statement::to_json(decision.facts);
  for (const Json::Member& member : facts.as_object()) json.set(member.first, member.second);
  const ApprovalTimes times = approval_times(config_.approvals, config::ApproverConfig(),
                                             decision.facts.required_scopes, decision.facts.destructive);
  json.set("approval", Json::object({{"required_scopes", Json::array(decision.facts.required_scopes)},
                                     {"default_ttl_seconds", seconds(times.usual)},
                                     {"max_ttl_seconds", seconds(times.most)}}));
  return json;
}

Result<Json> Queries::decision(std::string_view query) const {
  ASSIGN_OR_RETURN(const Digest intent, digest_in(query, "intent_digest"));
  ASSIGN_OR_RETURN(const Digest policy, digest_in(query, "policy_digest"));
  ASSIGN_OR_RETURN(const std::optional<ledger::Decision> decision, store_.latest_decision(intent, policy));
  if (!decision) return Error{ErrorCode::NotFound, "no decision on this intent and policy is recorded"};
  return json_of(*decision);
}

Result<Json> Queries::requests() const {
  ASSIGN_OR_RETURN(const std::vector<ledger::Decision> pending,
                   store_.pending(clock_.now() - kRequirementLasts, kMostRequests));
  Json::Array rows;
  for (const ledger::Decision& decision : pending) rows.push_back(json_of(decision));
  return Json::object({{"requests", std::move(rows)}});
}

Result<Json> Queries::request(std::string_view digest) const {
  ASSIGN_OR_RETURN(const Digest intent, Digest::parse(digest));
  ASSIGN_OR_RETURN(const std::optional<std::string> stored, store_.intent_document(intent));
  if (!stored) return Error{ErrorCode::NotFound, "no intent of this digest is kept"};
  ASSIGN_OR_RETURN(Json document, Json::parse(*stored));
  return Json::object({{"intent_digest", intent.hex()}, {"intent", std::move(document)}});
}

Result<Json> Queries::key(std::string_view name) const {
  ASSIGN_OR_RETURN(const std::string decoded, transport::percent_decoded(name));
  const keymgmt::PublishedKey* key = keys_.set().find(decoded);
  if (key == nullptr) return Error{ErrorCode::NotFound, "no published key is called " + decoded};
  // The same member that the whole set has for it.
  const Json document = keys_.set().document();
  for (const Json& each : document.find("keys")->as_array()) {
    if (each.text("kid") == key->key.kid()) return each;
  }
  return Error{ErrorCode::Internal, "the key set's document lacks a key it holds"};
}

Result<std::uint64_t> Queries::log_index(std::string_view query) const {
  const Result<std::string> index = transport::query_value(query, "index");
  if (index) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(index->data(), index->data() + index->size(), number);
    if (error != std::errc() || end != index->data() + index->size()) {
      return Error{ErrorCode::Invalid, "index must be a decimal number"};
    }
    return number;
  }
  if (index.error().code != ErrorCode::NotFound) return index.error();
  ASSIGN_OR_RETURN(const std::string intent_text, transport::query_value(query, "intent_digest"));
  ASSIGN_OR_RETURN(const std::string signed_text, transport::query_value(query, "signed_digest"));
  ASSIGN_OR_RETURN(const Digest intent, Digest::parse(intent_text));
  ASSIGN_OR_RETURN(const Digest trace, Digest::parse(signed_text));
  ASSIGN_OR_RETURN(const std::optional<std::uint64_t> found, store_.index_of_trace(intent, trace));
  if (!found) return Error{ErrorCode::NotFound, "no record holds a trace of these digests", "record_unknown"};
  return *found;
}

Result<Json> Queries::verify(const Json& body) const {
  JsonFields fields(body, "");
  ASSIGN_OR_RETURN(const std::string name, fields.text("type"));
  ASSIGN_OR_RETURN(const Json* document, fields.required("statement"));
  RETURN_IF_ERROR(fields.finish());
  const auto type = statement::statement_type_named(name);
  if (!type) return Error{ErrorCode::NotFound, "there is no statement type " + name, "unknown_type"};
  const auto verified = statement::VerifiedDocument::verify(*type, *document, keys_.set());
  if (verified) {
    const keymgmt::PublishedKey& key = verified->key();
    return Json::object({{"valid", true},
                         {"reason", ""},
                         {"role", keymgmt::name_of(key.role)},
                         {"kid", key.key.kid()},
                         {"key_state", keymgmt::name_of(key.state)}});
  }
  Json answer = Json::object(
      {{"valid", false}, {"reason", verified.error().wire_code()}, {"role", ""}, {"kid", ""}, {"key_state", ""}});
  // The key it names, where we know one: what a person asks next.
  const Json* signature = document->find("signature");
  if (const Json* list = document->find("signatures");
      list != nullptr && list->is_array() && !list->as_array().empty()) {
    signature = &list->as_array().front();
  }
  const keymgmt::PublishedKey* key = signature == nullptr ? nullptr : keys_.set().find(signature->text("key_id"));
  if (key != nullptr) {
    answer.set("role", keymgmt::name_of(key->role));
    answer.set("kid", key->key.kid());
    answer.set("key_state", keymgmt::name_of(key->state));
  }
  return answer;
}

}  // namespace countersign::daemon
