#include "signer/ledger/leaf.h"

#include <utility>
#include <vector>

#include "common/json_text.h"
#include "common/text.h"

namespace countersign::ledger {
namespace {

using namespace json_text;

constexpr std::string_view kDecisionStart = R"({"decision":{)";
constexpr std::string_view kDecisionMember = R"({"decision":{"intent_digest":")";
constexpr std::size_t kUsualEffects = 1024;
constexpr std::size_t kUsualLeaf = 768;
void append_member(Writer& out, std::string_view name, const Digest& digest) {
  out += name;
  out.quoted_hex(digest.bytes());
}

void append_member(Writer& out, std::string_view name, std::string_view text) {
  out += name;
  append_string<Escapes::Json>(out, text);
}

void append_member(Writer& out, std::string_view name, const std::vector<std::string>& texts) {
  out += name;
  out += '[';
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (i != 0) out += ',';
    append_string<Escapes::Json>(out, texts[i]);
  }
  out += ']';
}

void append_member(Writer& out, std::string_view name, std::int64_t value) {
  out += name;
  append_integer(out, value);
}

// A new member of DecisionFacts does not compile here until it is kept too.
void append_facts(Writer& out, const statement::DecisionFacts& facts) {
  const auto& [requester, reason_codes, matched_rule, required_approvals, distinct_approvers, required_scopes,
               destructive, context_source, approved_script] = facts;
  append_member(out, R"({"requester":)", requester);
  append_member(out, R"(,"reason_codes":)", reason_codes);
  append_member(out, R"(,"matched_rule":)", matched_rule);
  append_member(out, R"(,"required_approvals":)", required_approvals);
  out += distinct_approvers ? R"(,"distinct_approvers":true)" : R"(,"distinct_approvers":false)";
  append_member(out, R"(,"required_scopes":)", required_scopes);
  out += destructive ? R"(,"destructive":true)" : R"(,"destructive":false)";
  append_member(out, R"(,"context_source":)", context_source);
  append_member(out, R"(,"approved_script":)", approved_script);
  out += '}';
}

void append_decision(Writer& out, const Decision& decision) {
  out += kDecisionStart;
  append_member(out, R"("intent_digest":)", decision.intent_digest);
  append_member(out, R"(,"policy_digest":)", decision.policy_digest);
  append_member(out, R"(,"trace_digest":)", decision.trace_digest);
  append_member(out, R"(,"verdict":)", name_of(decision.verdict));
  out += R"(,"facts":)";
  append_facts(out, decision.facts);
  out += '}';
}

void append_redeemed(Writer& out, const std::vector<Redemption>& redeem) {
  out += R"("redeemed":[)";
  for (std::size_t i = 0; i < redeem.size(); ++i) {
    if (i != 0) out += ',';
    append_member(out, R"({"token_digest":)", redeem[i].token_digest);
    append_member(out, R"(,"token_id":)", redeem[i].token_id);
    out += '}';
  }
  out += ']';
}

void append_minted(Writer& out, const MintedToken& token) {
  append_member(out, R"("minted":{"intent_digest":)", token.intent_digest);
  append_member(out, R"(,"policy_digest":)", token.policy_digest);
  append_member(out, R"(,"token_digest":)", token.token_digest);
  append_member(out, R"(,"token_id":)", token.token_id);
  append_member(out, R"(,"approver_key":)", token.approver_key);
  append_member(out, R"(,"created_at":)", token.created_at.rfc3339());
  append_member(out, R"(,"expires_at":)", token.expires_at.rfc3339());
  if (!token.proven_by.empty()) append_member(out, R"(,"proven_by":)", token.proven_by);
  out += '}';
}

Error damaged(const char* what) {
  return Error{ErrorCode::Invalid, std::string("a stored ") + what + " is not one that the ledger writes"};
}

Result<std::vector<std::string>> texts_of(const Json* array) {
  if (array == nullptr || !array->is_array()) return damaged("list");
  std::vector<std::string> texts;
  for (const Json& element : array->as_array()) {
    if (!element.is_string()) return damaged("list");
    texts.push_back(element.as_string());
  }
  return texts;
}

Result<bool> bool_of(const Json* value) {
  if (value == nullptr || !value->is_bool()) return damaged("flag");
  return value->as_bool();
}

Result<statement::DecisionFacts> facts_of(const Json* json) {
  if (json == nullptr || !json->is_object()) return damaged("decision");
  statement::DecisionFacts facts;
  facts.requester = json->text("requester");
  ASSIGN_OR_RETURN(facts.reason_codes, texts_of(json->find("reason_codes")));
  facts.matched_rule = json->text("matched_rule");
  const Json* required = json->find("required_approvals");
  if (required == nullptr || !required->is_integer()) return damaged("decision");
  facts.required_approvals = required->as_integer();
  ASSIGN_OR_RETURN(facts.distinct_approvers, bool_of(json->find("distinct_approvers")));
  ASSIGN_OR_RETURN(facts.required_scopes, texts_of(json->find("required_scopes")));
  ASSIGN_OR_RETURN(facts.destructive, bool_of(json->find("destructive")));
  facts.context_source = json->text("context_source");
  facts.approved_script = json->text("approved_script");
  return facts;
}

// Reads what we wrote: no bound but the memory it already takes.
Result<Json> stored_json(std::string_view text) {
  return Json::parse(text, Json::Limits{.bytes = text.size() + 1});
}

}  // namespace

