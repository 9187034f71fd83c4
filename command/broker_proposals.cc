// Servers that are proposed: vetted at once, approved by people, and bound to the bytes that were vetted.
#include <algorithm>
#include <filesystem>

#include "command/attestation.h"
#include "command/broker_service.h"
#include "common/durable_file.h"
#include "common/json_fields.h"
#include "common/text.h"
#include "gate/broker/pattern.h"
#include "gate/state_attestation.h"
#include "gate/vetting/vetting.h"

namespace countersign::command {
namespace {

using broker::AuditEvent;

constexpr std::string_view kSources[] = {"docker_image", "github_repo", "npm_package",
                                         "openapi",      "directory",   broker::kUrlSource};
// What vetting says of a server whose program is not here, where its definitions are good.
constexpr std::string_view kDefinitionsAlone = "definitions";
constexpr std::size_t kLongestDefinitions = std::size_t{512} << 10;
constexpr std::string_view kVerdictSchema = "countersign.vetting.verdict";
constexpr std::size_t kLargestReport = std::size_t{256} << 10;

Status require_judge(const BrokerCaller& caller) {
  if (caller.person) return ok();
  return Error{ErrorCode::Refused, "uid " + std::to_string(caller.uid) + " may not judge proposals", "not_a_person",
               "`people` of broker.yaml names who may"};
}

// Who proposes a server may be an agent; nobody else is listened to.
Status require_known(const BrokerCaller& caller) {
  if (caller.person || !caller.agent.empty()) return ok();
  return Error{ErrorCode::Refused, "uid " + std::to_string(caller.uid) + " is no agent and no person of this broker",
               "unknown_agent"};
}

std::string proposer(const BrokerCaller& caller) {
  return caller.agent.empty() ? "uid:" + std::to_string(caller.uid) : caller.agent;
}

std::int64_t version_of(const Json& proposal) {
  const Json* version = proposal.find("version");
  return version != nullptr && version->is_integer() ? version->as_integer() : 0;
}

Result<vetting::VettingPolicy> policy_in(const std::string& path) {
  if (path.empty()) return vetting::VettingPolicy{};
  ASSIGN_OR_RETURN(const std::string text, read_file(path));
  ASSIGN_OR_RETURN(const Json document, Json::parse(text));
  return vetting::VettingPolicy::read(document, std::filesystem::path(path).parent_path().string());
}

AuditEvent proposal_event(std::string name, const Json& proposal, const BrokerCaller& caller) {
  return {std::move(name),
          {{"proposal_id", proposal.text("id")},
           {"version", version_of(proposal)},
           {"server_name", proposal.text("server_name")},
           {"digest", proposal.text("digest")},
           {"vetting_status", proposal.text("vetting_status")},
           {"uid", std::int64_t{caller.uid}},
           {"by", proposer(caller)}}};
}

// What was found of which bytes: the trace key vouches for it in its member `countersign` (gate/state_attestation.h).
Json verdict_of(const Json& proposal, std::string_view verdict, const std::vector<std::string>& reasons,
                std::string_view findings_digest, UtcTime now) {
  return Json::object({{"schema_id", kVerdictSchema},
                       {"schema_version", "1.0.0"},
                       {"proposal_id", proposal.text("id")},
                       {"version", version_of(proposal)},
                       {"server_name", proposal.text("server_name")},
                       {"digest", proposal.text("digest")},
                       {"verdict", verdict},
                       {"reasons", Json::array(reasons)},
                       {"findings_digest", findings_digest},
                       {"vetted_at", now.rfc3339()}});
}

bool is_sealed(const Json& proposal) {
  const Json* verdict = proposal.find("vetting_verdict");
  return verdict != nullptr && verdict->find(gate::kAttestationMember) != nullptr;
}

// Has the signer vouch for the verdict, where it has not yet. What keeps it from doing so now (it is down) stands in
// the proposal, and is tried again before anybody's approval counts.
Status seal(Json& proposal, client::SignerClient& signer, UtcTime now) {
  Json* verdict = proposal.find("vetting_verdict");
  if (verdict == nullptr || !verdict->is_object() || is_sealed(proposal)) return ok();
  const Status sealed = attest(signer, *verdict, now);
  if (sealed) {
    proposal.erase("vetting_unsigned");
  } else {
    proposal.set("vetting_unsigned", sealed.error().detail);
  }
  return sealed;
}

// That the verdict on record is the one that was signed, of this proposal and these bytes.
Status check_sealed(const Json& proposal, client::SignerClient& signer) {
  const Json& verdict = *proposal.find("vetting_verdict");
  ASSIGN_OR_RETURN(const keymgmt::KeySet keys, signer.keys());
  RETURN_IF_ERROR(gate::check_attestation(verdict, verdict.find(gate::kAttestationMember), keys,
                                          {std::string(gate::kAnyAttester)}));
  const bool same = verdict.text("proposal_id") == proposal.text("id") &&
                    verdict.text("digest") == proposal.text("digest") &&
                    verdict.text("verdict") == proposal.text("vetting_status") &&
                    *verdict.find("version") == Json(version_of(proposal));
  if (same) return ok();
  return Error{ErrorCode::VerificationFailed, "the signed verdict is another proposal's", "verdict_mismatch",
               "propose again"};
}

bool has_passed(const Json& proposal) {
  const std::string_view status = proposal.text("vetting_status");
  return status == "pass" || status == "warn" || status == kDefinitionsAlone;
}

// There are no bytes to vet: the definitions are read, which bind what people approve, and people are told so.
Status describe_url_server(Json& proposal, std::vector<Json> definitions, UtcTime now) {
  std::ranges::sort(definitions, {}, [](const Json& tool) { return std::string(tool.text("name")); });
  std::vector<std::string> reasons = {"its program is not here: " + std::to_string(definitions.size()) +
                                      " definitions of tools were read, and nothing else"};
  for (const Json& tool : definitions) {
    if (!broker::addresses_the_model(tool)) continue;
    reasons.push_back("the definition of " + std::string(tool.text("name")).substr(0, 100) + " speaks to the model");
  }
  Json bound = Json::object({{"url", proposal.text("source_id")}, {"definitions", std::move(definitions)}});
  if (bound.compact().size() > kLongestDefinitions) {
    return Error{ErrorCode::TooLarge, "its definitions are longer than 512 KiB", "too_many_definitions"};
  }
  const std::string_view verdict = reasons.size() == 1 ? kDefinitionsAlone : "fail";
  proposal.set("digest", bound.digest().hex());
  proposal.set("vetting_status", verdict);
  proposal.set("vetting_verdict", verdict_of(proposal, verdict, reasons, "", now));
  proposal.set("definitions", *std::move(bound.find("definitions")));
  return ok();
}

}  // namespace

Result<Json> BrokerService::propose(const BrokerCaller& caller, const Json& body, client::SignerClient& signer) {
  RETURN_IF_ERROR(require_known(caller));
  JsonFields fields(body, "");
  ASSIGN_OR_RETURN(const std::string name, fields.text("server_name"));
  ASSIGN_OR_RETURN(const std::string source, fields.text("source"));
  ASSIGN_OR_RETURN(const std::string source_id, fields.text("source_id"));
  std::string source_path;
  if (fields.take("source_path") != nullptr) source_path = body.text("source_path");
  RETURN_IF_ERROR(fields.finish());
  RETURN_IF_ERROR(broker::check_tool_id(name));
  if (std::ranges::find(kSources, source) == std::end(kSources)) {
    return fields.wrong("source", "is none of docker_image, github_repo, npm_package, openapi, directory and url");
  }
  if (source == broker::kUrlSource && !source_path.empty()) return fields.wrong("source_path", "does not go with url");
  if (!source_path.empty() && source_path.front() != '/') return fields.wrong("source_path", "is no absolute path");
  const std::string id = sha256(view_of(name + ":" + source + ":" + source_id)).hex().substr(0, 16);
  const std::optional<Json> before = store_.proposal(id);
  // A new version: what was found and decided before stays.
  Json proposal = Json::object({{"id", id},
                                {"version", before ? version_of(*before) + 1 : 1},
                                {"server_name", name},
                                {"source", source},
                                {"source_id", source_id},
                                {"source_path", source_path},
                                {"status", "pending"},
                                {"digest", ""},
                                {"vetting_status", nullptr},
                                {"proposed_by", proposer(caller)},
                                {"proposed_by_uid", std::int64_t{caller.uid}},
                                {"proposed_at", clock_.now().rfc3339()},
                                {"decisions", Json::Array{}}});
  if (source == broker::kUrlSource) {
    ASSIGN_OR_RETURN(std::vector<Json> definitions, catalogue_.look_at(name, source_id));
    RETURN_IF_ERROR(describe_url_server(proposal, std::move(definitions), clock_.now()));
  }
  if (source_path.empty()) {
    (void)seal(proposal, signer, clock_.now());  // else in the proposal, and tried again
    RETURN_IF_ERROR(
        store_.put_proposal(id, version_of(proposal), proposal, proposal_event("proposed", proposal, caller)));
    return proposal;
  }
  const std::lock_guard one_at_a_time(vetting_mutex_);
  vetting::VettingRequest request;
  request.proposal_id = id;
  request.source = source_path;
  request.store = config_.state + "/snapshots";
  std::error_code unknown;
  request.worker = std::filesystem::read_symlink("/proc/self/exe", unknown).string();
  ASSIGN_OR_RETURN(request.policy, policy_in(config_.vetting_policy));
  ASSIGN_OR_RETURN(vetting::VettingReport report, vetting::vet(request, clock_, [](const std::string&) {}));
  report.proposal_id = id;
  const std::string_view verdict = vetting::name_of(report.judgement.verdict);
  proposal.set("digest", report.digest.hex());
  proposal.set("vetting_status", verdict);
  const std::string findings = vetting::findings_document(report).gait_file();
  proposal.set("vetting_verdict",
               verdict_of(proposal, verdict, report.judgement.reasons, sha256(findings).hex(), clock_.now()));
  const std::string base = config_.state + "/reports/" + id + "_v" + std::to_string(version_of(proposal));
  RETURN_IF_ERROR(write_durable(base + "_FINDINGS.json", findings, 0640));
  RETURN_IF_ERROR(write_durable(base + "_VETTING.md", vetting::markdown_page(report), 0640));
  proposal.set("vetting_report_path", base + "_VETTING.md");
  (void)seal(proposal, signer, clock_.now());  // else in the proposal, and tried again
  RETURN_IF_ERROR(
      store_.put_proposal(id, version_of(proposal), proposal, proposal_event("proposed", proposal, caller)));
  return proposal;
}

Result<Json> BrokerService::proposal(const BrokerCaller& caller, const std::string& id) {
  RETURN_IF_ERROR(require_known(caller));
  ASSIGN_OR_RETURN(Json found, stored_proposal(id));
  const std::string report(found.text("vetting_report_path"));
  // Who decides need not be able to read the broker's files.
  if (!report.empty() && caller.person) {
    if (Result<std::string> text = read_file(report, kLargestReport)) found.set("vetting_report", *std::move(text));
  }
  return found;
}

Result<Json> BrokerService::stored_proposal(const std::string& id) const {
  if (const std::optional<Json> found = store_.proposal(id)) return *found;
  return Error{ErrorCode::NotFound, "there is no proposal \"" + id + "\"", "unknown_proposal",
               "countersign broker propose makes one"};
}

Result<Json> BrokerService::proposals(const BrokerCaller& caller) {
  RETURN_IF_ERROR(require_known(caller));
  Json::Array rows;
  for (Json& each : store_.proposals()) rows.push_back(std::move(each));
  return Json(std::move(rows));
}

// Passed: one person, not who proposed it, who says why where there were no bytes to vet. Failed, incomplete or not
// vetted: two people who say why they override it.
Result<Json> BrokerService::decide_proposal(const BrokerCaller& caller, const std::string& id, const Json& body,
                                            bool approved, client::SignerClient& signer) {
  RETURN_IF_ERROR(require_judge(caller));
  ASSIGN_OR_RETURN(Json proposal, stored_proposal(id));
  JsonFields fields(body, "");
  const Json* overrides = fields.take("override");
  const bool override_asked = overrides != nullptr && *overrides == Json(true);
  const bool says_why = fields.take("reason") != nullptr && !trimmed(body.text("reason")).empty();
  RETURN_IF_ERROR(fields.finish());
  if (proposal.text("status") != "pending") {
    return Error{ErrorCode::Conflict, "proposal " + id + " is " + std::string(proposal.text("status")) + " already",
                 "proposal_closed", "propose again: that makes a new version of it"};
  }
  const bool unseen = proposal.text("vetting_status") == kDefinitionsAlone;
  if ((!approved || override_asked || unseen) && !says_why) {
    return Error{ErrorCode::Invalid, "a reason is needed, for the record", "reason_missing", "--reason TEXT"};
  }
  const bool passed = has_passed(proposal);
  if (approved && !passed && !override_asked) {
    return Error{
        ErrorCode::Refused,
        "proposal " + id + " was not found good: " +
            (proposal.text("vetting_status").empty() ? "not vetted" : std::string(proposal.text("vetting_status"))),
        "vetting_not_passed", "--override-vetting --reason TEXT, by two people, admits it all the same"};
  }
  const Json* by = proposal.find("proposed_by_uid");
  if (approved && !config_.trial && by != nullptr && *by == Json(std::int64_t{caller.uid})) {
    return Error{ErrorCode::Refused, "who proposed a server does not approve it", "proposer_is_approver"};
  }
  if (approved && proposal.find("vetting_verdict") != nullptr) {
    RETURN_IF_ERROR(seal(proposal, signer, clock_.now()));
    RETURN_IF_ERROR(check_sealed(proposal, signer));
  }
  Json decisions = *proposal.find("decisions");
  const Json decision = Json::object({{"uid", std::int64_t{caller.uid}},
                                      {"at", clock_.now().rfc3339()},
                                      {"approved", approved},
                                      {"override", override_asked},
                                      {"reason", body.text("reason")}});
  const bool decided_before = std::ranges::any_of(
      decisions.as_array(), [&](const Json& each) { return *each.find("uid") == Json(std::int64_t{caller.uid}); });
  if (decided_before) {
    return Error{ErrorCode::Conflict, "you decided on proposal " + id + " already; another person has to",
                 "second_person_needed"};
  }
  decisions.as_array().push_back(decision);
  const bool second = decisions.as_array().size() >= 2;
  const bool settled = !approved || passed || second;
  proposal.set("decisions", std::move(decisions));
  if (settled) proposal.set("status", approved ? "approved" : "rejected");
  AuditEvent event = proposal_event(!settled   ? "override_asked"
                                    : approved ? "proposal_approved"
                                               : "proposal_rejected",
                                    proposal, caller);
  event.members.emplace_back("reason", body.text("reason"));
  event.members.emplace_back("override", override_asked);
  const Json* definitions = proposal.find("definitions");
  if (settled && approved && definitions != nullptr) {
    RETURN_IF_ERROR(catalogue_.pin(proposal.text("server_name"), definitions->as_array(),
                                   proposal_event("definition_pinned", proposal, caller)));
  }
  RETURN_IF_ERROR(store_.put_proposal(id, version_of(proposal), proposal, std::move(event)));
  return Json::object({{"ok", settled},
                       {"proposal_id", id},
                       {"status", proposal.text("status")},
                       {"vetting_status", proposal.text("vetting_status")},
                       {"needs", settled ? Json() : Json("a second person: --override-vetting --reason TEXT")}});
}

}  // namespace countersign::command
