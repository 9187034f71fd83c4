// A proposed server as broker.db keeps it, and the signed verdict of its vetting within.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "command/broker/service/broker_service.h"

namespace countersign::command {

// What vetting says of a server whose program is not here, where its definitions are good.
inline constexpr std::string_view kDefinitionsAlone = "definitions";

std::int64_t version_of(const Json& proposal);
// Whether one person may admit it.
bool has_passed(const Json& proposal);
// Who proposes it, as it is recorded: the agent, else "uid:N".
std::string proposer(const BrokerCaller& caller);
broker::AuditEvent proposal_event(std::string name, const Json& proposal, const BrokerCaller& caller);

// What was found of which bytes: the trace key vouches for it in its member `countersign`
// (gate/state/state_attestation.h).
Json verdict_of(const Json& proposal, std::string_view verdict, const std::vector<std::string>& reasons,
                std::string_view findings_digest, UtcTime now);
// Has the signer vouch for the verdict, where it has not yet. What keeps it from doing so now (it is down) stands in
// the proposal, and is tried again before anybody's approval counts.
Status seal(Json& proposal, client::SignerClient& signer, UtcTime now);
// That the verdict on record is the one that was signed, of this proposal and these bytes. Fails with Refused and with
// VerificationFailed.
Status check_sealed(const Json& proposal, client::SignerClient& signer);

}  // namespace countersign::command
