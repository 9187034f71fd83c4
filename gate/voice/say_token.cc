#include "gate/voice/say_token.h"

#include "common/text.h"
#include "signer/statement/statement.h"

namespace countersign::gate {
namespace {

struct Objection {
  std::string_view code;
  std::string_view text;
};

constexpr std::string_view kUnsigned = "say_token_signature_invalid";

// gait says in few words what is wrong with an envelope.
Objection unverified(const Error& error, const Json& token) {
  if (error.code == ErrorCode::Invalid) return {"say_token_invalid", ""};
  const Json* envelope = token.find("signature");
  if (envelope == nullptr || envelope->is_null()) return {"say_token_signature_missing", "signature missing"};
  if (error.reason == "unknown_key") return {kUnsigned, "key id mismatch"};
  if (error.reason == "signed_digest_mismatch") return {kUnsigned, "signed_digest mismatch"};
  return {kUnsigned, ""};
}

std::int64_t integer_of(const Json& token, std::string_view name) {
  const Json* member = token.find(name);
  return member == nullptr ? 0 : member->as_integer();
}

// On a token whose signature holds; no code where it counts.
Objection objection(const Json& token, const SayDemand& demand, UtcTime now) {
  struct Row {
    std::string_view member;
    std::string demanded;
    Objection differs;
  };
  const Row before[] = {
      {"intent_digest",
       lowered(trimmed(demand.intent_digest)),
       {"say_token_intent_mismatch", "intent digest mismatch"}},
      {"policy_digest",
       lowered(trimmed(demand.policy_digest)),
       {"say_token_policy_mismatch", "policy digest mismatch"}},
      {"call_id", std::string(trimmed(demand.call_id)), {"say_token_call_binding_mismatch", "call_id mismatch"}},
  };
  for (const Row& row : before) {
    if (!row.demanded.empty() && token.text(row.member) != row.demanded) return row.differs;
  }
  if (demand.turn_index >= 0 && integer_of(token, "turn_index") != demand.turn_index) {
    return {"say_token_call_binding_mismatch", "turn_index mismatch"};
  }
  if (demand.call_seq > 0 && integer_of(token, "call_seq") != demand.call_seq) {
    return {"say_token_call_binding_mismatch", "call_seq mismatch"};
  }
  const std::string commitment_class = lowered(trimmed(demand.commitment_class));
  if (!commitment_class.empty() && token.text("commitment_class") != commitment_class) {
    return {"say_token_class_mismatch", "commitment_class mismatch"};
  }
  const Result<UtcTime> expires_at = UtcTime::parse(token.text("expires_at"));
  if (!expires_at || now >= *expires_at) return {"say_token_expired", "token expired"};
  return {};
}

}  // namespace

JudgedSayToken judge_say_token(const Json& token, const SayDemand& demand, const keymgmt::KeySet& keys, UtcTime now) {
  const auto verified = statement::VerifiedDocument::verify(statement::StatementType::SayToken, token, keys);
  if (!verified) {
    const Objection found = unverified(verified.error(), token);
    return {std::string(found.code), std::string(found.text.empty() ? verified.error().detail : found.text), Json()};
  }
  const Objection found = objection(verified->document(), demand, now);
  return {std::string(found.code), std::string(found.text), verified->document()};
}

}  // namespace countersign::gate
