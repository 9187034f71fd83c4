// What servers are told and answer, however they are reached.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "common/result.h"
#include "gate/broker/offer.h"

namespace countersign::broker {

// For everything but calls: start, handshake and list.
inline constexpr std::chrono::seconds kHandshakeTime{20};
inline constexpr std::size_t kLongestServerMessage = std::size_t{16} << 20;

Error server_unavailable(const std::string& name, const std::string& what);
Error outcome_unknown(const std::string& name, const std::string& what);

// {"protocolVersion","capabilities","clientInfo"} of initialize: nothing is offered to servers.
Json hello();
// The version in its answer. Fails with Invalid where it is not known here.
Result<std::string> agreed_version(const Json& answer);

// A message of the server that asks for something: nothing but whether its client lives is answered. Roots, sampling
// and elicitation would let it reach through the broker.
Json answer_to_server(const Json& asked);

// The result in an answer. Fails with Refused, reason "server_error", where it is an error of the server; with Invalid.
Result<Json> result_in(const Json& answer);
// As a tool's own failure is told, so that an agent can read it.
Json tool_failure(const std::string& text);

// Every page of every list that the server has by its `capabilities`; the list of tools is asked for in any case.
// Fails with Invalid and TooLarge, and as `request` does.
using Request = std::function<Result<Json>(const std::string& method, Json params)>;
Result<std::vector<Offer>> listed_offers(const Json& capabilities, const Request& request);
// Whether a notification says that one of the lists changed.
bool tells_of_change(const Json& note);

}  // namespace countersign::broker
