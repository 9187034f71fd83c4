// What the broker does for agents and people: one call is judged by the lists, then by the gate, and runs once for each
// signed allow (docs/broker.md).
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/json_fields.h"
#include "gate/broker/agent_lists.h"
#include "gate/broker/broker_config.h"
#include "gate/broker/broker_store.h"
#include "gate/broker/catalogue.h"
#include "gate/notices/outbox.h"
#include "gate/notices/reply_codes.h"
#include "signer/client/signer_client.h"

namespace countersign::command {

class DecisionService;

// Who asks, as the socket knows them.
struct BrokerCaller {
  std::uint32_t uid = 0;
  std::string agent;    // recognised; empty for none
  bool person = false;  // may see and judge requests
};

// Fails with Refused, reason "not_a_person".
Status require_person(const BrokerCaller& caller);
// Fails with Refused, reason "unknown_agent".
Status require_agent(const BrokerCaller& caller);
// An agent or a person; nobody else is listened to. Fails with Refused, reason "unknown_agent".
Status require_known(const BrokerCaller& caller);

// The body's `reason`, a sentence of a person's for the record; empty where there is none and it is not required. Fails
// with Invalid, reason "reason_missing".
Result<std::string> reason_in(JsonFields& fields, bool required);

// One call, with what is known of its tool.
struct CalledTool {
  std::string agent;
  std::string tool;
  Json args;
  std::string args_digest;        // SHA-256 of the canonical form, hex
  std::string definition_digest;  // hex; empty where no server offers it
  std::string action_class;
  std::string risk_class;
  std::optional<broker::Tool> offered;
  broker::Listing listing;
  Json grant;  // the terms, where a grant is judged and not the call; null otherwise

  // The intent that the gate judges: the same for the same agent, tool, arguments and definition. It holds the
  // arguments as their canonical text, which binds every character: gait's normalisation does not tell " x" from "x",
  // and a file's last line break is a part of a call.
  Json intent() const;
};

class BrokerService {
 public:
  // All outlive it. From any thread, each with a signer of its own.
  BrokerService(const broker::BrokerConfig& config, broker::BrokerStore& store, DecisionService& gate,
                const Clock& clock, notices::Outbox& outbox, notices::ReplyCodes& codes)
      : config_(config),
        store_(store),
        gate_(gate),
        clock_(clock),
        outbox_(outbox),
        codes_(codes),
        catalogue_(config, store) {}

  // Whom the kernel's uid, and the secret where one is given, make of the peer. `claimed` chooses between agents that
  // it may be, and is otherwise only checked. Without a uid only agents are known that have a secret and no user. Fails
  // with Refused, reasons "unknown_agent", "agent_not_yours".
  Result<BrokerCaller> recognise(std::optional<std::uint32_t> uid, std::string_view claimed,
                                 std::string_view secret) const;

  // For agents. The answers are the written workflow's objects: {"tool_id","server","result",…}, or {"error": WORD,…}
  // with "approval_required", "denied", "rejected", "tool_not_found", "tool_quarantined", "outcome_unknown".
  Result<Json> call(const BrokerCaller& caller, const std::string& tool, const Json& args,
                    client::SignerClient& signer);
  Result<Json> search(const BrokerCaller& caller, const std::string& query, std::size_t most);
  Result<Json> describe(const BrokerCaller& caller, const std::string& tool);
  // Everything that the agent may ask for: {"tools":[{"tool_id","definition"}],"resources":[…],
  // "resource_templates":[…],"prompts":[…],"unavailable":[SERVER…]}.
  Result<Json> tools(const BrokerCaller& caller);
  Result<Json> load(const BrokerCaller& caller, const std::vector<std::string>& tools);
  // {"request_id","waiting"}: false once there is a reason to make the call again. For who keeps a call open, so that
  // it is not made, and counted, over and over. Fails with NotFound, reason "unknown_request", also for another
  // agent's.
  Result<Json> waiting(const BrokerCaller& caller, const std::string& request);
  // What would be decided now, why, and what would change it. Nothing is signed or recorded.
  Result<Json> explain(const BrokerCaller& caller, const std::string& tool, const Json& args,
                       client::SignerClient& signer);

