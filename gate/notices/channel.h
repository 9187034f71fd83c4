// The ways a notice leaves: a signed webhook, mail, a command, a file.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "common/clock.h"
#include "common/json.h"
#include "common/result.h"
#include "gate/broker/notify_config.h"

namespace countersign::notices {

// A notice as it is sent: the same bytes at every attempt.
struct Message {
  std::string id;
  std::string json;     // one line
  std::string summary;  // of the data
  std::string text;     // of the data
  UtcTime at;           // of what is told
};

class Channel {
 public:
  virtual ~Channel() = default;
  // One attempt at `now`, bounded by the channel's timeout; one that is under way ends soon after `interrupted` becomes
  // true. Fails with Unavailable or Refused, in words that repeat neither the address' secrets nor what was answered.
  virtual Status deliver(const Message& message, UtcTime now, const std::atomic<bool>& interrupted) const = 0;
};

// Reads the channel's secrets. Fails with Invalid, Refused or NotFound where one is missing, exposed or malformed.
Result<std::unique_ptr<Channel>> open_channel(const broker::ChannelConfig& config);

// POST of the message as Standard Webhooks 1.0 says: webhook-id, webhook-timestamp, webhook-signature
// "v1," + base64(HMAC-SHA256(secret, id "." timestamp "." body)). Delivered by any answer of 2xx and by nothing else.
Result<std::unique_ptr<Channel>> open_webhook(const broker::ChannelConfig& config, const broker::WebhookTarget& target);

// One mail to all recipients, text/plain. Its Message-ID is made of the message's id.
Result<std::unique_ptr<Channel>> open_mail(const broker::ChannelConfig& config, const broker::MailTarget& target);
// The mail's header and body, lines ended by CRLF. Whatever the message holds, it adds no header.
std::string mail_text(const broker::MailTarget& target, const Message& message);

// argv with the message on standard input and a clean environment, no shell. Delivered by exit status 0; killed with
// its process group after the timeout or 64 KiB of output.
std::unique_ptr<Channel> open_command(const broker::ChannelConfig& config, const broker::CommandTarget& target);

// One line of JSON appended to a file of mode 0600 and synced; what is no regular file, or a link, is refused.
std::unique_ptr<Channel> open_file(const broker::FileTarget& target);

}  // namespace countersign::notices
