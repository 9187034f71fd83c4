// Why a call may run, and why it is decided as it is.
#include "command/broker/service/broker_permission.h"
#include "gate/broker/pattern.h"

namespace countersign::command {

using broker::RequestStatus;
using broker::Standing;
using broker::ToolRequest;

// A grant that lets the call go. An emergency that is open ends where the operator offers none any more.
std::optional<broker::BrokerStore::UsedGrant> BrokerService::open_grant(const CalledTool& called) const {
  const std::optional<broker::BrokerStore::UsedGrant> grant =
      store_.fitting_grant(called.agent, called.tool, called.args_digest, called.definition_digest, operators_policy());
  const bool offers_break_glass = config_.break_glass > std::chrono::nanoseconds(0);
  return grant && grant->break_glass && !offers_break_glass ? std::nullopt : grant;
}

// The first reason that lets it go to the gate; nothing where people have to be asked.
Result<std::optional<BrokerService::Permission>> BrokerService::permission(const CalledTool& called, Take take,
                                                                           client::SignerClient& signer) {
  if (called.listing.standing == Standing::Listed) {
    return std::optional(Permission{called.listing.rule, "broker-listed", std::nullopt});
  }
  if (const auto entry = store_.allowed_by(called.agent, called.tool)) {
    return std::optional(Permission{"allowed by request " + *entry, "broker-approved", std::nullopt});
  }
  const std::optional<ToolRequest> newest = store_.newest(called.agent, called.tool, called.args_digest);
  if (newest && newest->status == RequestStatus::Approved && !is_expired(*newest) &&
      newest->definition_digest == called.definition_digest) {
    ASSIGN_OR_RETURN(const bool stands, is_still_asked(*newest, called, signer));
    if (stands) return std::optional(Permission{"request " + newest->id, "", newest});
  }
  std::optional<broker::BrokerStore::UsedGrant> grant = open_grant(called);
  if (grant && take == Take::Yes) {
    ASSIGN_OR_RETURN(grant, store_.use_grant(called.agent, called.tool, called.args_digest, called.definition_digest,
                                             operators_policy()));
  }
  if (grant && grant->break_glass) {
    return std::optional(Permission{"break-glass grant " + grant->id, "broker-break-glass", std::nullopt, true});
  }
  if (grant) return std::optional(Permission{"grant " + grant->id, "broker-grant", std::nullopt});
  for (const broker::AutoApproval& automatic : config_.security.auto_approve) {
    if (!broker::matches(automatic.pattern, called.tool)) continue;
    bool left = store_.has_automatic(automatic);
    if (left && take == Take::Yes) {
      ASSIGN_OR_RETURN(left, store_.use_automatic(automatic));
    }
    if (left) return std::optional(Permission{"auto_approve_patterns " + automatic.pattern, "broker-automatic", {}});
  }
  return std::optional<Permission>();
}

Result<Json> BrokerService::explain(const BrokerCaller& caller, const std::string& tool, const Json& args,
                                    client::SignerClient& signer) {
  RETURN_IF_ERROR(require_known(caller));
  ASSIGN_OR_RETURN(CalledTool called, look_at(caller, tool, args));
  const Result<std::optional<broker::Tool>> offered = catalogue_.find(tool, args);
  if (offered && *offered) called.definition_digest = (*offered)->digest;
  Json out = Json::object({{"tool_id", tool},
                           {"agent_id", called.agent},
                           {"action_class", called.action_class},
                           {"args_digest", called.args_digest},
                           {"definition_digest", called.definition_digest},
                           {"rule", called.listing.rule}});
  if (!offered) out.set("tool", offered.error().detail);
  const auto decided = [&](std::string_view decision, std::string_view change) {
    out.set("decision", decision);
    out.set("what_would_change_it", change);
  };
  const bool barred = !offered && offered.error().code == ErrorCode::Refused;
  if (called.listing.standing == Standing::Denied) {
    decided("denied", "nobody can approve it: the configuration would have to change");
    return out;
  }
  ASSIGN_OR_RETURN(const std::optional<Permission> permitted, permission(called, Take::No, signer));
  ASSIGN_OR_RETURN(const std::optional<Json> standing, standing_answer(called, signer));
  if (barred) {
    decided(offered.error().reason, "a person looks at the server or the tool first");
  } else if (permitted) {
    out.set("rule", permitted->rule);
    decided(offered && !*offered ? "tool_not_found" : "allow",
            "a deny pattern, another definition of the tool, or the gate's policy");
  } else {
    decided(standing ? standing->text("error") : "approval_required",
            "approval of exactly these arguments (--once), or of the tool for this agent");
    if (standing) out.set("request_id", standing->text("request_id"));
    out.set("required_approvals", config_.approvals_for(tool));
  }
  if (!config_.policy.empty()) {
    const std::string digest = operators_policy();
    ASSIGN_OR_RETURN(const Json said, judged(called.intent(), digest, {}, true, signer));
    out.set("gate",
            Json::object({{"verdict", said.text("verdict")},
                          {"policy_digest", digest},
                          {"explanation", said.find("explanation") == nullptr ? Json() : *said.find("explanation")}}));
  }
  return out;
}

}  // namespace countersign::command