  // For people; each fails with Refused, reason "not_a_person", for others.
  Result<Json> pending(const BrokerCaller& caller);
  // Decided ones too, oldest first, a page of at most 500: those after the one of this id (from the first on where it
  // is empty). The last page is the empty one.
  Result<Json> requests(const BrokerCaller& caller, const std::string& after);
  Result<Json> ended_requests(const BrokerCaller& caller);  // the newest 200 that wait no more, the newest first
  Result<Json> request(const BrokerCaller& caller, const std::string& id);
  // What an approver of the request has to sign for {"mode"?, "uses"?, "until"?}:
  // {"intent_digest","policy_digest","mode", "request"}. Of `once` it is the call; everything longer is an intent of
  // its own that says what is granted, so that nobody signs less than is granted.
  Result<Json> prepare(const BrokerCaller& caller, const std::string& id, const Json& body,
                       client::SignerClient& signer);
  // {"token": the signer's approval token, "mode"?: "allowlist"|"once"|"uses"|"until", "uses"?, "until"?}
  Result<Json> approve(const BrokerCaller& caller, const std::string& id, const Json& body,
                       client::SignerClient& signer);
  Result<Json> reject(const BrokerCaller& caller, const std::string& id, const Json& body);
  // Requests whose break-glass nobody has reviewed yet; and {"reason"} of a person who did.
  Result<Json> break_glass(const BrokerCaller& caller);
  Result<Json> review(const BrokerCaller& caller, const std::string& id, const Json& body);
  Result<Json> revoke(const BrokerCaller& caller, const Json& body);  // {"agent_id","tool_id","reason"}
  Result<Json> quarantine(const BrokerCaller& caller);
  // {"tool_id","reason","definition_digest"?}: that of the definition that the person looked at; fails with Conflict,
  // reason "definition_changed", where another one waits by now.
  Result<Json> accept_definition(const BrokerCaller& caller, const Json& body);
  Result<Json> lists(const BrokerCaller& caller);  // those of the configuration, and what people added
  // Files of the known implementation were looked at: {"files":[{"name","sha256","entries"}]}.
  Result<Json> note_import(const BrokerCaller& caller, const Json& body);
  Result<Json> audit(const BrokerCaller& caller, std::uint64_t first, std::size_t most, bool verify);
  // Records as they lie in the chain, one JSON object a line, each with its `hash`; empty where there are no more.
  Result<std::string> audit_lines(const BrokerCaller& caller, std::uint64_t first, std::size_t most);

  // Notices and their attempts; `status` empty for all.
  Result<Json> deliveries(const BrokerCaller& caller, const std::string& status);
  // Everything that waits is tried now: {"due": N}.
  Result<Json> deliver_now(const BrokerCaller& caller);
  // An answer to a notice, {"text": "no 123456"}: for people and for who hands answers in. A no rejects; a yes approves
  // nothing and is answered with the line that does.
  Result<Json> reply(const BrokerCaller& caller, const Json& body);

  // Proposals of servers.
  Result<Json> propose(const BrokerCaller& caller, const Json& body, client::SignerClient& signer);
  Result<Json> proposal(const BrokerCaller& caller, const std::string& id);
  Result<Json> proposals(const BrokerCaller& caller);
  // What an approver of the proposal has to sign for {"reason"?, "override"?: true, "version"?}
  // (the one that the person looked at; another is refused with Conflict, reason "proposal_changed"):
  // {"intent_digest","policy_digest", "override_vetting","required_approvals","proposal"}.
  Result<Json> prepare_admission(const BrokerCaller& caller, const std::string& id, const Json& body,
                                 client::SignerClient& signer);
  // The same with "token", the signer's approval token, where it is approved. One person admits what passed vetting
  // (and says why where there were no bytes to vet), two override it; who proposed a server is none of them.
  Result<Json> decide_proposal(const BrokerCaller& caller, const std::string& id, const Json& body, bool approved,
                               client::SignerClient& signer);

  // Requests whose time is over. Once in a while.
  void expire();
  void stop() { catalogue_.stop(); }

