// broker pending, approve, reject, revoke, quarantine, lists, propose: what people ask.
#include <unistd.h>

#include <iostream>

#include "command/approval/token_proof.h"
#include "command/broker/broker_connection.h"
#include "command/broker/broker_desk.h"
#include "command/broker/commands.h"
#include "command/line/command.h"
#include "command/line/signer_address.h"
#include "common/clock.h"
#include "common/text.h"

namespace countersign::command {
namespace {

constexpr Flag kRequestFlag = {"request-id", Flag::Kind::Text, "ID", "the request, or a proposal"};
constexpr Flag kToolFlag = {"tool-id", Flag::Kind::Text, "ID", "the same, as the written workflow spells it"};
constexpr Flag kProposalFlag = {"proposal-id", Flag::Kind::Text, "ID", "the same, of a proposal"};
constexpr Flag kReasonFlag = {"reason", Flag::Kind::Text, "TEXT", "why, for the record"};

constexpr Flag kOnlyBroker[] = {kBrokerFlag};
constexpr Flag kApproveFlags[] = {
    kRequestFlag,
    kToolFlag,
    kProposalFlag,
    {"once", Flag::Kind::Switch, "", "the next call of exactly these arguments"},
    {"allowlist", Flag::Kind::Switch, "", "the tool, with any arguments, for this agent from now on"},
    {"uses", Flag::Kind::Integer, "N", "so many calls of exactly these arguments"},
    {"until", Flag::Kind::Text, "TIME", "calls of exactly these arguments until then (RFC 3339)"},
    {"break-glass", Flag::Kind::Switch, "", "an emergency: two people, with a reason, for a short time"},
    {"approver", Flag::Kind::Text, "IDENTITY",
     "who approves, as the signer's roster spells it ($COUNTERSIGN_APPROVER)"},
    {"agent-id", Flag::Kind::Text, "LABEL", "the written workflow's label of the approver; who it is, is proven"},
    kReasonFlag,
    {"proposal-version", Flag::Kind::Integer, "N", "of a proposal: the one you looked at; no other is admitted"},
    {"override-vetting", Flag::Kind::Switch, "", "admit a server that vetting did not pass; two people, with a reason"},
    kSshKeyFlag,
    kProofFlag,
    kSignerFlag,
    kBrokerFlag,
};
constexpr Flag kRejectFlags[] = {kRequestFlag, kToolFlag, kProposalFlag, kReasonFlag, kBrokerFlag};
constexpr Flag kBreakGlassFlags[] = {
    {"review", Flag::Kind::Text, "ID", "say what you found when you looked at it"}, kReasonFlag, kBrokerFlag};
constexpr Flag kRevokeFlags[] = {kAgentFlag, {"tool-id", Flag::Kind::Text, "ID", "the tool"}, kReasonFlag, kBrokerFlag};
constexpr Flag kQuarantineFlags[] = {{"accept", Flag::Kind::Text, "TOOL", "take the new definition of the tool"},
                                     {"digest", Flag::Kind::Text, "HEX",
                                      "of the definition you looked at; no other is taken (else of the one it shows)"},
                                     kReasonFlag,
                                     kBrokerFlag};
constexpr Flag kProposeFlags[] = {
    {"server-name", Flag::Kind::Text, "NAME", "what its tools are called by: NAME:tool"},
    {"source", Flag::Kind::Text, "KIND", "docker_image, github_repo, npm_package, openapi or directory (default)"},
    {"source-id", Flag::Kind::Text, "TEXT", "the image, repository or package (default: the path)"},
    {"source-path", Flag::Kind::Text, "PATH", "the files to vet, as the broker's user sees them"},
    kAgentFlag,
    kSecretFlag,
    kBrokerFlag,
};
constexpr Flag kShowFlags[] = {kProposalFlag, kBrokerFlag};
Error missing(std::string_view flag) {
  return Error{ErrorCode::Invalid, "--" + std::string(flag) + " is required", "missing_flag"};
}

Result<std::string> id_of(const Arguments& arguments) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "unexpected positional arguments"};
  std::string id(arguments.text("request-id"));
  for (const char* alias : {"tool-id", "proposal-id"}) {
    if (id.empty()) id = arguments.text(alias);
  }
  if (id.empty()) return missing("request-id");
  RETURN_IF_ERROR(check_request_id(id));
  return id;
}

