// What a browser says of the page that a request comes from, checked by everything here that listens on loopback.
#pragma once

#include <string_view>

#include "common/result.h"
#include "signer/transport/http_message.h"

namespace countersign::command {

// Under which names a server on loopback may be reached.
enum class OwnNames { Address, AnyOfLoopback };

// Against pages that a browser was led to: Host must name this server (a name that was made to point here, DNS
// rebinding, does not), and Origin, where it is sent, must be a page of its own. `authority` is where it listens, as
// "127.0.0.1:8123"; empty on a Unix socket, which no page reaches under any name. Fails with Refused, reason
// "wrong_origin", and with Invalid where a field is repeated.
Status check_origin(const transport::HttpHeaders& headers, std::string_view authority, OwnNames names);

}  // namespace countersign::command
