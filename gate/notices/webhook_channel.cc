#include "common/curl/transfer.h"
#include "common/hmac.h"
#include "common/secret_source.h"
#include "common/text.h"
#include "gate/notices/channel.h"

namespace countersign::notices {
namespace {

constexpr std::string_view kPrefix = "whsec_";
// Standard Webhooks 1.0, "Signature scheme": 192 to 512 bits.
constexpr std::size_t kShortestKey = 24;
constexpr std::size_t kLongestKey = 64;

Result<SecretBytes> key_from(const std::string& source) {
  ASSIGN_OR_RETURN(const SecretBytes secret, secret_from(source, ""));
  const std::string_view text = trimmed(text_of(secret.reveal()));
  Result<Bytes> key = Error{ErrorCode::Invalid, ""};
  if (text.starts_with(kPrefix)) key = from_base64(text.substr(kPrefix.size()));
  if (key && key->size() >= kShortestKey && key->size() <= kLongestKey) return SecretBytes(*std::move(key));
  return Error{ErrorCode::Invalid, source + " holds no secret of a webhook: whsec_ and the base64 of 24 to 64 bytes",
               "bad_webhook_secret",
               "printf 'whsec_%s' \"$(head -c 32 /dev/urandom | base64)\" > FILE; chmod 0400 FILE"};
}

class WebhookChannel : public Channel {
 public:
  WebhookChannel(const broker::WebhookTarget& target, std::chrono::nanoseconds timeout, std::vector<SecretBytes> keys)
      : target_(target), timeout_(timeout), keys_(std::move(keys)) {}

  Status deliver(const Message& message, UtcTime now, const std::atomic<bool>& interrupted) const override {
    ASSIGN_OR_RETURN(
        const auto transfer,
        curl::Transfer::to(target_.url, {.time = timeout_, .interrupted = &interrupted, .authorities = target_.ca}));
    const std::string at = std::to_string(now.unix_seconds());
    const std::string before = message.id + "." + at + ".";
    std::string signatures;
    for (const SecretBytes& key : keys_) {
      const Digest code = hmac_sha256(key.reveal(), {view_of(before), view_of(message.json)});
      signatures += (signatures.empty() ? "v1," : " v1,") + to_base64(code.bytes());
    }
    for (const std::string& line :
         {std::string("Content-Type: application/json"), "webhook-id: " + message.id, "webhook-timestamp: " + at,
          "webhook-signature: " + signatures, std::string("Expect:")}) {
      RETURN_IF_ERROR(transfer->add(CURLOPT_HTTPHEADER, line));
    }
    if (broker::is_loopback(target_.url)) transfer->set(CURLOPT_NOPROXY, "*");
    transfer->set(CURLOPT_USERAGENT, "countersign");
    transfer->set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(message.json.size()));
    transfer->set(CURLOPT_POSTFIELDS, message.json.c_str());
    RETURN_IF_ERROR(transfer->perform());
    const long status = transfer->status();
    if (status >= 200 && status < 300) return ok();
    return Error{ErrorCode::Unavailable, "it answered " + std::to_string(status)};
  }

 private:
  broker::WebhookTarget target_;
  std::chrono::nanoseconds timeout_;
  std::vector<SecretBytes> keys_;
};

}  // namespace

Result<std::unique_ptr<Channel>> open_webhook(const broker::ChannelConfig& config,
                                              const broker::WebhookTarget& target) {
  std::vector<SecretBytes> keys;
  for (const std::string& source : target.secrets) {
    ASSIGN_OR_RETURN(SecretBytes key, key_from(source));
    keys.push_back(std::move(key));
  }
  return std::unique_ptr<Channel>(new WebhookChannel(target, config.timeout, std::move(keys)));
}

}  // namespace countersign::notices