std::optional<Digest> decided_intent(std::string_view effects) {
  if (!effects.starts_with(kDecisionMember)) return std::nullopt;
  const Result<Digest> intent = Digest::parse(effects.substr(kDecisionMember.size(), 2 * Digest::kSize));
  return intent ? std::optional(*intent) : std::nullopt;
}

Result<std::string> effects_of(const Item& item) {
  std::string text;
  if (!item.decision && item.redeem.empty() && !item.execute_trace && !item.minted) return text;
  {
    Writer out(text, kUsualEffects);
    char separator = '{';
    const auto begin_member = [&out, &separator] { out += std::exchange(separator, ','); };
    if (item.decision) {
      append_decision(out, *item.decision);
      separator = ',';
    }
    if (!item.redeem.empty()) {
      begin_member();
      append_redeemed(out, item.redeem);
    }
    if (item.execute_trace) {
      begin_member();
      append_member(out, R"("executed":)", *item.execute_trace);
    }
    if (item.minted) {
      begin_member();
      append_minted(out, *item.minted);
    }
    out += '}';
  }
  if (!is_utf8(text)) return Error{ErrorCode::Invalid, "a decision of a ledger record is not UTF-8"};
  return text;
}

Result<std::string> leaf_of(const Record& record, const Digest& content_digest, std::uint64_t index,
                            std::string_view effects) {
  std::string text;
  {
    Writer out(text, kUsualLeaf);
    append_member(out, R"({"at":)", record.at.rfc3339());
    append_member(out, R"(,"body_digest":)", record.body_digest);
    append_member(out, R"(,"content_digest":)", content_digest);
    if (!effects.empty()) append_member(out, R"(,"effects_digest":)", sha256(effects));
    append_member(out, R"(,"index":)", static_cast<std::int64_t>(index));
    append_member(out, R"(,"kid":)", record.kid);
    append_member(out, R"(,"kind":)", record.kind);
    append_member(out, R"(,"peer_uid":)", std::int64_t{record.peer_uid});
    append_member(out, R"(,"request_digest":)", sha256(record.request_id));
    append_member(out, R"(,"role":)", record.role);
    append_member(out, R"(,"signature_digest":)", record.signature_digest);
    append_member(out, R"(,"type":)", record.type);
    out += '}';
  }
  if (!is_utf8(text) || !is_utf8(record.request_id))
    return Error{ErrorCode::Invalid, "a member of a ledger record is not UTF-8"};
  return text;
}

Result<std::optional<Decision>> decision_of(std::string_view effects) {
  if (effects.empty()) return std::optional<Decision>();
  ASSIGN_OR_RETURN(const Json json, stored_json(effects));
  const Json* member = json.find("decision");
  if (member == nullptr) return std::optional<Decision>();
  Decision decision;
  ASSIGN_OR_RETURN(decision.intent_digest, Digest::parse(member->text("intent_digest")));
  ASSIGN_OR_RETURN(decision.policy_digest, Digest::parse(member->text("policy_digest")));
  ASSIGN_OR_RETURN(decision.trace_digest, Digest::parse(member->text("trace_digest")));
  const std::optional<statement::Verdict> verdict = statement::verdict_named(member->text("verdict"));
  if (!verdict) return damaged("verdict");
  decision.verdict = *verdict;
  ASSIGN_OR_RETURN(decision.facts, facts_of(member->find("facts")));
  return std::optional<Decision>(std::move(decision));
}

Result<std::optional<MintedToken>> minted_of(std::string_view effects) {
  if (effects.empty()) return std::optional<MintedToken>();
  ASSIGN_OR_RETURN(const Json json, stored_json(effects));
  const Json* member = json.find("minted");
  if (member == nullptr) return std::optional<MintedToken>();
  MintedToken token;
  token.token_id = member->text("token_id");
  token.approver_key = member->text("approver_key");
  token.proven_by = member->text("proven_by");
  ASSIGN_OR_RETURN(token.token_digest, Digest::parse(member->text("token_digest")));
  ASSIGN_OR_RETURN(token.intent_digest, Digest::parse(member->text("intent_digest")));
  ASSIGN_OR_RETURN(token.policy_digest, Digest::parse(member->text("policy_digest")));
  ASSIGN_OR_RETURN(token.created_at, UtcTime::parse(member->text("created_at")));
  ASSIGN_OR_RETURN(token.expires_at, UtcTime::parse(member->text("expires_at")));
  return std::optional<MintedToken>(std::move(token));
}

Result<SingleUses> single_uses_of(std::string_view effects) {
  SingleUses uses;
  // Most effects are decisions alone; a quote inside a string is escaped, so these names stand only where we wrote
  // them.
  const bool redeems = effects.find(R"("redeemed":[)") != std::string_view::npos;
  const bool executes = effects.find(R"("executed":")") != std::string_view::npos;
  if (!redeems && !executes) return uses;
  ASSIGN_OR_RETURN(const Json json, stored_json(effects));
  if (redeems) {
    const Json* redeemed = json.find("redeemed");
    if (redeemed == nullptr || !redeemed->is_array()) return damaged("redemption");
    for (const Json& element : redeemed->as_array()) {
      ASSIGN_OR_RETURN(const Digest digest, Digest::parse(element.text("token_digest")));
      uses.redeemed.push_back({std::string(element.text("token_id")), digest});
    }
  }
  if (executes) {
    ASSIGN_OR_RETURN(uses.executed, Digest::parse(json.text("executed")));
  }
  return uses;
}

}  // namespace countersign::ledger