Result<int> pending(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "broker pending takes no arguments"};
  BrokerDesk desk(arguments);
  if (call.json) {
    ASSIGN_OR_RETURN(const Json answer, desk.broker().get("/v1/pending"));
    return answered(call, answer);
  }
  ASSIGN_OR_RETURN(const Json inbox, desk.inbox());
  const auto more = [&](std::string_view member, const std::string& what) {
    const std::size_t count = inbox.find(member)->as_array().size();
    if (count > 0) call.console.tell(std::to_string(count) + " " + what);
  };
  more("proposals", "proposed servers wait as well: countersign broker proposals");
  more("quarantine", "tools are quarantined: countersign broker quarantine");
  more("break_glass", "emergencies wait for a review: countersign broker break-glass");
  return answered(call, *inbox.find("requests"));
}

Result<ApprovalChoice> choice_of(const Arguments& arguments) {
  const int given = int{arguments.is_on("once")} + int{arguments.is_on("allowlist")} + int{arguments.given("uses")} +
                    int{arguments.given("until")} + int{arguments.is_on("break-glass")};
  if (given > 1) return Error{ErrorCode::Invalid, "only one of --once, --allowlist, --uses, --until and --break-glass"};
  ApprovalChoice choice;
  for (const char* mode : {"once", "allowlist"}) {
    if (arguments.is_on(mode)) choice.mode = mode;
  }
  for (const char* mode : {"uses", "until"}) {
    if (arguments.given(mode)) choice.mode = mode;
  }
  if (arguments.is_on("break-glass")) choice.mode = "break_glass";
  choice.uses = arguments.integer("uses").value_or(0);
  choice.until = arguments.text("until");
  choice.reason = arguments.text("reason");
  return choice;
}

// What a person agrees to, whole, before they do.
void show(Call& call, const Json& request) {
  if (call.json) return;
  const auto line = [&](const std::string& name, const Json* value) {
    if (value == nullptr || value->is_null()) return;
    call.console.tell("  " + name + ": " + displayed(value->is_string() ? value->as_string() : value->compact()));
  };
  call.console.tell(displayed(request.text("summary")) + " (" + std::string(request.text("action_class")) + ")");
  line("arguments (secrets masked)", request.find("args"));
  line("changed since the last approved call", request.find("since_last_approved"));
  line("rule", request.find("rule"));
  line("the tool, as its server defined it", request.find("definition"));
  line("its server, as vetting found it", request.find("server"));
}

void show_proposal(Call& call, const Json& proposal) {
  if (call.json) return;
  const std::string vetting(proposal.text("vetting_status"));
  call.console.tell("the tool server " + displayed(proposal.text("server_name")) + ", version " +
                    proposal.find("version")->compact() + ", proposed by " + displayed(proposal.text("proposed_by")) +
                    "\n  digest " + std::string(proposal.text("digest")) +
                    "\n  vetting: " + (vetting.empty() ? "none" : vetting));
  const Json* verdict = proposal.find("vetting_verdict");
  const Json* reasons = verdict == nullptr ? nullptr : verdict->find("reasons");
  if (reasons == nullptr || !reasons->is_array()) return;
  for (const Json& reason : reasons->as_array()) {
    if (reason.is_string()) call.console.tell("    " + displayed(reason.as_string()));
  }
}

// Why vetting is overridden: --reason, else what the person at the terminal says.
std::string reason_of(Call& call, const Arguments& arguments) {
  std::string reason(arguments.text("reason"));
  if (!reason.empty() || !arguments.is_on("override-vetting") || call.json || ::isatty(STDIN_FILENO) == 0)
    return reason;
  call.console.tell("why is it to be admitted all the same? (one line, for the record)");
  std::getline(std::cin, reason);
  return reason;
}

Result<int> decide_proposal(Call& call, const Arguments& arguments, BrokerDesk& desk, const std::string& id,
                            bool approved) {
  ASSIGN_OR_RETURN(const Json proposal, desk.proposal(id));
  if (approved) show_proposal(call, proposal);
  // What was shown, where nobody says which one they looked at before.
  const std::int64_t version = arguments.integer("proposal-version").value_or(proposal.find("version")->as_integer());
  const ProposalDecision decision{approved, arguments.is_on("override-vetting"), reason_of(call, arguments), version};
  ASSIGN_OR_RETURN(const Json answer, desk.decide_proposal(id, decision));
  const bool settled = answer.find("ok") != nullptr && *answer.find("ok") == Json(true);
  return answered(call, answer, settled ? 0 : row_of(ErrorCode::ApprovalRequired).exit_code);
}

