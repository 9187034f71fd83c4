#include "signer/daemon/execution.h"

#include "common/json_fields.h"

namespace countersign::daemon {

Error not_an_allow() {
  return Error{ErrorCode::Refused, "the trace permits nothing: its verdict is no allow", "not_an_allow"};
}

Status permit_in_time(UtcTime allowed_at, UtcTime now, const config::Config& config, const ledger::Store& store) {
  const std::chrono::nanoseconds lasts = config.approvals.execute_within;
  if (now - allowed_at > lasts) {
    return Error{ErrorCode::Refused, "the permit is older than " + duration_text(lasts) + ", approvals.execute_within",
                 "permit_expired", "Evaluate the intent again."};
  }
  if (allowed_at > now + config.limits.clock_step) {
    return Error{ErrorCode::Refused, "the permit is from the future", "permit_future"};
  }
  return store.usable(allowed_at);
}

ledger::Item executed_item(const Digest& trace, const Caller& caller, UtcTime at) {
  ledger::Item item;
  item.record.kind = "executed";
  item.record.at = at;
  item.record.type = std::string(statement::row_of(statement::StatementType::Trace).name);
  item.record.peer_uid = caller.uid;
  item.record.request_id = caller.request_id;
  item.record.body = Json::object({{"trace", trace.hex()}}).compact();
  item.record.body_digest = sha256(item.record.body);
  item.execute_trace = trace;
  return item;
}

Result<Digest> Execution::checked(const Json& body) const {
  JsonFields fields(body, "");
  ASSIGN_OR_RETURN(const Json* trace, fields.required("trace"));
  RETURN_IF_ERROR(fields.finish());
  ASSIGN_OR_RETURN(const auto verified,
                   statement::VerifiedDocument::verify(statement::StatementType::Trace, *trace, keys_.set()));
  if (verified.document().text("verdict") != statement::name_of(statement::Verdict::Allow)) {
    return not_an_allow();
  }
  ASSIGN_OR_RETURN(const Digest intent, Digest::parse(verified.document().text("intent_digest")));
  ASSIGN_OR_RETURN(const std::optional<std::uint64_t> index, store_.index_of_trace(intent, verified.signed_digest()));
  if (!index) return Error{ErrorCode::Refused, "the trace is not recorded in this ledger", "trace_unknown"};
  RETURN_IF_ERROR(permit_in_time(verified.signed_at(), clock_.now(), config_, store_));
  return verified.signed_digest();
}

void Execution::mark(const Json& body, const Caller& caller, Done done) {
  if (const Status time = guard_.check(); !time) return done(time.error());
  const Result<Digest> trace = checked(body);
  if (!trace) return done(trace.error());
  recorder_.record(executed_item(*trace, caller, clock_.now()), [this, caller, done = std::move(done)](
                                                                    const Result<ledger::Committed>& outcome) {
    if (outcome) return done(Json::object({{"executed", true}, {"log_index", outcome->log_index}}));
    if (outcome.error().reason == "already_executed") {
      refusals_.note(Refusal{outcome.error(), {}, config::Event::TokenReplayed}, caller, "executed", "");
    }
    done(outcome.error());
  });
}

}  // namespace countersign::daemon
