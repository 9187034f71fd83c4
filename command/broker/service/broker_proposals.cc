// Servers that are proposed: vetted at once, and bound to the bytes that were vetted.
#include <algorithm>
#include <filesystem>

#include "command/broker/service/broker_service.h"
#include "command/broker/service/proposal_record.h"
#include "common/durable_file.h"
#include "common/text.h"
#include "gate/broker/pattern.h"
#include "gate/vetting/vetting.h"

namespace countersign::command {
namespace {

constexpr std::string_view kSources[] = {"docker_image", "github_repo", "npm_package",
                                         "openapi",      "directory",   broker::kUrlSource};
constexpr std::size_t kLongestDefinitions = std::size_t{512} << 10;
constexpr std::size_t kLargestReport = std::size_t{256} << 10;

Result<vetting::VettingPolicy> policy_in(const std::string& path) {
  if (path.empty()) return vetting::VettingPolicy{};
  ASSIGN_OR_RETURN(const std::string text, read_file(path));
  ASSIGN_OR_RETURN(const Json document, Json::parse(text));
  return vetting::VettingPolicy::read(document, std::filesystem::path(path).parent_path().string());
}

// There are no bytes to vet: the definitions are read, which bind what people approve, and people are told so.
Status describe_url_server(Json& proposal, std::vector<broker::Offer> offers, UtcTime now) {
  const auto named = [](const broker::Offer& offer) {
    return std::string(offer.definition.text(broker::row_of(offer.kind).name));
  };
  std::ranges::sort(offers, {}, named);
  std::vector<std::string> reasons = {"its program is not here: " + std::to_string(offers.size()) +
                                      " definitions of tools were read, and nothing else"};
  Json bound = Json::object({{"url", proposal.text("source_id")}, {"definitions", Json::Array{}}});
  for (const broker::Offer& offer : offers) {
    const std::string member(broker::row_of(offer.kind).in_proposal);
    if (bound.find(member) == nullptr) bound.set(member, Json::Array{});
    bound.find(member)->as_array().push_back(broker::lasting_definition(offer));
    if (!broker::addresses_the_model(offer.definition)) continue;
    reasons.push_back("the definition of " + named(offer).substr(0, 100) + " speaks to the model");
  }
  if (bound.compact().size() > kLongestDefinitions) {
    return Error{ErrorCode::TooLarge, "its definitions are longer than 512 KiB", "too_many_definitions"};
  }
  const std::string_view verdict = reasons.size() == 1 ? kDefinitionsAlone : "fail";
  proposal.set("digest", bound.digest().hex());
  proposal.set("vetting_status", verdict);
  proposal.set("vetting_verdict", verdict_of(proposal, verdict, reasons, "", now));
  for (const broker::OfferRow& row : broker::offer_rows()) {
    if (Json* read = bound.find(row.in_proposal)) proposal.set(std::string(row.in_proposal), std::move(*read));
  }
  return ok();
}

}  // namespace

// An agent asks people for servers as it asks for calls: at a rate, and not for more than they can look at.
Status BrokerService::within_proposals(const BrokerCaller& caller, const std::string& id) {
  if (caller.agent.empty()) return ok();
  RETURN_IF_ERROR(within_rate(caller.agent));
  const std::vector<Json> all = store_.proposals();
  const auto waiting = std::ranges::count_if(all, [&](const Json& each) {
    return each.text("status") == "pending" && each.text("proposed_by") == caller.agent && each.text("id") != id;
  });
  if (waiting < config_.limits.pending_per_agent) return ok();
  return Error{ErrorCode::OverLimit, "the agent " + caller.agent + " proposed too many servers that wait",
               "too_many_pending", "people look at them first: countersign broker proposals"};
}

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
  const std::lock_guard one_at_a_time(vetting_mutex_);
  const std::string id = sha256(view_of(name + ":" + source + ":" + source_id)).hex().substr(0, 16);
  const std::optional<Json> before = store_.proposal(id);
  RETURN_IF_ERROR(within_proposals(caller, id));
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
    ASSIGN_OR_RETURN(std::vector<broker::Offer> offers, catalogue_.look_at(name, source_id));
    RETURN_IF_ERROR(describe_url_server(proposal, std::move(offers), clock_.now()));
  }
  if (source_path.empty()) {
    (void)seal(proposal, signer, clock_.now());  // else in the proposal, and tried again
    RETURN_IF_ERROR(
        store_.put_proposal(id, version_of(proposal), proposal, proposal_event("proposed", proposal, caller)));
    return proposal;
  }
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
  found.erase("tokens");
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
  for (Json& each : store_.proposals()) {
    each.erase("tokens");
    rows.push_back(std::move(each));
  }
  return Json(std::move(rows));
}

}  // namespace countersign::command
