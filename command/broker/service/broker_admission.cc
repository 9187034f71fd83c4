// How people decide on a proposed server: approvals are tokens of the signer, one of whoever admits what vetting
// passed, two where they override it.
#include <algorithm>

#include "command/broker/service/broker_service.h"
#include "command/broker/service/counted_approvals.h"
#include "command/broker/service/proposal_record.h"
#include "common/text.h"
#include "gate/broker/decision_policy.h"

namespace countersign::command {
namespace {

using broker::AuditEvent;

// The tool that approvers of the roster have to be let approve: `tool:broker.admit_server`.
constexpr std::string_view kAdmission = "broker.admit_server";
constexpr int kOverridingPeople = 2;

std::string_view vetting_of(const Json& proposal) {
  const std::string_view status = proposal.text("vetting_status");
  return status.empty() ? std::string_view("not vetted") : status;
}

// What was read of a server by address; nothing of one that was vetted.
std::vector<broker::Offer> offers_in(const Json& proposal) {
  std::vector<broker::Offer> found;
  for (const broker::OfferRow& row : broker::offer_rows()) {
    const Json* definitions = proposal.find(row.in_proposal);
    if (definitions == nullptr || !definitions->is_array()) continue;
    for (const Json& each : definitions->as_array()) found.push_back({row.kind, each});
  }
  return found;
}

}  // namespace

// What is decided, and what an approver of it signs.
struct BrokerService::Admission {
  Json proposal;
  bool override_vetting = false;
  std::string reason;

