// The four ways an event reaches the security owner. Each takes at most the target's timeout.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"
#include "signer/config/config.h"

namespace countersign::notifier {

struct Message {
  std::string name;  // of the event
  std::string severity;
  std::string json;  // the event on one line, without a line break
};

// Fails with Unavailable, naming the target and what went wrong; never repeats what a target answered at length.
Status deliver(const config::NotifyConfig& target, const Message& message);

// Appends one whole line to a file that only its owner can read, and syncs it. A line that cannot be written whole is
// taken back. Fails with Refused for a link or what is no regular file.
Status append_to_file(const config::NotifyConfig& target, const Message& message);

// Runs argv with the event on standard input and a minimal environment; no shell. Killed with its process group past
// the timeout or 64 KiB of output; any exit status but 0 is a failure.
Status run_command(const config::NotifyConfig& target, const Message& message);

// POST application/json; any answer but 2xx is a failure, a redirection too.
Status post_webhook(const config::NotifyConfig& target, const Message& message);

// One mail, text/plain. TLS where the server offers it, always for smtps://.
Status send_mail(const config::NotifyConfig& target, const Message& message);

// "command /usr/local/bin/page": how details and the journal name a target.
std::string name_of(const config::NotifyConfig& target);

}  // namespace countersign::notifier
