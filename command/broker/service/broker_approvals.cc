// How people's approvals of a request come together, and what they open.
#include <algorithm>

#include "command/broker/service/broker_service.h"
#include "command/broker/service/counted_approvals.h"
#include "common/text.h"
#include "gate/broker/decision_policy.h"

namespace countersign::command {
namespace {

using broker::AuditEvent;
using broker::GrantMode;
using broker::RequestStatus;
using broker::Standing;
using broker::ToolRequest;

// "--once", "--uses N", "--until T" as the body has them, within the configured bounds.
struct Wanted {
  GrantMode mode = GrantMode::Once;
  std::string reason;  // of break-glass
  std::int64_t uses = 0;
  std::optional<UtcTime> until;
};

Result<Wanted> wanted_in(JsonFields& fields, const broker::BrokerConfig& config, UtcTime now) {
  Wanted wanted;
  wanted.mode = config.approve_default;
  if (const Json* mode = fields.take("mode")) {
    const auto known = mode->is_string() ? broker::grant_mode_named(mode->as_string()) : std::nullopt;
    if (!known) return fields.wrong("mode", "is none of allowlist, once, uses and until");
    wanted.mode = *known;
  }
  if (wanted.mode == GrantMode::Uses) {
    ASSIGN_OR_RETURN(wanted.uses, fields.integer("uses", 1, 10'000));
  }
  if (wanted.mode == GrantMode::BreakGlass) {
    if (config.break_glass == std::chrono::nanoseconds(0)) {
      return Error{ErrorCode::Refused, "there is no break-glass at this broker", "break_glass_off",
                   "approvals.break_glass of broker.yaml offers it"};
    }
    ASSIGN_OR_RETURN(wanted.reason, reason_in(fields, true));
  }
  if (wanted.mode == GrantMode::Until) {
    ASSIGN_OR_RETURN(const std::string text, fields.text("until"));
    ASSIGN_OR_RETURN(wanted.until, UtcTime::parse(text));
    if (*wanted.until <= now || *wanted.until > now + config.grant_ttl) {
      return fields.wrong("until", "must lie ahead, at most approvals.grant_ttl");
    }
  }
  return wanted;
}

}  // namespace

namespace {

// Under which people are asked. In an emergency two suffice, and it takes two.
std::string policy_of(const ToolRequest& request, GrantMode mode) {
  return mode == GrantMode::BreakGlass ? broker::asking_policy(request.tool, broker::kBreakGlassPeople)
                                       : request.policy;
}

}  // namespace

struct BrokerService::Case {
  ToolRequest request;  // as it was, with what the earlier approvals of it chose
  Wanted wanted;
  CalledTool approved;  // what the approval is of: the call, or a grant

  bool is_emergency() const { return wanted.mode == GrantMode::BreakGlass; }
  std::string policy() const { return policy_of(request, wanted.mode); }
  int required() const { return is_emergency() ? broker::kBreakGlassPeople : request.required; }
};

// What an approval of the request is of, as the request's mode has it.
CalledTool BrokerService::approved_of(const ToolRequest& request) const {
  CalledTool approved = called_of(request);
  if (!request.mode || *request.mode == GrantMode::Once) return approved;
  approved.grant = Json::object({{"mode", name_of(*request.mode)}, {"request_id", request.id}});
  if (*request.mode == GrantMode::Uses) approved.grant.set("uses", request.uses);
  if (request.until) approved.grant.set("until", request.until->rfc3339());
  if (*request.mode == GrantMode::BreakGlass) approved.grant.set("for", duration_text(config_.break_glass));
  return approved;
}

// Whether the tool is still defined as it was when the agent asked; of a tool that nobody offered, whether it has none.
bool BrokerService::is_same_tool(const ToolRequest& request) const {
  std::optional<broker::Definition> pinned = store_.definition(request.tool);
  // A resource that a template covers has the template's.
  if (!pinned) pinned = store_.definition_of_digest(request.definition_digest);
  return pinned ? pinned->digest == request.definition_digest : request.definition_digest.empty();
}

// Earlier approvals whose time is over: they would stand in the way of those that count, and of their own people, who
// approve again. Without any, what they chose is open again.
Status BrokerService::forget_what_does_not_count(ToolRequest& request, client::SignerClient& signer) {
  if (request.tokens.empty() || !request.mode) return ok();
  const Json intent = approved_of(request).intent();
  std::vector<Json> counted;
  for (const Json& token : request.tokens) {
    ASSIGN_OR_RETURN(const Json said, judged(intent, policy_of(request, *request.mode), {token}, true, signer));
    if (valid_approvals(said) > 0) counted.push_back(token);
  }
  request.tokens = std::move(counted);
  if (!request.tokens.empty()) return ok();
  request.mode.reset();
  request.uses = 0;
  request.until.reset();
  request.reason.clear();
  return ok();
}

Result<BrokerService::Case> BrokerService::open_case(const BrokerCaller& caller, const std::string& id,
                                                     const Json& body, client::SignerClient& signer) {
  RETURN_IF_ERROR(require_person(caller));
  ASSIGN_OR_RETURN(ToolRequest request, store_.request(id));
  if (request.status != RequestStatus::Pending || is_expired(request)) {
    return Error{ErrorCode::Conflict,
                 "request " + id + " does not wait: it is " +
                     std::string(is_expired(request) ? "expired" : name_of(request.status)),
                 "request_closed", "the agent has to call again"};
  }
  // Whoever is given the name later has not asked.
  if (!config_.agents.contains(request.agent)) {
    return Error{ErrorCode::Refused, "broker.yaml has no agent " + request.agent + " any more", "unknown_agent",
                 "countersign broker reject ends the request"};
  }
  JsonFields fields(body, "");
  fields.take("token");
  ASSIGN_OR_RETURN(const Wanted wanted, wanted_in(fields, config_, clock_.now()));
  RETURN_IF_ERROR(fields.finish());
  const CalledTool called = called_of(request);
  if (wanted.mode != GrantMode::BreakGlass) {
    ASSIGN_OR_RETURN(const bool stands, is_still_asked(request, called, signer));
    if (!stands) {
      return Error{ErrorCode::Conflict, "request " + id + " was asked under another policy than the one of now",
                   "policy_changed", "the agent has to call again; that ends this request"};
    }
  }
  if (!is_same_tool(request)) {
    return Error{ErrorCode::Conflict, "the tool is defined otherwise than when request " + id + " was asked",
                 "tool_changed", "the agent has to call again; that ends this request"};
  }
  if (called.listing.standing == Standing::Denied) {
    return Error{ErrorCode::Refused, "the tool is denied to this agent: " + called.listing.rule, "tool_denied",
                 "an approval would change nothing; the configuration has to"};
  }
  RETURN_IF_ERROR(forget_what_does_not_count(request, signer));
  if (request.mode && (*request.mode != wanted.mode || request.uses != wanted.uses || request.until != wanted.until)) {
    return Error{ErrorCode::Conflict,
                 "the approver before chose another kind of approval: " + std::string(name_of(*request.mode)),
                 "mode_differs", "all approvers of a request approve the same"};
  }
  ToolRequest chosen = request;
  chosen.mode = wanted.mode;
  chosen.uses = wanted.uses;
  chosen.until = wanted.until;
  return Case{std::move(request), wanted, approved_of(chosen)};
}

Result<Json> BrokerService::prepare(const BrokerCaller& caller, const std::string& id, const Json& body,
                                    client::SignerClient& signer) {
  ASSIGN_OR_RETURN(const Case open, open_case(caller, id, body, signer));
  // Signed and recorded: the signer mints approvals only of what it knows to wait for one.
  ASSIGN_OR_RETURN(const Json said, judged(open.approved.intent(), open.policy(), {}, false, signer));
  if (said.text("verdict") != "require_approval") {
    return Error{ErrorCode::Refused, "the gate's verdict is " + std::string(said.text("verdict")), "nothing_to_approve",
                 "countersign broker explain --tool-id " + open.request.tool};
  }
  ASSIGN_OR_RETURN(Json request, this->request(caller, id));
  return Json::object({{"intent_digest", said.text("intent_digest")},
                       {"policy_digest", said.text("policy_digest")},
                       {"mode", name_of(open.wanted.mode)},
                       {"request", std::move(request)}});
}

// Redeems the approvals: the id of the signed allow's trace.
Result<std::string> BrokerService::redeem(const Json& intent, const std::string& policy,
                                          const std::vector<Json>& tokens, client::SignerClient& signer) {
  ASSIGN_OR_RETURN(const Json decision, judged(intent, policy, tokens, false, signer));
  const Json* trace = decision.find("trace");
  if (decision.text("verdict") == "allow" && trace != nullptr) return std::string(trace->text("trace_id"));
  return Error{ErrorCode::Refused, "the signer does not count the approvals any more", "approval_not_counted",
               "approve again: countersign broker approve"};
}

// What one approval does not count for any more although its time is not over (it was taken back, or spent before a
// crash) the request cannot get rid of: it ends, and the next call asks anew.
Result<std::string> BrokerService::redeem_or_end(const Case& open, client::SignerClient& signer) {
  Result<std::string> trace = redeem(open.approved.intent(), open.policy(), open.request.tokens, signer);
  if (trace || trace.error().reason != "approval_not_counted") return trace;
  RETURN_IF_ERROR(end_request(open.request, "the signer does not count its approvals any more"));
  Error error = std::move(trace).error();
  error.hint = "the agent has to call again: the request has ended";
  return error;
}

// Enough people agreed: what they agreed to becomes an entry, a grant, or waits for the call.
Result<Json> BrokerService::settle(const Case& open, client::SignerClient& signer) {
  ToolRequest request = open.request;
  const CalledTool called = called_of(request);
  Json answer = Json::object({{"status", "approved"}, {"request_id", request.id}, {"mode", name_of(*request.mode)}});
  AuditEvent event = event_of(open.is_emergency() ? "break_glass_opened" : "approved", called);
  event.members.emplace_back("request_id", request.id);
  event.members.emplace_back("mode", name_of(*request.mode));
  event.members.emplace_back("approvers", Json::array(broker::approvers_of(request.tokens)));
  if (*request.mode == GrantMode::Once) {
    request.status = RequestStatus::Approved;
    RETURN_IF_ERROR(store_.update(request, std::move(event)));
    return answer;
  }
  // Redeemed here: the entry or grant stands in for the approvals from now on. One at a time: two sets of approvals
  // that have one in common would each spend it, and the one that is refused would end what the other opened.
  const std::lock_guard one_at_a_time(settling_mutex_);
  ASSIGN_OR_RETURN(const ToolRequest now, store_.request(request.id));
  if (now.stored != request.stored) {
    return Error{ErrorCode::Conflict, "request " + request.id + " was changed by somebody else meanwhile",
                 "request_changed", "look at it again: countersign broker pending"};
  }
  ASSIGN_OR_RETURN(const std::string trace, redeem_or_end(open, signer));
  event.members.emplace_back("trace_id", trace);
  request.status = RequestStatus::Used;
  request.decided_at = clock_.now();
  if (*request.mode == GrantMode::Allowlist) {
    RETURN_IF_ERROR(store_.allow(request, std::move(event)));
    return answer;
  }
  broker::Grant grant;
  grant.id = to_hex(random_bytes(8));
  grant.request = request.id;
  grant.agent = request.agent;
  grant.tool = request.tool;
  if (!open.is_emergency()) grant.args_digest = request.args_digest;
  grant.definition_digest = request.definition_digest;
  grant.policy_digest = operators_policy();
  if (*request.mode == GrantMode::Uses) grant.uses_left = request.uses;
  grant.expires_at =
      request.until.value_or(clock_.now() + (open.is_emergency() ? config_.break_glass : config_.grant_ttl));
  if (open.is_emergency()) {
    event.members.emplace_back("reason", request.reason);
    event.members.emplace_back("expires_at", grant.expires_at.rfc3339());
  }
  event.members.emplace_back("grant_id", grant.id);
  RETURN_IF_ERROR(store_.add(grant, request, std::move(event)));
  answer.set("grant_id", grant.id);
  answer.set("expires_at", grant.expires_at.rfc3339());
  return answer;
}

Result<Json> BrokerService::approve(const BrokerCaller& caller, const std::string& id, const Json& body,
                                    client::SignerClient& signer) {
  // Two people at the same moment: the second one's approval is added to the first one's.
  constexpr int kTries = 16;
  for (int left = kTries;; --left) {
    Result<Json> answer = approve_as_read(caller, id, body, signer);
    if (answer || left == 0 || answer.error().reason != "request_changed") return answer;
  }
}

Result<Json> BrokerService::approve_as_read(const BrokerCaller& caller, const std::string& id, const Json& body,
                                            client::SignerClient& signer) {
  ASSIGN_OR_RETURN(Case open, open_case(caller, id, body, signer));
  ToolRequest& request = open.request;
  const Wanted& wanted = open.wanted;
  const CalledTool& called = open.approved;
  JsonFields fields(body, "");
  ASSIGN_OR_RETURN(const Json* token, fields.required("token"));
  if (has_approved(request.tokens, *token)) {
    return Error{ErrorCode::Refused, std::string(token->text("approver_identity")) + " approved this request already",
                 "approval_not_counted", "another person has to"};
  }
  const auto before = static_cast<std::int64_t>(request.tokens.size());
  request.tokens.push_back(*token);
  ASSIGN_OR_RETURN(const Json said, judged(called.intent(), open.policy(), request.tokens, true, signer));
  const bool enough = said.text("verdict") == "allow";
  if (!enough && valid_approvals(said) <= before) {
    const Json* reasons = said.find("reason_codes");
    return Error{ErrorCode::Refused, "the approval does not count: " + (reasons == nullptr ? "" : reasons->compact()),
                 "approval_not_counted", "it must be for this request, by somebody who has not approved it yet"};
  }
  request.mode = wanted.mode;
  request.uses = wanted.uses;
  request.until = wanted.until;
  if (open.is_emergency()) request.reason += (request.reason.empty() ? "" : "; ") + wanted.reason;
  if (enough) return settle(open, signer);
  AuditEvent event = event_of("approval_added", called);
  event.members.emplace_back("request_id", id);
  event.members.emplace_back("approvers", Json::array(broker::approvers_of(request.tokens)));
  RETURN_IF_ERROR(store_.update(request, std::move(event)));
  return Json::object({{"status", "pending"},
                       {"request_id", id},
                       {"approvals", valid_approvals(said)},
                       {"required_approvals", open.required()}});
}

}  // namespace countersign::command