  int required() const { return override_vetting ? kOverridingPeople : 1; }
  std::string policy() const { return broker::asking_policy(kAdmission, required()); }
  Json intent() const {
    return Json::object({{"tool_name", kAdmission},
                         {"args", Json::object({{"proposal_id", proposal.text("id")},
                                                {"version", version_of(proposal)},
                                                {"server_name", proposal.text("server_name")},
                                                {"digest", proposal.text("digest")},
                                                {"vetting_status", proposal.text("vetting_status")},
                                                {"override_vetting", override_vetting}})},
                         {"context", Json::object({{"identity", proposal.text("proposed_by")},
                                                   {"workspace", "broker/servers"},
                                                   {"risk_class", override_vetting ? "high" : "medium"}})}});
  }
};

// {"reason"?, "override"?, "version"?, "token"?}: whether the person may decide so about what waits.
Result<BrokerService::Admission> BrokerService::admission(const BrokerCaller& caller, const std::string& id,
                                                          const Json& body, bool approved) const {
  RETURN_IF_ERROR(require_person(caller));
  Admission asked;
  ASSIGN_OR_RETURN(asked.proposal, stored_proposal(id));
  JsonFields fields(body, "");
  fields.take("token");
  const Json* overrides = fields.take("override");
  const Json* seen = fields.take("version");
  if (seen != nullptr && *seen != Json(version_of(asked.proposal))) {
    return Error{
        ErrorCode::Conflict,
        "proposal " + id + " was proposed anew meanwhile: it is version " + std::to_string(version_of(asked.proposal)),
        "proposal_changed", "look at it again: countersign broker proposals --proposal-id " + id};
  }
  const bool override_asked = overrides != nullptr && *overrides == Json(true);
  if (asked.proposal.text("status") != "pending") {
    return Error{ErrorCode::Conflict,
                 "proposal " + id + " is " + std::string(asked.proposal.text("status")) + " already", "proposal_closed",
                 "propose again: that makes a new version of it"};
  }
  const bool passed = has_passed(asked.proposal);
  const bool unseen = asked.proposal.text("vetting_status") == kDefinitionsAlone;
  ASSIGN_OR_RETURN(asked.reason, reason_in(fields, !approved || override_asked || unseen));
  RETURN_IF_ERROR(fields.finish());
  if (!approved) return asked;
  if (!passed && !override_asked) {
    return Error{ErrorCode::Refused,
                 "proposal " + id + " was not found good: " + std::string(vetting_of(asked.proposal)),
                 "vetting_not_passed", "--override-vetting --reason TEXT, by two people, admits it all the same"};
  }
  asked.override_vetting = !passed;
  const Json* by = asked.proposal.find("proposed_by_uid");
  if (!config_.trial && by != nullptr && *by == Json(std::int64_t{caller.uid})) {
    return Error{ErrorCode::Refused, "who proposed a server does not approve it", "proposer_is_approver"};
  }
  return asked;
}

Result<Json> BrokerService::prepare_admission(const BrokerCaller& caller, const std::string& id, const Json& body,
                                              client::SignerClient& signer) {
  ASSIGN_OR_RETURN(Admission asked, admission(caller, id, body, true));
  // Signed and recorded: the signer mints approvals only of what it knows to wait for one.
  ASSIGN_OR_RETURN(const Json said, judged(asked.intent(), asked.policy(), {}, false, signer));
  if (said.text("verdict") != "require_approval") {
    return Error{ErrorCode::Refused, "the gate's verdict is " + std::string(said.text("verdict")),
                 "nothing_to_approve"};
  }
  asked.proposal.erase("tokens");
  return Json::object({{"intent_digest", said.text("intent_digest")},
                       {"policy_digest", said.text("policy_digest")},
                       {"override_vetting", asked.override_vetting},
                       {"required_approvals", asked.required()},
                       {"proposal", std::move(asked.proposal)}});
}

// Adds the approval to those that the proposal has, and gives whether they are enough. Earlier ones that do not count
// any more, since their time is over, are forgotten: their people approve again.
Result<bool> BrokerService::add_approval(const Admission& asked, const Json& token, Json::Array& tokens,
                                         client::SignerClient& signer) {
  std::int64_t before = 0;
  if (!tokens.empty()) {
    ASSIGN_OR_RETURN(const Json said, judged(asked.intent(), asked.policy(), tokens, true, signer));
    before = valid_approvals(said);
    if (before < static_cast<std::int64_t>(tokens.size())) tokens.clear();
  }
  if (has_approved(tokens, token)) {
    return Error{ErrorCode::Conflict,
                 std::string(token.text("approver_identity")) + " approved this already; another person has to",
                 "second_person_needed"};
  }
  before = static_cast<std::int64_t>(tokens.size());
  tokens.push_back(token);
  ASSIGN_OR_RETURN(const Json said, judged(asked.intent(), asked.policy(), tokens, true, signer));
  const bool enough = said.text("verdict") == "allow";
  if (enough || valid_approvals(said) > before) return enough;
  const Json* reasons = said.find("reason_codes");
  return Error{ErrorCode::Refused, "the approval does not count: " + (reasons == nullptr ? "" : reasons->compact()),
               "approval_not_counted", "it must be for this proposal as it is, by somebody who may admit servers"};
}

Result<Json> BrokerService::decide_proposal(const BrokerCaller& caller, const std::string& id, const Json& body,
                                            bool approved, client::SignerClient& signer) {
  const std::lock_guard one_at_a_time(admission_mutex_);
  ASSIGN_OR_RETURN(Admission asked, admission(caller, id, body, approved));
  Json& proposal = asked.proposal;
  bool settled = true;
  std::string trace_id;
  Json::Array tokens;
  if (approved) {
    const Json* token = body.find("token");
    if (token == nullptr || !token->is_object()) {
      return Error{ErrorCode::Invalid, "`token` is missing: an approval of the signer's", "token_missing",
                   "countersign broker approve mints it"};
    }
    if (proposal.find("vetting_verdict") != nullptr) {
      RETURN_IF_ERROR(seal(proposal, signer, clock_.now()));
      RETURN_IF_ERROR(check_sealed(proposal, signer));
    }
    if (const Json* kept = proposal.find("tokens")) tokens = kept->as_array();
    ASSIGN_OR_RETURN(settled, add_approval(asked, *token, tokens, signer));
    if (settled) {
      Result<std::string> redeemed = redeem(asked.intent(), asked.policy(), tokens, signer);
      if (!redeemed && redeemed.error().reason == "approval_not_counted") {
        // One was taken back, or spent before a crash: all approve again.
        proposal.set("tokens", Json::Array{});
        RETURN_IF_ERROR(store_.put_proposal(id, version_of(proposal), proposal,
                                            proposal_event("proposal_approvals_ended", proposal, caller)));
      }
      ASSIGN_OR_RETURN(trace_id, std::move(redeemed));
    }
  }
  return put_decision(caller, asked, approved, settled, trace_id, std::move(tokens));
}

Result<Json> BrokerService::put_decision(const BrokerCaller& caller, Admission& asked, bool approved, bool settled,
                                         const std::string& trace_id, Json::Array tokens) {
  Json& proposal = asked.proposal;
  Json decision = Json::object({{"uid", std::int64_t{caller.uid}},
                                {"at", clock_.now().rfc3339()},
                                {"approved", approved},
                                {"override", asked.override_vetting},
                                {"reason", asked.reason}});
  if (!tokens.empty()) decision.set("approver", tokens.back().text("approver_identity"));
  proposal.find("decisions")->as_array().push_back(std::move(decision));
  if (settled) proposal.set("status", approved ? "approved" : "rejected");
  AuditEvent event = proposal_event(!settled   ? "override_asked"
                                    : approved ? "proposal_approved"
                                               : "proposal_rejected",
                                    proposal, caller);
  event.members.emplace_back("reason", asked.reason);
  event.members.emplace_back("override", asked.override_vetting);
  if (approved) event.members.emplace_back("approvers", Json::array(broker::approvers_of(tokens)));
  if (!trace_id.empty()) {
    event.members.emplace_back("trace_id", trace_id);
    proposal.set("trace_id", trace_id);
  }
  proposal.set("tokens", std::move(tokens));
  if (settled && approved) {
    RETURN_IF_ERROR(catalogue_.pin(proposal.text("server_name"), offers_in(proposal),
                                   proposal_event("definition_pinned", proposal, caller)));
  }
  const std::string id(proposal.text("id"));
  RETURN_IF_ERROR(store_.put_proposal(id, version_of(proposal), proposal, std::move(event)));
  return Json::object({{"ok", settled},
                       {"proposal_id", id},
                       {"status", proposal.text("status")},
                       {"vetting_status", proposal.text("vetting_status")},
                       {"needs", settled ? Json() : Json("a second person: --override-vetting --reason TEXT")}});
}

}  // namespace countersign::command