 private:
  Result<Json> stored_proposal(const std::string& id) const;
  struct Admission;   // a proposal that people decide on
  struct Case;        // a request that waits, and what is to be approved of it
  struct Permission;  // why it may go to the gate as something to allow
  Result<CalledTool> look_at(const BrokerCaller& caller, const std::string& tool, const Json& args);
  std::optional<broker::BrokerStore::UsedGrant> open_grant(const CalledTool& called) const;
  enum class Take { Yes, No };  // of a use, where uses are counted
  Result<std::optional<Permission>> permission(const CalledTool& called, Take take, client::SignerClient& signer);
  Result<Json> judged(const Json& intent, const std::string& policy, const std::vector<Json>& tokens, bool check,
                      client::SignerClient& signer);
  struct Beginning;  // what is on record of a call before its tool hears of it
  Result<Json> permitted(const CalledTool& called, Beginning& beginning, client::SignerClient& signer);
  Status refused_permit(const Beginning& beginning);
  Result<Json> run(const CalledTool& called, Beginning& beginning, const Json& decision);
  Result<Json> ask(const CalledTool& called, client::SignerClient& signer);
  Result<std::string> asking(const CalledTool& called, client::SignerClient& signer);
  // Whether people would be asked for the call now as they were for the request: under the same policy.
  Result<bool> is_still_asked(const broker::ToolRequest& request, const CalledTool& called,
                              client::SignerClient& signer);
  Result<std::optional<Json>> standing_answer(const CalledTool& called, client::SignerClient& signer);
  Result<Json> denied(const CalledTool& called, const std::string& rule, const std::string& word);
  CalledTool approved_of(const broker::ToolRequest& request) const;
  bool is_same_tool(const broker::ToolRequest& request) const;
  Status forget_what_does_not_count(broker::ToolRequest& request, client::SignerClient& signer);
  Result<Case> open_case(const BrokerCaller& caller, const std::string& id, const Json& body,
                         client::SignerClient& signer);
  Result<Json> approve_as_read(const BrokerCaller& caller, const std::string& id, const Json& body,
                               client::SignerClient& signer);
  Result<Json> settle(const Case& open, client::SignerClient& signer);
  Result<std::string> redeem_or_end(const Case& open, client::SignerClient& signer);
  Result<Admission> admission(const BrokerCaller& caller, const std::string& id, const Json& body, bool approved) const;
  Result<bool> add_approval(const Admission& asked, const Json& token, Json::Array& tokens,
                            client::SignerClient& signer);
  Result<std::string> redeem(const Json& intent, const std::string& policy, const std::vector<Json>& tokens,
                             client::SignerClient& signer);
  Result<Json> put_decision(const BrokerCaller& caller, Admission& asked, bool approved, bool settled,
                            const std::string& trace_id, Json::Array tokens);
  // Its digest; empty where the lists alone decide.
  std::string operators_policy() const;
  Status use_request(broker::ToolRequest used, broker::AuditEvent event);
  Result<Json> turn_down(const std::string& id, const std::string& reason, const BrokerCaller& caller,
                         std::string_view by);
  Status end_request(broker::ToolRequest over, const std::string& why);
  Status within_rate(const std::string& agent);
  Status within_proposals(const BrokerCaller& caller, const std::string& id);
  broker::AuditEvent event_of(std::string name, const CalledTool& called) const;
  CalledTool called_of(const broker::ToolRequest& request) const;
  Json server_of(const std::string& tool) const;
  bool is_expired(const broker::ToolRequest& request) const { return clock_.now() >= request.expires_at; }

  const broker::BrokerConfig& config_;
  broker::BrokerStore& store_;
  DecisionService& gate_;
  const Clock& clock_;
  notices::Outbox& outbox_;
  notices::ReplyCodes& codes_;
  broker::Catalogue catalogue_;
  std::mutex rate_mutex_;
  std::map<std::string, std::deque<std::chrono::steady_clock::time_point>> recent_;  // guarded by rate_mutex_
  std::mutex admission_mutex_;  // one decision on a proposal at a time: each is of what the one before left
  std::mutex settling_mutex_;   // approvals of one request are redeemed at a time
  std::mutex vetting_mutex_;    // one vetting at a time
};

}  // namespace countersign::command
