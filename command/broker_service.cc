// How the broker judges and runs a call.
#include "command/broker_service.h"

#include <algorithm>
#include <future>

#include "command/broker_permission.h"
#include "common/digest.h"
#include "gate/broker/action_class.h"
#include "gate/broker/decision_policy.h"
#include "gate/broker/masking.h"
#include "gate/broker/pattern.h"
#include "gate/tool_call.h"
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

}  // namespace

Status require_agent(const BrokerCaller& caller) {
  if (!caller.agent.empty()) return ok();
  return Error{ErrorCode::Refused, user_of(caller.uid) + " is no agent of this broker", "unknown_agent",
               "agents are configured by user or secret; one of several is chosen by --agent-id"};
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
  Json body = Json::object({{"intent", intent}, {"policy", policy}});
  if (!tokens.empty()) body.set("approval_tokens", Json::Array(tokens));
  if (check) body.set("check", true);
  return gate_.evaluate(body, 0, signer);
}

std::string BrokerService::operators_policy() const {
  if (config_.policy.empty()) return {};
  return std::string(gate_.policies().find("policies")->as_array().front().text("digest"));
}

// What stands already and needs no new request: one that waits, or one that was turned down a short while ago.
std::optional<Json> BrokerService::standing_answer(const CalledTool& called) {
  const std::optional<ToolRequest> newest = store_.newest(called.agent, called.tool, called.args_digest);
  if (!newest) return std::nullopt;
  const bool same_tool = newest->definition_digest == called.definition_digest;
  if (newest->status == RequestStatus::Pending && !is_expired(*newest) && same_tool)
    return approval_required(*newest, config_.socket);
  if (newest->status != RequestStatus::Rejected || !newest->decided_at) return std::nullopt;
  const UtcTime again = *newest->decided_at + config_.cooldown;
  if (clock_.now() >= again) return std::nullopt;
  return Json::object({{"error", "rejected"},
                       {"request_id", newest->id},
                       {"agent_id", called.agent},
                       {"tool_id", called.tool},
                       {"reason", newest->reason},
                       {"retry_after", again.rfc3339()}});
}

// The policy under which people are asked: the operator's, where it asks for more than the lists do.
Result<std::string> BrokerService::asking(const CalledTool& called, client::SignerClient& signer) {
  const std::string generated = broker::asking_policy(called.tool, config_.approvals_for(called.tool));
  if (config_.policy.empty()) return generated;
  const std::string operators = operators_policy();
  ASSIGN_OR_RETURN(const Json said, judged(called.intent(), operators, {}, true, signer));
  return said.text("verdict") == "allow" ? generated : operators;
}

Result<Json> BrokerService::ask(const CalledTool& called, client::SignerClient& signer) {
  if (!config_.security.tool_approval_required) {
    return denied(called, "security_policy.tool_approval_required", "Tool not allowed for this agent");
  }
  if (std::optional<Json> standing = standing_answer(called)) return *std::move(standing);
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
    // Opened by the same call at the same moment: both wait for one request.
    if (!is_expired(*older) && older->definition_digest == called.definition_digest)
      return approval_required(*older, config_.socket);
    RETURN_IF_ERROR(end_request(*older, is_expired(*older) ? "its time is over" : "the tool is another one now"));
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
  std::optional<Json> standing = standing_answer(called);
  return standing ? Result<Json>(*std::move(standing)) : Result<Json>(added.error());
}

// Before the server hears of the call: it is on record (of one that a crash cut short the record is there, without an
// outcome), and the signer has marked the permit executed, once. Neither waits for the other.
Status BrokerService::begin(const Permission& permission, const Json& trace, const AuditEvent& event,
                            client::SignerClient& signer) {
  // Where there is no thread to be had, after the other.
  std::future<Status> marked =
      std::async(std::launch::async | std::launch::deferred, [&] { return signer.executed(trace); });
  AuditEvent started = event;
  started.event = permission.request ? "request_used" : "call_started";
  const Status recorded =
      permission.request ? use_request(*permission.request, std::move(started)) : store_.record(std::move(started));
  const Status executed = marked.get();
  RETURN_IF_ERROR(recorded);
  if (executed) return ok();
  AuditEvent ended = event;
  ended.members.emplace_back("outcome", "permit_refused");
  RETURN_IF_ERROR(store_.record(std::move(ended)));
  return executed;
}

Result<Json> BrokerService::run(const CalledTool& called, const Permission& permission, const Json& decision,
                                client::SignerClient& signer) {
  const Json* trace = decision.find("trace");
  if (trace == nullptr) return Error{ErrorCode::Internal, "the gate allowed a call and gave no trace"};
  AuditEvent event = event_of("call", called);
  event.members.emplace_back("rule", permission.rule);
  event.members.emplace_back("trace_id", trace->text("trace_id"));
  if (permission.request) event.members.emplace_back("request_id", permission.request->id);
  RETURN_IF_ERROR(begin(permission, *trace, event, signer));
  Result<Json> result = catalogue_.call(*called.offered, called.args);
  const bool failed = result && result->find("isError") != nullptr && *result->find("isError") == Json(true);
  event.members.emplace_back("outcome", !result ? result.error().reason : failed ? "tool_error" : "done");
  RETURN_IF_ERROR(store_.record_soon(std::move(event)));
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
  ASSIGN_OR_RETURN(const std::optional<Permission> permitted, permission(called, Take::Yes));
  if (!permitted) return ask(called, signer);
  if (!called.offered) return denied(called, permitted->rule, "tool_not_found");
  std::string policy =
      permitted->request ? permitted->request->policy : broker::allowing_policy(called.tool, permitted->policy_name);
  if (!permitted->request && !config_.policy.empty()) {
    policy = operators_policy();
  }
  ASSIGN_OR_RETURN(Json decision,
                   judged(called.intent(), policy,
                          permitted->request ? permitted->request->tokens : std::vector<Json>(), false, signer));
  if (permitted->break_glass && decision.text("verdict") == "require_approval") {
    ASSIGN_OR_RETURN(decision, judged(called.intent(), broker::allowing_policy(called.tool, permitted->policy_name), {},
                                      false, signer));
  }
  const std::string_view verdict = decision.text("verdict");
  if (verdict == "allow") return run(called, *permitted, decision, signer);
  if (permitted->request) {
    const Json* reasons = decision.find("reason_codes");
    RETURN_IF_ERROR(end_request(*permitted->request, reasons == nullptr ? "" : reasons->compact()));
  }
  if (verdict == "require_approval") return ask(called, signer);
  return denied(called, "the gate's verdict is " + std::string(verdict), "denied");
}

}  // namespace countersign::command