Result<int> approve(Call& call, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const std::string id, id_of(arguments));
  BrokerDesk desk(arguments);
  const Result<Json> request = desk.request(id);
  if (!request && request.error().code == ErrorCode::NotFound) return decide_proposal(call, arguments, desk, id, true);
  if (!request) return request.error();
  ASSIGN_OR_RETURN(const ApprovalChoice choice, choice_of(arguments));
  show(call, *request);
  ASSIGN_OR_RETURN(const Json answer, desk.approve(id, choice));
  if (answer.text("mode") == "allowlist" && !call.json) {
    call.console.tell("the agent may call the tool with any arguments from now on; --once grants this call alone");
  }
  const bool done = answer.text("status") == "approved";
  return answered(call, answer, done ? 0 : row_of(ErrorCode::ApprovalRequired).exit_code);
}

Result<int> reject(Call& call, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const std::string id, id_of(arguments));
  BrokerDesk desk(arguments);
  const Result<Json> answer = desk.reject(id, std::string(arguments.text("reason")));
  if (!answer && answer.error().code == ErrorCode::NotFound) return decide_proposal(call, arguments, desk, id, false);
  if (!answer) return answer.error();
  return answered(call, *answer);
}

Result<int> break_glass(Call& call, const Arguments& arguments) {
  if (!arguments.positionals().empty()) return Error{ErrorCode::Invalid, "broker break-glass takes flags only"};
  BrokerDesk desk(arguments);
  ASSIGN_OR_RETURN(const Json answer, arguments.given("review") ? desk.review(std::string(arguments.text("review")),
                                                                              std::string(arguments.text("reason")))
                                                                : desk.broker().get("/v1/break-glass"));
  return answered(call, answer);
}

Result<int> revoke(Call& call, const Arguments& arguments) {
  if (!arguments.given("agent-id")) return missing("agent-id");
  if (!arguments.given("tool-id")) return missing("tool-id");
  ASSIGN_OR_RETURN(const Json answer, BrokerConnection(arguments).post(
                                          "/v1/revoke", Json::object({{"agent_id", arguments.text("agent-id")},
                                                                      {"tool_id", arguments.text("tool-id")},
                                                                      {"reason", arguments.text("reason")}})));
  return answered(call, answer);
}

// The definition that is taken is the one that was looked at, or is shown now: the server may offer another one by
// then.
Result<int> accept_definition(Call& call, const Arguments& arguments, const Json& waiting, BrokerConnection& broker) {
  const std::string tool(arguments.text("accept"));
  std::string digest(arguments.text("digest"));
  for (const Json& each : waiting.as_array()) {
    if (each.text("tool_id") != tool) continue;
    if (!call.json) call.console.tell(displayed_json(each.gait_file()));
    if (digest.empty()) digest = each.text("offered_digest");
  }
  if (digest.empty()) {
    return Error{ErrorCode::NotFound, "no other definition of " + tool + " waits", "unknown_definition",
                 "countersign broker quarantine shows what does"};
  }
  ASSIGN_OR_RETURN(const Json answer, broker.post("/v1/quarantine", Json::object({{"tool_id", tool},
                                                                                  {"reason", arguments.text("reason")},
                                                                                  {"definition_digest", digest}})));
  return answered(call, answer);
}

Result<int> quarantine(Call& call, const Arguments& arguments) {
  BrokerConnection broker(arguments);
  ASSIGN_OR_RETURN(const Json waiting, broker.get("/v1/quarantine"));
  return arguments.given("accept") ? accept_definition(call, arguments, waiting, broker) : answered(call, waiting);
}

Result<int> lists(Call& call, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const Json answer, BrokerConnection(arguments).get("/v1/lists"));
  return answered(call, answer);
}

Result<int> propose(Call& call, const Arguments& arguments) {
  if (!arguments.given("server-name")) return missing("server-name");
  const std::string path(arguments.text("source-path"));
  Json body = Json::object({{"server_name", arguments.text("server-name")},
                            {"source", arguments.text("source", "directory")},
                            {"source_id", arguments.text("source-id", path)}});
  if (!path.empty()) body.set("source_path", path);
  RETURN_IF_ERROR(add_agent(arguments, body));
  if (!call.json) call.console.tell("proposing and vetting; this may take a minute");
  ASSIGN_OR_RETURN(const Json answer, BrokerConnection(arguments).post("/v1/proposals", body));
  const std::string_view vetted = answer.text("vetting_status");
  const bool good = vetted.empty() || vetted == "pass" || vetted == "warn" || vetted == "definitions";
  return answered(call, answer, good ? 0 : row_of(ErrorCode::Refused).exit_code);
}

