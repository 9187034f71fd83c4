// The supervisor's messages: SOCK_SEQPACKET, one JSON object each, descriptors passed beside it.
//   holder → supervisor   {"event":"ready","role","index","uid","keys":[…],"confinement":{…},"token":{…}}, which the
//                         supervisor forwards unread · {"event":"failed"|"lost",…} (holder_exit.h)
//   supervisor → front    {"event":"holder_up","role","index","generation"} + the holder's ready object under "ready" +
//                         1 descriptor
//                         {"event":"holder_down","role","index","generation","cause","message","hint","retryable"}
//                         {"event":"notifier_up"} + 1 descriptor · {"event":"stop"}
//   front → supervisor    {"event":"listening"} · {"event":"replace_holder","role","index","generation","cause"} ·
//                         {"event":"halted","role"}
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "common/result.h"

namespace countersign::channel {

struct ControlMessage {
  Json body;
  std::vector<int> descriptors;  // owned by the receiver, close-on-exec
};

// Blocking or not, as the socket is. Fails with Unavailable on a dead peer (never SIGPIPE); would-block is Unavailable
// with reason "would_block"; a message over 64 KiB, bad JSON or more than four descriptors is Invalid.
Status send_control(int socket, const Json& body, const std::vector<int>& descriptors = {});
Result<ControlMessage> receive_control(int socket);

}  // namespace countersign::channel
