#include "signer/daemon/approval_revocation.h"

#include "common/json_fields.h"
#include "common/text.h"
#include "signer/daemon/refusal_log.h"

namespace countersign::daemon {
namespace {

constexpr std::size_t kLongestReason = 500;

Error used_before(const std::string& kind) {
  if (kind == ledger::kRevokedKind) {
    return Error{ErrorCode::Conflict, "the approval was revoked before", "approval_token_revoked"};
  }
  return Error{ErrorCode::Conflict, "the approval was redeemed: what it permitted may have run",
               "approval_token_consumed", "countersign guard pack --run ID collects what became of it."};
}

}  // namespace

Result<ledger::Item> ApprovalRevocation::item_of(const Json& body, const Caller& caller) const {
  JsonFields fields(body, "");
  ASSIGN_OR_RETURN(const std::string id, fields.text("token_id"));
  ASSIGN_OR_RETURN(const std::string reason, fields.text("reason"));
  RETURN_IF_ERROR(fields.finish());
  if (trimmed(reason).empty()) return fields.wrong("reason", "is empty: say why the approval is taken back");
  if (reason.size() > kLongestReason) {
    return fields.wrong("reason", "has more than " + std::to_string(kLongestReason) + " bytes");
  }
  ASSIGN_OR_RETURN(const std::optional<ledger::MintedToken> token, store_.minted_with_id(id));
  if (!token) {
    return Error{ErrorCode::NotFound, "this signer minted no approval of that token_id", "token_unknown",
                 "The token file has it; countersign approve inspect FILE shows it."};
  }
  ASSIGN_OR_RETURN(const std::optional<std::string> used_by, store_.used_by(id));
  if (used_by) return used_before(*used_by);
  ledger::Item item;
  item.record.kind = ledger::kRevokedKind;
  item.record.at = clock_.now();
  item.record.type = std::string(statement::row_of(statement::StatementType::ApprovalToken).name);
  item.record.peer_uid = caller.uid;
  item.record.request_id = caller.request_id;
  const Json details = Json::object({{"token_id", id},
                                     {"token_digest", token->token_digest.hex()},
                                     {"approver_identity", token->approver_key},
                                     {"intent_digest", token->intent_digest.hex()},
                                     {"policy_digest", token->policy_digest.hex()},
                                     {"reason", reason}});
  item.record.body = details.compact();
  item.record.body_digest = sha256(item.record.body);
  item.redeem.push_back({id, token->token_digest});
  item.events.push_back(outbox_event(config::Event::TokenRevoked, caller, item.record.at, id, details));
  return item;
}

void ApprovalRevocation::revoke(const Json& body, const Caller& caller, Done done) {
  Result<ledger::Item> item = item_of(body, caller);
  if (!item) return done(item.error());
  Result<Json> answer = Json::parse(item->record.body);
  if (!answer) return done(answer.error());
  recorder_.record(*std::move(item), [this, answer = *std::move(answer),
                                      done = std::move(done)](const Result<ledger::Committed>& outcome) mutable {
    if (outcome) {
      answer.set("revoked", true);
      answer.set("log_index", outcome->log_index);
      return done(std::move(answer));
    }
    if (outcome.error().reason != "approval_token_consumed") return done(outcome.error());
    // Somebody was faster; what they did decides what is told.
    const auto used_by = store_.used_by(std::string(answer.text("token_id")));
    done(used_by && *used_by ? used_before(**used_by) : outcome.error());
  });
}

}  // namespace countersign::daemon
