#include "gate/evidence/delegation.h"

#include <algorithm>
#include <tuple>

#include "common/text.h"
#include "gate/document/optional_members.h"
#include "signer/statement/statement.h"

namespace countersign::gate {
namespace {

constexpr std::string_view kWildcard = "*";
constexpr std::string_view kMissing = "delegation_token_missing";

// What can be said of a token, verified or not, for the audit.
DelegationEntry entry_of(const Json& token) {
  DelegationEntry entry;
  if (!token.is_object()) return entry;
  entry.token_id = trimmed(token.text("token_id"));
  entry.delegator_identity = trimmed(token.text("delegator_identity"));
  entry.delegate_identity = trimmed(token.text("delegate_identity"));
  entry.scope = text_set(texts_of(token.find("scope")), true);
  if (const Result<UtcTime> expires_at = UtcTime::parse(token.text("expires_at"))) entry.expires_at = *expires_at;
  return entry;
}

bool covers(const Json& token, const DelegationEntry& entry, const std::vector<std::string>& required,
            bool wildcard_counts) {
  if (required.empty()) return true;
  const auto has = [&entry, &token](std::string_view word) {
    return std::find(entry.scope.begin(), entry.scope.end(), word) != entry.scope.end() ||
           token.text("scope_class") == word;
  };
  return (wildcard_counts && has(kWildcard)) || std::any_of(required.begin(), required.end(), has);
}

struct Objection {
  std::string_view code;
  std::string_view text;
};

// On a token whose signature holds; no code where it counts.
Objection objection(const Json& token, const DelegationEntry& entry, const DelegationDemand& demand,
                    const DelegationRules& rules, UtcTime now) {
  const auto differs = [](std::string_view demanded, std::string_view given) {
    return !demanded.empty() && demanded != given;
  };
  const auto bound_elsewhere = [&token](std::string_view name, std::string_view demanded) {
    const std::string_view bound = token.text(name);
    return !bound.empty() && !demanded.empty() && bound != demanded;
  };
  if (now >= entry.expires_at) return {"delegation_token_expired", "token expired"};
  if (differs(demand.delegator_identity, entry.delegator_identity)) {
    return {"delegation_token_delegator_mismatch", "delegator mismatch"};
  }
  if (differs(demand.delegate_identity, entry.delegate_identity)) {
    return {"delegation_token_delegate_mismatch", "delegate mismatch"};
  }
  if (bound_elsewhere("intent_digest", demand.intent_digest)) {
    return {"delegation_token_intent_mismatch", "intent digest mismatch"};
  }
  if (bound_elsewhere("policy_digest", demand.policy_digest)) {
    return {"delegation_token_policy_mismatch", "policy digest mismatch"};
  }
  if (!covers(token, entry, demand.scope, rules.wildcard_counts)) {
    return {"delegation_token_scope_mismatch", "scope mismatch"};
  }
  return {};
}

// gait lets an envelope without key_id stand for any key and says in few words what is wrong with another.
Objection unverified(const Error& error, const Json& token) {
  if (error.code == ErrorCode::Invalid) return {"delegation_token_invalid", ""};
  const Json* envelope = token.find("signature");
  if (envelope == nullptr || envelope->is_null()) {
    return {"delegation_token_signature_missing", "missing signature"};
  }
  static constexpr std::string_view kCode = "delegation_token_signature_invalid";
  if (error.reason == "unknown_key") return {kCode, "key id mismatch"};
  if (error.reason == "signed_digest_mismatch") return {kCode, "signed_digest mismatch"};
  return {kCode, ""};
}

std::vector<DelegationLink> required_links(const Intent& intent) {
  const std::optional<Delegation>& delegation = intent.fields().delegation;
  if (!delegation) return {DelegationLink{}};
  if (!delegation->chain.empty()) return delegation->chain;
  DelegationLink link;
  link.delegate_identity = delegation->requester_identity;
  return {link};
}

DelegationDemand demand_of(const DelegationLink& link, const Intent& intent, const Digest& intent_digest,
                           const Digest& policy_digest) {
  DelegationDemand demand{
      link.delegator_identity, link.delegate_identity, {}, intent_digest.hex(), policy_digest.hex()};
  const std::optional<Delegation>& delegation = intent.fields().delegation;
  std::string scope_class = link.scope_class;
  if (scope_class.empty() && delegation) scope_class = delegation->scope_class;
  if (!scope_class.empty()) demand.scope.push_back(std::move(scope_class));
  return demand;
}

DelegationEntry missing(const DelegationLink& link) {
  DelegationEntry entry;
  entry.delegator_identity = link.delegator_identity;
  entry.delegate_identity = link.delegate_identity;
  entry.error_code = kMissing;
  return entry;
}

// Entries of one link that lack a token stand before those that have one.
bool audit_order(const DelegationEntry& a, const DelegationEntry& b) {
  return std::tie(a.delegator_identity, a.delegate_identity, a.token_id) <
         std::tie(b.delegator_identity, b.delegate_identity, b.token_id);
}

// The tokens handed out link by link.
class Allotment {
 public:
  Allotment(const std::vector<Json>& tokens, const DelegationRules& rules, UtcTime now)
      : tokens_(tokens), rules_(rules), now_(now), used_(tokens.size(), false) {}