Result<int> proposals(Call& call, const Arguments& arguments) {
  BrokerConnection broker(arguments);
  if (!arguments.given("proposal-id")) {
    ASSIGN_OR_RETURN(const Json answer, broker.get("/v1/proposals"));
    return answered(call, answer);
  }
  ASSIGN_OR_RETURN(const std::string id, id_of(arguments));
  ASSIGN_OR_RETURN(const Json answer, broker.get("/v1/proposals/" + id));
  return answered(call, answer);
}

}  // namespace

Command broker_pending_command() {
  return {"broker pending",
          "",
          "Lists the calls that wait for people",
          "Secrets in arguments are masked. What else waits (servers, tools in quarantine, emergencies) is counted on "
          "standard\n"
          "error; `broker inbox --json` has all of it.",
          "countersign broker pending --json",
          kOnlyBroker,
          Positionals::Anywhere,
          Shape::Ours,
          pending};
}

Command broker_approve_command() {
  return {"broker approve",
          "--request-id ID --approver IDENTITY [--once|--uses N|--until TIME|--allowlist|--break-glass] [flags]",
          "Approves a call, as yourself, or admits a proposed server",
          "Mints an approval token of the signer with your own key and hands it to the broker. Without a choice the "
          "broker's\n"
          "approvals.default counts: allowlist lets the agent call the tool with any arguments, once lets it make this "
          "call.\n"
          "Exit 0: approved; 4: another person has to approve as well.",
          "countersign broker approve --request-id 221cd761fb9455b2 --approver alice@company --once",
          kApproveFlags,
          Positionals::Anywhere,
          Shape::Ours,
          approve};
}

Command broker_break_glass_command() {
  return {"broker break-glass",
          "[--review ID --reason TEXT]",
          "Lists emergencies that nobody has reviewed yet, or reviews one",
          "Two people open one with `broker approve --break-glass --reason TEXT`, where approvals.break_glass of\n"
          "broker.yaml offers it. What the agent did in that time is in `broker audit`, by the grant's id.",
          "countersign broker break-glass --review 221cd761fb9455b2 --reason 'only the restart, as agreed'",
          kBreakGlassFlags,
          Positionals::Anywhere,
          Shape::Ours,
          break_glass};
}

Command broker_reject_command() {
  return {"broker reject",
          "--request-id ID --reason TEXT",
          "Turns a call or a proposed server down",
          "The same call is refused for approvals.cooldown, and the agent is told the reason.",
          "countersign broker reject --request-id 221cd761fb9455b2 --reason 'use the staging account'",
          kRejectFlags,
          Positionals::Anywhere,
          Shape::Ours,
          reject};
}

Command broker_revoke_command() {
  return {"broker revoke",
          "--agent-id NAME --tool-id ID --reason TEXT",
          "Takes back what an approval put on an agent's list, and ends the agent's grants of the tool",
          "",
          "countersign broker revoke --agent-id web --tool-id fs:write --reason 'project over'",
          kRevokeFlags,
          Positionals::Anywhere,
          Shape::Ours,
          revoke};
}

Command broker_quarantine_command() {
  return {"broker quarantine",
          "[--accept TOOL [--digest HEX] --reason TEXT]",
          "Shows tools whose servers define them otherwise than before, or takes a new definition",
          "",
          "countersign broker quarantine --accept fs:write --reason 'read the diff, CHG-7'",
          kQuarantineFlags,
          Positionals::Anywhere,
          Shape::Ours,
          quarantine};
}

Command broker_lists_command() {
  return {"broker lists",
          "",
          "Shows what people granted: list entries and grants",
          "",
          "countersign broker lists --json",
          kOnlyBroker,
          Positionals::Anywhere,
          Shape::Ours,
          lists};
}

Command broker_propose_command() {
  return {"broker propose",
          "--server-name NAME [--source KIND --source-id TEXT] [--source-path PATH]",
          "Proposes a tool server; with its files it is vetted at once",
          "Of --source url the definitions of its tools are read and bound: its program is not here to be vetted.\n"
          "The same source proposed again is a new version: what was found and decided before stays.\n"
          "Exit 0: proposed, and good where it was vetted; 3: vetting did not pass.",
          "countersign broker propose --server-name fs --source-path /srv/mcp/fs",
          kProposeFlags,
          Positionals::Anywhere,
          Shape::Ours,
          propose};
}

Command broker_proposals_command() {
  return {"broker proposals",
          "[--proposal-id ID]",
          "Shows proposed servers and what became of them",
          "",
          "countersign broker proposals --json",
          kShowFlags,
          Positionals::Anywhere,
          Shape::Ours,
          proposals};
}

}  // namespace countersign::command
