// How the broker judges and runs a call.
#include "command/broker/service/broker_service.h"

#include <algorithm>

#include "command/broker/service/broker_permission.h"
#include "command/decision/decision_service.h"
#include "common/digest.h"
#include "gate/broker/action_class.h"
#include "gate/broker/decision_policy.h"
#include "gate/broker/masking.h"
#include "gate/broker/pattern.h"
#include "gate/call/tool_call.h"
#include "signer/transport/unix_socket.h"

namespace countersign::command {
namespace {

using broker::AuditEvent;
using broker::GrantMode;
using broker::RequestStatus;
using broker::Standing;
using broker::ToolRequest;

constexpr std::size_t kIdBytes = 8;  // 16 hex digits
constexpr std::size_t kLongestArguments = std::size_t{256} << 10;

std::string new_id() {
  return to_hex(random_bytes(kIdBytes));
}

std::string user_of(std::uint32_t uid) {
  return uid == transport::Peer::kNobody ? "whoever asks" : "uid " + std::to_string(uid);
}

Json approval_required(const ToolRequest& request, const std::string& socket) {
  return Json::object({{"error", "approval_required"},
                       {"request_id", request.id},
                       {"agent_id", request.agent},
                       {"tool_id", request.tool},
                       {"how_to_approve", broker::how_to_approve(request.id, socket)},
                       {"summary", request.summary()},
                       {"args_digest", request.args_digest},
                       {"expires_at", request.expires_at.rfc3339()}});
}

// What the gate is asked.
Json question_of(const Json& intent, const std::string& policy, const std::vector<Json>& tokens) {
  Json body = Json::object({{"intent", intent}, {"policy", policy}});
  if (!tokens.empty()) body.set("approval_tokens", Json::Array(tokens));
  return body;
}

}  // namespace

Status require_agent(const BrokerCaller& caller) {
  if (!caller.agent.empty()) return ok();
  return Error{ErrorCode::Refused, user_of(caller.uid) + " is no agent of this broker", "unknown_agent",
               "agents are configured by user or secret; one of several is chosen by --agent-id"};
}

Status require_known(const BrokerCaller& caller) {
  return caller.person ? ok() : require_agent(caller);
}

Json CalledTool::intent() const {
  Json what = Json::object({{"tool", tool}});
  if (!grant.is_null()) what.set("grant", grant);
  // Of an entry of the allow list any arguments are granted.
  const auto mode = grant.is_null() ? std::nullopt : broker::grant_mode_named(grant.text("mode"));
  if (!mode || !broker::is_of_any_arguments(*mode)) {
    what.set("arguments_json", args.canonical());
  }
  return Json::object(
      {{"tool_name", tool},
       {"args", std::move(what)},
       {"context", Json::object({{"identity", agent},
                                 {"workspace", grant.is_null() ? "broker" : "broker/grants"},
                                 {"risk_class", risk_class},
                                 {"auth_context", Json::object({{"tool_definition_sha256", definition_digest}})}})}});
}

Result<BrokerCaller> BrokerService::recognise(std::optional<std::uint32_t> known, std::string_view claimed,
                                              std::string_view secret) const {
  const std::uint32_t uid = known.value_or(transport::Peer::kNobody);
  const bool tries = config_.trial && (uid == 0 || uid == ::geteuid());
  BrokerCaller caller{uid, "", tries || (known && config_.people.contains(uid))};
  const std::optional<Digest> shown = secret.empty() ? std::nullopt : std::optional(sha256(view_of(secret)));
  std::vector<std::string> possible;
  for (const auto& [name, agent] : config_.agents) {
    if (agent.uid && *agent.uid != uid) continue;
    if (agent.secret && agent.secret != shown) continue;
    possible.push_back(name);
  }
  if (claimed.empty()) {
    if (possible.size() == 1) caller.agent = possible.front();
    return caller;
  }
  const bool is = std::ranges::find(possible, claimed) != possible.end();
  if (is) caller.agent = claimed;
  if (is || caller.person) return caller;  // a person may name an agent without being it
  return Error{ErrorCode::Refused, user_of(uid) + " is not the agent " + std::string(claimed).substr(0, 64),
               "agent_not_yours", "an agent is known by its user, or by its secret (--agent-secret FILE)"};
}

AuditEvent BrokerService::event_of(std::string name, const CalledTool& called) const {
  return {std::move(name),
          {{"agent_id", called.agent},
           {"tool_id", called.tool},
           {"action_class", called.action_class},
           {"args_digest", called.args_digest},
           {"definition_digest", called.definition_digest}}};
}

Status BrokerService::within_rate(const std::string& agent) {
  const std::lock_guard lock(rate_mutex_);
  const auto now = std::chrono::steady_clock::now();
  auto& recent = recent_[agent];
  while (!recent.empty() && now - recent.front() > std::chrono::minutes(1)) recent.pop_front();
  if (recent.size() < static_cast<std::size_t>(config_.limits.calls_per_minute)) {
    recent.push_back(now);
    return ok();
  }
  return Error{ErrorCode::OverLimit,
               "the agent " + agent + " made " + std::to_string(recent.size()) + " calls in a minute", "call_rate",
               "ask again later"};
}

Result<CalledTool> BrokerService::look_at(const BrokerCaller& caller, const std::string& tool, const Json& args) {
  RETURN_IF_ERROR(broker::check_tool_id(tool));
  if (!args.is_object()) return Error{ErrorCode::Invalid, "args is no JSON object", "bad_arguments"};
  RETURN_IF_ERROR(broker::check_arguments(tool, args));
  const std::string canonical = args.canonical();
  if (canonical.size() > kLongestArguments) {
    return Error{ErrorCode::TooLarge, "the arguments are longer than 256 KiB", "bad_arguments"};
  }
  CalledTool called;
  called.agent = caller.agent;
  called.tool = tool;
  called.args = args;
  called.args_digest = sha256(view_of(canonical)).hex();
  const broker::ActionClass action = broker::action_class_of_offer(tool);
  called.action_class = broker::name_of(action);
  called.risk_class = broker::risk_of(action);
  called.listing = listing_of(caller.agent, config_.lists_of(caller.agent), config_.everybodys, tool);
  return called;
}

Result<Json> BrokerService::denied(const CalledTool& called, const std::string& rule, const std::string& word) {
  AuditEvent event = event_of("call", called);
  event.members.emplace_back("outcome", word);
  event.members.emplace_back("rule", rule);
  RETURN_IF_ERROR(store_.record(std::move(event)));
  return Json::object({{"error", word}, {"tool_id", called.tool}, {"agent_id", called.agent}, {"rule", rule}});
}

Result<Json> BrokerService::judged(const Json& intent, const std::string& policy, const std::vector<Json>& tokens,
                                   bool check, client::SignerClient& signer) {
  Json body = question_of(intent, policy, tokens);
  if (check) body.set("check", true);
  return gate_.evaluate(body, 0, signer);
}

std::string BrokerService::operators_policy() const {
  if (config_.policy.empty()) return {};
  return std::string(gate_.policies().find("policies")->as_array().front().text("digest"));
}

// What stands already and needs no new request: one that waits, or one that was turned down a short while ago.
Result<std::optional<Json>> BrokerService::standing_answer(const CalledTool& called, client::SignerClient& signer) {
  const std::optional<ToolRequest> newest = store_.newest(called.agent, called.tool, called.args_digest);
  if (!newest) return std::optional<Json>();
  const bool same_tool = newest->definition_digest == called.definition_digest;
  if (newest->status == RequestStatus::Pending && !is_expired(*newest) && same_tool) {
    ASSIGN_OR_RETURN(const bool stands, is_still_asked(*newest, called, signer));
    if (stands) return std::optional(approval_required(*newest, config_.socket));
  }
  if (newest->status != RequestStatus::Rejected || !newest->decided_at) return std::optional<Json>();
  const UtcTime again = *newest->decided_at + config_.cooldown;
  if (clock_.now() >= again) return std::optional<Json>();
  return std::optional(Json::object({{"error", "rejected"},
                                     {"request_id", newest->id},
                                     {"agent_id", called.agent},
                                     {"tool_id", called.tool},
                                     {"reason", newest->reason},
                                     {"retry_after", again.rfc3339()}}));
}

// The policy under which people are asked: the operator's, where it asks for more than the lists do.
Result<std::string> BrokerService::asking(const CalledTool& called, client::SignerClient& signer) {
  const std::string generated = broker::asking_policy(called.tool, config_.approvals_for(called.tool));
  if (config_.policy.empty()) return generated;
  const std::string operators = operators_policy();
  ASSIGN_OR_RETURN(const Json said, judged(called.intent(), operators, {}, true, signer));
  return said.text("verdict") == "allow" ? generated : operators;
}

Result<bool> BrokerService::is_still_asked(const ToolRequest& request, const CalledTool& called,
                                           client::SignerClient& signer) {
  ASSIGN_OR_RETURN(const std::string policy, asking(called, signer));
  return request.policy == policy;
}

Result<Json> BrokerService::ask(const CalledTool& called, client::SignerClient& signer) {
  if (!config_.security.tool_approval_required) {
    return denied(called, "security_policy.tool_approval_required", "Tool not allowed for this agent");
  }
  ASSIGN_OR_RETURN(std::optional<Json> standing, standing_answer(called, signer));
  if (standing) return *std::move(standing);
  if (store_.open_requests(called.agent) >= config_.limits.pending_per_agent) {
    return Error{ErrorCode::OverLimit, "the agent " + called.agent + " has too many requests that wait",
                 "too_many_pending", "people look at them first: countersign broker pending"};
  }
  ASSIGN_OR_RETURN(const std::string policy, asking(called, signer));
  ASSIGN_OR_RETURN(const Json said, judged(called.intent(), policy, {}, false, signer));
  if (said.text("verdict") != "require_approval") return denied(called, "the gate's policy", "denied");
  ToolRequest request;
  request.id = new_id();
  request.agent = called.agent;
  request.tool = called.tool;
  request.args = called.args;
  request.args_digest = called.args_digest;
  request.definition_digest = called.definition_digest;
  request.action_class = called.action_class;
  request.intent_digest = said.text("intent_digest");
  request.policy_digest = said.text("policy_digest");
  request.policy = policy;
  request.rule = called.listing.rule;
  const Json* required = said.find("required_approvals");
  request.required = required != nullptr && required->is_integer() ? static_cast<int>(required->as_integer()) : 1;
  request.requested_at = clock_.now();
  request.expires_at = request.requested_at + config_.request_ttl;
  if (const auto older = store_.newest(called.agent, called.tool, called.args_digest);
      older && (older->status == RequestStatus::Pending || older->status == RequestStatus::Approved)) {
    const bool same_tool = older->definition_digest == called.definition_digest;
    // Opened by the same call at the same moment: both wait for one request.
    if (!is_expired(*older) && same_tool && older->policy == policy) return approval_required(*older, config_.socket);
    RETURN_IF_ERROR(end_request(*older, is_expired(*older) ? "its time is over"
                                        : !same_tool       ? "the tool is another one now"
                                                           : "the policy is another one now"));
  }
  AuditEvent event = event_of("request_opened", called);
  event.members.emplace_back("request_id", request.id);
  event.members.emplace_back("rule", request.rule);
  event.members.emplace_back("intent_digest", request.intent_digest);
  event.members.emplace_back("policy_digest", request.policy_digest);
  const Status added = store_.add(request, std::move(event));
  if (added) return approval_required(request, config_.socket);
  if (added.error().reason != "request_open") return added.error();
  // The same call asked at the same moment: both wait for one request.
  ASSIGN_OR_RETURN(standing, standing_answer(called, signer));
  return standing ? Result<Json>(*std::move(standing)) : Result<Json>(added.error());
}

// Before the server hears of a call it is on record (of one that a crash cut short the record is there, without an
// outcome), and the signer has marked its permit executed as it signed it.
struct BrokerService::Beginning {
  const Permission& permission;
  AuditEvent event;                // of the call; its rule, trace and request are in it
  std::optional<Status> recorded;  // "call_started"; not yet where a request's approvals are redeemed
};

// The gate's decision on a call that the lists, a person or a grant let through. Its record and the signer's are made
// side by side; but approvals may be turned down, and what asked for them waits then, so that its record comes after.
Result<Json> BrokerService::permitted(const CalledTool& called, Beginning& beginning, client::SignerClient& signer) {
  const Permission& permission = beginning.permission;
  const Spending spending{[&](const std::string& trace_id) {
    if (permission.request) return;
    AuditEvent started = beginning.event;
    started.event = "call_started";
    started.members.emplace_back("trace_id", trace_id);
    beginning.recorded = store_.record(std::move(started));
  }};
  const auto ask_gate = [&](const std::string& policy, const std::vector<Json>& tokens) {
    return gate_.evaluate_and_spend(question_of(called.intent(), policy, tokens), spending, signer);
  };
  const std::string allowing = broker::allowing_policy(called.tool, permission.policy_name);
  if (permission.request) return ask_gate(permission.request->policy, permission.request->tokens);
  ASSIGN_OR_RETURN(Json decision, ask_gate(config_.policy.empty() ? allowing : operators_policy(), {}));
  if (!permission.break_glass || decision.text("verdict") != "require_approval") return decision;
  return ask_gate(allowing, {});
}

// Of a call that is on record and did not run after all.
Status BrokerService::refused_permit(const Beginning& beginning) {
  if (!beginning.recorded || !*beginning.recorded) return ok();
  AuditEvent ended = beginning.event;
  ended.members.emplace_back("outcome", "permit_refused");
  return store_.record(std::move(ended));
}

Result<Json> BrokerService::run(const CalledTool& called, Beginning& beginning, const Json& decision) {
  const Json* trace = decision.find("trace");
  if (trace == nullptr) return Error{ErrorCode::Internal, "the gate allowed a call and gave no trace"};
  AuditEvent event = std::move(beginning.event);
  event.members.emplace_back("trace_id", trace->text("trace_id"));
  if (beginning.permission.request) {
    AuditEvent used = event;
    used.event = "request_used";
    beginning.recorded = use_request(*beginning.permission.request, std::move(used));
  }
  if (!beginning.recorded) return Error{ErrorCode::Internal, "a call was allowed and is not on record"};
  RETURN_IF_ERROR(*beginning.recorded);
  Result<Json> result = catalogue_.call(*called.offered, called.args);
  const bool failed = result && result->find("isError") != nullptr && *result->find("isError") == Json(true);
  event.members.emplace_back("outcome", !result ? result.error().reason : failed ? "tool_error" : "done");
  // It is on record as begun. What is not recorded nobody is shown; but it was made, and is not to be made again.
  if (const Status ended = store_.record_soon(std::move(event)); !ended) {
    result = Error{ErrorCode::Unavailable, "the call was made, and how it ended could not be recorded",
                   "outcome_unknown", "look whether it was done; and at the disk of broker.db"};
  }
  if (!result) {
    return Json::object({{"error", result.error().reason},
                         {"tool_id", called.tool},
                         {"message", result.error().detail},
                         {"hint", result.error().hint},
                         {"trace_id", trace->text("trace_id")}});
  }
  result->erase("_meta");  // what a server says of the decision is not the broker's word
  const bool cut = broker::mask_result(*result, static_cast<std::size_t>(config_.limits.result_bytes));
  Json out = Json::object({{"tool_id", called.tool},
                           {"server", broker::server_of(called.tool)},
                           {"result", *std::move(result)},
                           {"trace_id", trace->text("trace_id")},
                           {"trace", *trace}});
  if (cut) out.set("truncated", true);
  return out;
}

// Its approvals are redeemed: by this call, even where another of the same call has just found them spent.
Status BrokerService::use_request(ToolRequest used, AuditEvent event) {
  used.status = RequestStatus::Used;
  used.decided_at = clock_.now();
  Status done = store_.update(used, event);
  if (done || done.error().reason != "request_changed") return done;
  ASSIGN_OR_RETURN(const ToolRequest now, store_.request(used.id));
  if (now.status != RequestStatus::Expired) return done;  // a person took it back
  used.stored = now.stored;
  return store_.update(used, std::move(event));
}

// Approvals that do not count any more: too old, withdrawn, or spent by another call of the same.
Status BrokerService::end_request(ToolRequest over, const std::string& why) {
  over.status = RequestStatus::Expired;
  over.decided_at = clock_.now();
  const Status done = store_.update(over, {"request_expired", {{"request_id", over.id}, {"reason", why}}});
  if (!done && done.error().reason == "request_changed") return ok();
  return done;
}

Result<Json> BrokerService::call(const BrokerCaller& caller, const std::string& tool, const Json& args,
                                 client::SignerClient& signer) {
  RETURN_IF_ERROR(require_agent(caller));
  ASSIGN_OR_RETURN(CalledTool called, look_at(caller, tool, args));
  RETURN_IF_ERROR(within_rate(caller.agent));
  if (called.listing.standing == Standing::Denied) return denied(called, called.listing.rule, "denied");
  Result<std::optional<broker::Tool>> offered = catalogue_.find(tool, args);
  if (!offered && offered.error().code == ErrorCode::Refused) {
    return denied(called, offered.error().detail, offered.error().reason);
  }
  if (!offered) return offered.error();
  called.offered = *std::move(offered);
  if (called.offered) called.definition_digest = called.offered->digest;
  ASSIGN_OR_RETURN(const std::optional<Permission> permission, this->permission(called, Take::Yes, signer));
  if (!permission) return ask(called, signer);
  if (!called.offered) return denied(called, permission->rule, "tool_not_found");
  Beginning beginning{*permission, event_of("call", called), std::nullopt};
  beginning.event.members.emplace_back("rule", permission->rule);
  if (permission->request) beginning.event.members.emplace_back("request_id", permission->request->id);
  const Result<Json> decision = permitted(called, beginning, signer);
  const std::string_view verdict = decision ? decision->text("verdict") : std::string_view();
  if (verdict == "allow") return run(called, beginning, *decision);
  RETURN_IF_ERROR(refused_permit(beginning));
  if (!decision) return decision;
  if (permission->request) {
    const Json* reasons = decision->find("reason_codes");
    RETURN_IF_ERROR(end_request(*permission->request, reasons == nullptr ? "" : reasons->compact()));
  }
  if (verdict == "require_approval") return ask(called, signer);
  return denied(called, "the gate's verdict is " + std::string(verdict), "denied");
}

}  // namespace countersign::command