  // Adds the entry of the token that counts for the link, or of its lack.
  bool fill(const DelegationLink& link, const DelegationDemand& demand, DelegationJudgement& out) {
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (used_[i]) continue;
      DelegationEntry entry = judge_delegation(tokens_[i], demand, rules_, now_).entry;
      if (!entry.valid) continue;
      used_[i] = true;
      ids_.push_back(entry.token_id);
      out.entries.push_back(std::move(entry));
      return true;
    }
    out.entries.push_back(missing(link));
    return false;
  }

  // What no link took: why, against the first link that got none.
  void add_rest(const DelegationDemand* unmatched, DelegationJudgement& out) const {
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (used_[i]) continue;
      DelegationEntry entry =
          judge_delegation(tokens_[i], unmatched != nullptr ? *unmatched : DelegationDemand{}, rules_, now_).entry;
      if (entry.valid) entry.error_code = "delegation_token_chain_mismatch";
      entry.valid = false;
      out.entries.push_back(std::move(entry));
    }
  }

  std::string joined_ids() {
    std::sort(ids_.begin(), ids_.end());
    std::string out;
    for (const std::string& id : ids_) out += (out.empty() ? "" : ",") + id;
    return out;
  }

 private:
  const std::vector<Json>& tokens_;
  const DelegationRules& rules_;
  UtcTime now_;
  std::vector<bool> used_;
  std::vector<std::string> ids_;
};

}  // namespace

Json DelegationEntry::json() const {
  Json out{Json::Object{}};
  put(out, "token_id", token_id);
  put(out, "delegator_identity", delegator_identity);
  put(out, "delegate_identity", delegate_identity);
  put(out, "scope", scope);
  out.set("expires_at", Json(expires_at.rfc3339()));
  out.set("valid", Json(valid));
  put(out, "error_code", error_code);
  return out;
}

JudgedDelegation judge_delegation(const Json& token, const DelegationDemand& demand, const DelegationRules& rules,
                                  UtcTime now) {
  JudgedDelegation out;
  const auto verified =
      statement::VerifiedDocument::verify(statement::StatementType::DelegationToken, token, rules.keys);
  Objection found;
  if (verified) {
    out.document = verified->document();
    out.entry = entry_of(out.document);
    found = objection(out.document, out.entry, demand, rules, now);
  } else {
    out.entry = entry_of(token);
    found = unverified(verified.error(), token);
    out.text = verified.error().detail;
  }
  if (!found.text.empty()) out.text = found.text;
  out.entry.error_code = found.code;
  out.entry.valid = found.code.empty();
  return out;
}

DelegationJudgement judge_delegations(const std::vector<Json>& tokens, const Intent& intent,
                                      const Digest& intent_digest, const Digest& policy_digest,
                                      const DelegationRules& rules, UtcTime now) {
  DelegationJudgement out;
  if (tokens.empty()) {
    out.reason_codes = {std::string(kMissing)};
    return out;
  }
  Allotment allotment(tokens, rules, now);
  std::optional<DelegationDemand> unmatched;
  for (const DelegationLink& link : required_links(intent)) {
    DelegationDemand demand = demand_of(link, intent, intent_digest, policy_digest);
    if (allotment.fill(link, demand, out)) {
      ++out.valid;
    } else if (!unmatched) {
      unmatched = std::move(demand);
    }
  }
  allotment.add_rest(unmatched ? &*unmatched : nullptr, out);
  out.complete = !unmatched;
  for (const DelegationEntry& entry : out.entries) {
    if (!entry.valid) out.reason_codes.push_back(entry.error_code);
  }
  out.reason_codes.emplace_back(out.complete ? "delegation_granted" : "delegation_chain_insufficient");
  if (out.complete) out.delegation_ref = allotment.joined_ids();
  std::sort(out.entries.begin(), out.entries.end(), audit_order);
  out.reason_codes = text_set(out.reason_codes, false);
  return out;
}

std::string delegation_token_id(const Json& token) {
  std::string scope;
  for (const std::string& word : texts_of(token.find("scope"))) scope += (scope.empty() ? "" : ",") + word;
  std::string text;
  for (const std::string_view part :
       {token.text("delegator_identity"), token.text("delegate_identity"), std::string_view(scope),
        token.text("scope_class"), token.text("intent_digest"), token.text("policy_digest")}) {
    text += std::string(part) + ":";
  }
  std::string id = sha256(text + std::string(token.text("expires_at"))).hex();
  id.resize(24);
  return id;
}

}  // namespace countersign::gate
