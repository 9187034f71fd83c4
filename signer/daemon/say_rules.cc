#include "signer/daemon/say_rules.h"

#include "signer/daemon/execution.h"
#include "signer/statement/say_token_fields.h"

namespace countersign::daemon {
namespace {

Refusal refused(std::string reason, std::string detail, std::string hint) {
  return Refusal{Error{ErrorCode::Refused, std::move(detail), std::move(reason), std::move(hint)}, {}, {}};
}

Refusal other_words(std::string detail) {
  return refused("say_token_mismatch", std::move(detail), "Let `countersign voice token mint` ask for the token.");
}

// The arguments of a commitment that its say token repeats, under the same names.
constexpr std::string_view kRepeated[] = {"call_id",  "turn_index",      "call_seq",        "commitment_class",
                                          "currency", "quote_min_cents", "quote_max_cents", "refund_ceiling_cents"};

// Whether the recorded intent speaks what the token says. Absent is absent in both.
std::optional<Refusal> says_otherwise(const statement::SayTokenFields& token, const std::string& recorded) {
  const Result<Json> document = Json::parse(recorded);
  const Json* form = document ? document->find("digest_form") : nullptr;
  const Json* args = form == nullptr ? nullptr : form->find("args");
  if (args == nullptr || !args->is_object() ||
      form->text("tool_name") != "voice.commitment." + token.commitment_class) {
    return other_words("the intent that was allowed is no commitment of the class " + token.commitment_class);
  }
  Json said{Json::Object{}};
  statement::put_spoken(token, said);
  for (const std::string_view name : kRepeated) {
    const Json* spoken = said.find(name);
    const Json* decided = args->find(name);
    const bool same =
        spoken == nullptr || decided == nullptr ? spoken == decided : spoken->digest() == decided->digest();
    if (!same) return other_words(std::string(name) + ": is not what was allowed");
  }
  return std::nullopt;
}

}  // namespace

std::variant<Digest, Refusal> SayRules::judge(const statement::SayTokenFields& token, UtcTime now) const {
  const std::chrono::nanoseconds lasts = config_.approvals.execute_within;
  if (token.ttl > lasts) {
    return refused("ttl_over_limit", "a say token lives for at most " + duration_text(lasts),
                   "Ask for a shorter --ttl.");
  }
  const Result<std::optional<ledger::Decision>> latest =
      store_.latest_decision(token.intent_digest, token.policy_digest);
  if (!latest) return Refusal{latest.error()};
  const std::optional<ledger::Decision>& decision = *latest;
  if (!decision || decision->verdict != statement::Verdict::Allow) {
    return refused("no_allowed_decision", "the latest recorded decision on this intent and policy is no allow",
                   "Evaluate the commitment first (`countersign voice token mint`).");
  }
  if (const Status timely = permit_in_time(decision->at, now, config_, store_); !timely) return Refusal{timely.error()};
  const Result<std::optional<std::string>> recorded = store_.intent_document(token.intent_digest);
  if (!recorded) return Refusal{recorded.error()};
  if (!*recorded) return other_words("the intent that was allowed was not recorded");
  if (std::optional<Refusal> refusal = says_otherwise(token, **recorded)) return *std::move(refusal);
  return decision->trace_digest;
}

}  // namespace countersign::daemon
