#include "command/broker/service/proposal_record.h"

#include "command/decision/attestation.h"
#include "gate/state/state_attestation.h"

namespace countersign::command {
namespace {

constexpr std::string_view kVerdictSchema = "countersign.vetting.verdict";

bool is_sealed(const Json& proposal) {
  const Json* verdict = proposal.find("vetting_verdict");
  return verdict != nullptr && verdict->find(gate::kAttestationMember) != nullptr;
}

}  // namespace

std::int64_t version_of(const Json& proposal) {
  const Json* version = proposal.find("version");
  return version != nullptr && version->is_integer() ? version->as_integer() : 0;
}

std::string proposer(const BrokerCaller& caller) {
  return caller.agent.empty() ? "uid:" + std::to_string(caller.uid) : caller.agent;
}

broker::AuditEvent proposal_event(std::string name, const Json& proposal, const BrokerCaller& caller) {
  return {std::move(name),
          {{"proposal_id", proposal.text("id")},
           {"version", version_of(proposal)},
           {"server_name", proposal.text("server_name")},
           {"digest", proposal.text("digest")},
           {"vetting_status", proposal.text("vetting_status")},
           {"uid", std::int64_t{caller.uid}},
           {"by", proposer(caller)}}};
}

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

}  // namespace countersign::command
